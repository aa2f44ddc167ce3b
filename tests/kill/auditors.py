"""Judges what people did with their money by what the treasury holds: one sentence for each wrong thing."""

import json
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from tests.acceptance.shop import PRICE
from tests.kill.history import Answer, Asked, History
from tests.kill.treasury import Journal, Treasury

Check = Callable[[History, Treasury], Iterator[str]]

BOOKED = ("transfer", "deposit", "convert")
"""Kinds of requests of which the journal says what they moved. The key is its description."""
REFUSALS = {"insufficient_balance", "hold_over", "illegal_order_move", "payment_overdue"}


def all_came_to_an_end(history: History, treasury: Treasury) -> Iterator[str]:
    """Every request was answered in the end, and by nothing that is a mistake."""
    for asked in history.asked:
        if not asked.last.is_definite:
            yield f"{asked.kind} {asked.number} came to no end"
        for answer in asked.answers:
            if answer.status not in (0, 200, 201, 204, 503) and code_of(answer) not in REFUSALS:
                yield f"{asked.kind} {asked.number} was answered {answer.status}: {answer.body[:200]}"
    if treasury.stuck:
        yield f"{treasury.stuck} processes are stuck"


def each_payment_is_booked_once(history: History, treasury: Treasury) -> Iterator[str]:
    """What was acknowledged stands in the journal once, as it was asked for; what was refused does not."""
    booked = defaultdict(list)
    for journal in treasury.journals:
        if journal.kind in ("transfer", "deposit", "conversion"):
            booked[journal.description].append(journal)
    for asked in history.of(*BOOKED):
        found = booked.pop(asked.key, [])
        ids = {answer.data["id"] for answer in asked.succeeded}
        least = 1 if ids else 0
        most = 1 if ids or not asked.last.is_definite else 0
        if not least <= len(found) <= most:
            yield f"{asked.kind} {asked.key} is booked {len(found)} times, and was {asked.last.status}"
        for journal in found:
            yield from _otherwise(asked, journal, ids)
    for key, unasked in booked.items():
        yield f"{key} is booked {len(unasked)} times, and nobody has asked for it"


def _otherwise(asked: Asked, journal: Journal, ids: set[str]) -> Iterator[str]:
    wanted, moved = json.loads(asked.about), journal.moved
    if ids - {journal.id} or any(moved[wallet] != amount for wallet, amount in wanted.items()):
        yield f"{asked.kind} {asked.key} is booked as {journal.id} {dict(moved)}, not {ids} {wanted}"


def a_key_has_one_answer(history: History, treasury: Treasury) -> Iterator[str]:
    """However often it is asked, and whoever had died."""
    for asked in history.of(*BOOKED, "hold", "capture", "void", "order", "pay", "cancel"):
        if len({answer.body for answer in asked.succeeded}) > 1:
            yield f"{asked.kind} {asked.key} has several answers"
        if asked.succeeded and asked.last.status not in range(200, 300) and asked.last.is_definite:
            yield f"{asked.kind} {asked.key} was acknowledged, and refused afterwards"


def the_books_balance(history: History, treasury: Treasury) -> Iterator[str]:
    """Each journal, and each currency, sums to nothing; each wallet has what its entries and holds say."""
    entered: Counter[str] = Counter()
    for journal in treasury.journals:
        sums: Counter[str] = Counter()
        for wallet, currency, amount in journal.legs:
            sums[currency] += amount
            entered[wallet] += amount
        if any(sums.values()) or len(journal.legs) < 2:
            yield f"journal {journal.id} comes to {dict(sums)}"
    held: Counter[str] = Counter()
    for hold in treasury.holds:
        held[hold.wallet] += hold.amount if hold.status == "open" else 0
    for id, purse in treasury.purses.items():
        if (purse.posted, purse.held) != (entered[id], held[id]):
            yield f"wallet {id} has {purse.posted}, {purse.held}; the books say {entered[id]}, {held[id]}"
        if purse.overdraft is not None and purse.posted - purse.held + purse.overdraft < 0:
            yield f"wallet {id} is below its floor: {purse}"
    yield from treasury.damages


@dataclass
class Times:
    """What moved one wallet: when it was asked for, when it was known to be done, and how much.

    What was asked before a moment may be done by then; what was acknowledged before it is done.
    """

    asked: list[tuple[float, int]] = field(default_factory=list)
    done: list[tuple[float, int]] = field(default_factory=list)

    def most(self, before: float, after: float) -> int:
        """No more can be there at any time between: all that may have come, less what has left."""
        return _upto(self.asked, after, plus=True) + _upto(self.done, before, plus=False)

    def least(self, before: float, after: float) -> int:
        return _upto(self.done, before, plus=True) + _upto(self.asked, after, plus=False)


def _upto(changes: Sequence[tuple[float, int]], time: float, *, plus: bool) -> int:
    return sum(amount for at, amount in changes if at <= time and (amount > 0) == plus)


def times_of(history: History) -> dict[str, Times]:
    times: dict[str, Times] = defaultdict(Times)
    for asked in history.of(*BOOKED):
        if not asked.succeeded and asked.last.is_definite:
            continue
        known = min((answer.at for answer in asked.succeeded), default=float("inf"))
        for wallet, amount in json.loads(asked.about).items():
            times[wallet].asked.append((asked.at, amount))
            times[wallet].done.append((known, amount))
    return times


def nobody_spends_what_is_not_there(history: History, treasury: Treasury) -> Iterator[str]:
    """At no moment had more left a wallet for certain than can have come into it."""
    for wallet, times in times_of(history).items():
        purse = treasury.purses.get(wallet)
        floor = 0 if purse is None or purse.overdraft is None else -purse.overdraft
        credits = sorted(change for change in times.asked if change[1] > 0)
        debits = sorted(change for change in times.done if change[1] < 0)
        came = [0, *accumulate(amount for _, amount in credits)]
        gone = [0, *accumulate(amount for _, amount in debits)]
        for at, _ in debits:
            most = came[bisect_right(credits, (at, 2**63))] + gone[bisect_right(debits, (at, 0))]
            if most < floor and at < float("inf"):
                yield f"wallet {wallet} had at most {most} at {at}"
                break


def what_was_read_can_be(history: History, treasury: Treasury) -> Iterator[str]:
    """Each balance that was read is one that was possible then; a household's sum never changes."""
    times, sums = times_of(history), defaultdict(set)
    for asked in history.of("look"):
        for answer in asked.succeeded[-1:]:
            read = {each["id"]: each["posted"]["amount"] for each in answer.data}
            for wallet, posted in read.items():
                least = times[wallet].least(asked.at, answer.at)
                most = times[wallet].most(asked.at, answer.at)
                if not least <= posted <= most:
                    yield f"{posted} was read of wallet {wallet}, which had {least} to {most} then"
            if asked.about:
                sums[asked.about].add(sum(read.values()))
    for owner, totals in sums.items():
        if len(totals) > 1:
            yield f"the household of {owner} was read to have {sorted(totals)[:5]} in all"


def holds_end_once(history: History, treasury: Treasury) -> Iterator[str]:
    """A hold is placed once for its key, and what was acknowledged of its end is what became of it."""
    placed = Counter(hold.reference for hold in treasury.holds)
    holds = {hold.id: hold for hold in treasury.holds}
    captures = Counter(journal.hold for journal in treasury.journals if journal.kind == "capture")
    for asked in history.of("hold"):
        if placed[asked.key] != (1 if asked.succeeded else 0):
            yield f"hold {asked.key} was placed {placed[asked.key]} times, and {asked.last.status}"
    for asked in history.of("capture", "void"):
        id, taken = json.loads(asked.about)
        hold, wanted = holds.get(id), "captured" if asked.kind == "capture" else "voided"
        if asked.succeeded and (hold is None or (hold.status, hold.captured) != (wanted, taken)):
            yield f"the {asked.kind} of {taken} was acknowledged, and the hold is {hold}"
    for hold in treasury.holds:
        if captures[hold.id] != (hold.status == "captured"):
            yield f"hold {hold.id} is {hold.status}, and was taken {captures[hold.id]} times"


def each_order_is_placed_once(history: History, treasury: Treasury) -> Iterator[str]:
    """One for each key; what was acknowledged to be cancelled is."""
    keys = Counter(order.key for order in treasury.orders)
    for asked in history.of("order"):
        if (count := keys.pop(asked.key, 0)) != (1 if asked.succeeded else 0):
            yield f"order {asked.key} was placed {count} times, and {asked.last.status}"
    yield from (f"{count} orders {key} were placed unasked" for key, count in keys.items())
    cancelled = {order.id for order in treasury.orders if order.status == "cancelled"}
    for asked in history.of("cancel"):
        if asked.succeeded and asked.about not in cancelled:
            yield f"order {asked.about} was cancelled, and is not"


def orders_end_well(history: History, treasury: Treasury) -> Iterator[str]:
    """Paid or cancelled; money was taken for exactly what is paid, and none is held any more."""
    taken: Counter[str] = Counter()
    for hold in treasury.holds:
        taken[hold.reference] += hold.captured - hold.refunded
        if hold.reference.startswith("Order ") and hold.status == "open":
            yield f"money is still held for {hold.reference}"
    for order in treasury.orders:
        price, paid = order.pieces * PRICE * (order.status == "paid"), taken[f"Order {order.number}"]
        if order.status not in ("paid", "cancelled") or paid != price:
            yield f"order {order.number} is {order.status}, and {paid} was taken"


def goods_leave_with_orders(history: History, treasury: Treasury) -> Iterator[str]:
    """What is missing on the shelves is what was paid for, and nothing is set aside any more."""
    if not treasury.orders:
        return
    came = sum(int(asked.about) for asked in history.of("receive"))
    left = sum(order.pieces for order in treasury.orders if order.status == "paid")
    if treasury.stock != (came - left, 0):
        yield f"{came} pieces came and {left} were sold, and there are {treasury.stock}"


CHECKS: list[Check] = [
    all_came_to_an_end,
    each_payment_is_booked_once,
    a_key_has_one_answer,
    the_books_balance,
    holds_end_once,
    each_order_is_placed_once,
    orders_end_well,
    goods_leave_with_orders,
]
OF_A_BANK: list[Check] = [*CHECKS[:4], nobody_spends_what_is_not_there, what_was_read_can_be]
"""Where money moves by payments and exchanges only, so that the log of clients tells of every one."""


def code_of(answer: Answer) -> str:
    try:
        return str(json.loads(answer.body).get("code", ""))
    except ValueError:
        return ""


def findings(history: History, treasury: Treasury, checks: Sequence[Check] = CHECKS) -> list[str]:
    return [f"{check.__name__}: {wrong}" for check in checks for wrong in check(history, treasury)]
