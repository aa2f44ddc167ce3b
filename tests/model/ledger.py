"""People, operators and the shop do what they like with money, and the plain ledger foresees each answer."""

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select

from bailiwick.kernel.money import Money
from bailiwick.kernel.settings.sections import Payments as Settings
from bailiwick.payments.contract import Payments
from bailiwick.payments.infrastructure.tables import wallets as stored_wallets
from tests.model.application import OPERATOR, Answer, Desk, money, somebody
from tests.model.books import PLACES, Amount, Books, Hold, Journal, Refused, foretold
from tests.model.steps import Steps

T = TypeVar("T")

SETTINGS = Settings(fee_basis_points=250, fee_fixed=3)
PEOPLE = 3
NOBODYS = 15
FIRST_DEPOSIT = 1_000
RATES = ["1", "18.4512", "0.0541", "0.5", "0.0004"]

which = st.integers(0, NOBODYS)
"""Something that there is: counted round, so that any number is one of them."""
people = st.integers(0, PEOPLE - 1)
whoever = st.sampled_from([None] * 6 + [*range(PEOPLE)])
"""None: whose wallet it is."""
currencies = st.sampled_from([*PLACES])
amounts = st.one_of(st.integers(0, 120), st.integers(0, 1_500))
seconds = st.sampled_from([60, 3_600, 100_000])
limits = st.sampled_from([None, 0, 100, 1_000])

_HOUSE = select(stored_wallets.c.name, stored_wallets.c.currency, stored_wallets.c.posted).where(
    stored_wallets.c.owner_id.is_(None)
)


class Ledger(RuleBasedStateMachine):
    def __init__(self, desk: Desk, steps: Steps) -> None:
        super().__init__()
        self.desk, self.steps = desk, steps
        self.books, self.people = Books(), [somebody() for _ in range(PEOPLE)]
        self.nobodys = str(uuid4())
        self.last: tuple[Callable[[], Answer], Answer] | None = None
        steps.begin()

    @initialize()
    def everybody_has_some_money(self) -> None:
        self.desk.clock.tomorrow()
        self.before = self.house()
        for person, currency in enumerate(["NAD", "NAD", "NAD", "JPY", "KWD"]):
            self.opens_a_wallet(person % PEOPLE, currency)
            self.brings(person, FIRST_DEPOSIT, currency)
        self.changes_the_rules(0, 0, 1_000)
        self.changes_the_rules(1, 500, None)

    # What people do

    @rule(person=people, currency=currencies)
    def opens_a_wallet(self, person: int, currency: str) -> None:
        answer = self.posted(person, "/wallets", {"currency": currency})
        wallet = self.foreseen(answer, lambda: self.books.open(person, currency))
        if wallet:
            self.books.wallets[answer.data["id"]] = wallet

    @rule(person=whoever, payer=which, payee=which, minor=amounts, currency=st.none() | currencies)
    def transfers(self, person: int | None, payer: int, payee: int, minor: int, currency: str | None) -> None:
        source, target = self.wallet(payer), self.wallet(payee)
        amount, person = self.of(source, minor, currency), self.owner(source, person)
        answer = self.posted(person, "/transfers", self.from_to(source, target, amount))
        self.booked("transfer", answer, lambda: self.books.transfer(person, source, target, amount))

    @rule(person=whoever, payer=which, payee=which, minor=amounts)
    def tries_a_transfer(self, person: int | None, payer: int, payee: int, minor: int) -> None:
        source, target = self.wallet(payer), self.wallet(payee)
        amount, person = self.of(source, minor), self.owner(source, person)
        answer = self.posted(person, "/transfers/dry-run", self.from_to(source, target, amount))
        self.last = None  # nothing was stored, so that the answer was not either
        legs = self.foreseen(answer, lambda: self.books.copy().transfer(person, source, target, amount))
        if legs:
            assert answer.data["paid"]["amount"] == -legs[0][1], (answer, legs)

    @rule(
        person=whoever,
        transfers=st.lists(st.tuples(which, which, amounts), min_size=1, max_size=4),
        atomic=st.booleans(),
    )
    def transfers_in_bulk(
        self, person: int | None, transfers: list[tuple[int, int, int]], atomic: bool
    ) -> None:
        wanted = [
            (source := self.wallet(payer), self.wallet(payee), self.of(source, minor))
            for payer, payee, minor in transfers
        ]
        person = self.owner(wanted[0][0], person)
        body = {"transfers": [self.from_to(*each) for each in wanted], "atomic": atomic}
        answer = self.posted(person, "/transfers/bulk", body)
        outcomes = self.foreseen(answer, lambda: self.books.bulk(person, wanted, atomic=atomic))
        for outcome, said in zip(outcomes or [], (answer.data or {}).get("transfers", []), strict=True):
            if isinstance(outcome, str):
                assert said["refusal"] == outcome, (said, outcome)
            else:
                assert said["transfer"]["paid"]["amount"] == -outcome[0][1], (said, outcome)
                self.books.journals[said["transfer"]["id"]] = Journal("transfer", outcome)

    @rule(person=whoever, payer=which, payee=which, minor=amounts, lasts=seconds)
    def sets_aside(self, person: int | None, payer: int, payee: int, minor: int, lasts: int) -> None:
        source, target = self.wallet(payer), self.wallet(payee)
        amount, person = self.of(source, minor), self.owner(source, person)
        body = {"wallet": source, "payee_wallet": target, "amount": money(*amount), "expires_in": lasts}
        answer = self.posted(person, "/holds", body)
        hold = self.foreseen(answer, lambda: self.books.hold(person, source, target, amount, lasts))
        if hold:
            self.books.holds[answer.data["id"]] = hold

    @precondition(lambda self: self.books.holds)
    @rule(hold=which, by=st.none() | people, minor=st.none() | amounts)
    def captures(self, hold: int, by: int | None, minor: int | None) -> None:
        id, found = self.hold(hold)
        amount = None if minor is None else Amount(minor, found.amount.currency)
        body = {} if amount is None else {"amount": money(*amount)}
        answer = self.posted(by, f"/holds/{id}/capture", body)

        def capture() -> Hold:
            self.books.may_end(by, id)
            if found.payee is None:
                raise Refused("only_for_payee")
            self.books.capture(id, amount)
            return found

        if self.foreseen(answer, capture):
            assert answer.data["captured"]["amount"] == found.captured

    @precondition(lambda self: self.books.holds)
    @rule(hold=which, by=st.none() | people)
    def voids(self, hold: int, by: int | None) -> None:
        id, _ = self.hold(hold)
        answer = self.posted(by, f"/holds/{id}/void")

        def void() -> None:
            self.books.may_end(by, id)
            self.books.void(id)

        self.foreseen(answer, void)

    # What the shop does

    @rule(person=people, minor=amounts, currency=currencies, lasts=seconds)
    def the_shop_holds(self, person: int, minor: int, currency: str, lasts: int) -> None:
        key, amount = uuid4(), Amount(minor, currency)
        owner, shop = self.people[person].id, self.desk.contract(Payments)
        for _ in range(2):  # asked again, it says the same and does no more
            code = self.desk.refusal(shop.hold(key, owner, Money(*amount), "order", lasts))
            if str(key) not in self.books.holds:
                hold = self.agreed(code, lambda: self.books.hold_for_shop(person, amount, lasts))
                if hold is None:
                    return
                self.books.holds[str(key)] = hold
            else:
                self.agreed(code, lambda: None)

    @precondition(lambda self: self.of_shop)
    @rule(hold=which)
    def the_shop_captures(self, hold: int) -> None:
        key = self.of_shop[hold % len(self.of_shop)]
        code = self.desk.refusal(self.desk.contract(Payments).capture(UUID(key)))
        found = self.books.holds[key]
        if found.captured < found.amount.minor:  # also of what an operator has taken a part of
            self.agreed(code, lambda: self.books.capture(key, None))
        else:
            assert code is None, code

    @precondition(lambda self: self.of_shop)
    @rule(hold=which)
    def the_shop_releases(self, hold: int) -> None:
        key = self.of_shop[hold % len(self.of_shop)]
        code = self.desk.refusal(self.desk.contract(Payments).release(UUID(key)))
        if self.books.holds[key].status in ("open", "captured"):
            self.agreed(code, lambda: self.books.void(key))
        else:
            assert code is None, code

    @precondition(lambda self: self.of_shop)
    @rule(hold=which, minor=amounts)
    def the_shop_refunds(self, hold: int, minor: int) -> None:
        id, shop = self.of_shop[hold % len(self.of_shop)], self.desk.contract(Payments)
        key, amount = uuid4(), Amount(minor, self.books.holds[id].amount.currency)
        code = self.desk.refusal(shop.refund(key, UUID(id), Money(*amount), "order"))
        self.agreed(code, lambda: self.books.refund(id, amount))
        if code is None:
            assert self.desk.refusal(shop.refund(key, UUID(id), Money(*amount), "order")) is None

    # What operators do

    @rule(to=which, minor=amounts, currency=st.none() | currencies)
    def brings(self, to: int, minor: int, currency: str | None) -> None:
        wallet = self.wallet(to)
        amount = self.of(wallet, minor, currency)
        answer = self.posted(None, "/deposits", {"wallet": wallet, "amount": money(*amount)})
        self.booked("deposit", answer, lambda: self.books.deposit(wallet, amount))

    @rule(of=which, minor=amounts)
    def takes_away(self, of: int, minor: int) -> None:
        wallet = self.wallet(of)
        amount = self.of(wallet, minor)
        answer = self.posted(None, "/withdrawals", {"wallet": wallet, "amount": money(*amount)})
        self.booked("withdrawal", answer, lambda: self.books.withdraw(wallet, amount))

    @rule(payer=which, payee=which, minor=amounts, rate=st.sampled_from(RATES))
    def converts(self, payer: int, payee: int, minor: int, rate: str) -> None:
        source, target = self.wallet(payer), self.wallet(payee)
        amount = self.of(source, minor)
        answer = self.posted(None, "/conversions", self.from_to(source, target, amount) | {"rate": rate})
        self.booked("conversion", answer, lambda: self.books.convert(source, target, amount, rate))

    @precondition(lambda self: self.books.journals)
    @rule(journal=which)
    def reverses(self, journal: int) -> None:
        id = [*self.books.journals][-1 - journal % len(self.books.journals)]
        answer = self.posted(None, f"/transfers/{id}/reversal", {})
        self.booked("reversal", answer, lambda: self.books.reverse(id))

    @rule(of=which, frozen=st.booleans())
    def freezes(self, of: int, frozen: bool) -> None:
        wallet = self.wallet(of, there=True)
        answer = self.desk.ask(OPERATOR, "PUT" if frozen else "DELETE", f"/wallets/{wallet}/freeze")
        assert answer.code is None, answer
        self.books.wallets[wallet].frozen = frozen

    @rule(of=which, overdraft=st.none() | st.sampled_from([0, 50, 500]), limit=st.just("as it is") | limits)
    def changes_the_rules(self, of: int, overdraft: int | None, limit: Any) -> None:
        id = self.wallet(of, there=True)
        wallet = self.books.wallets[id]
        changes = {} if overdraft is None else {"overdraft": overdraft}
        changes |= {} if limit == "as it is" else {"daily_limit": limit}
        answer = self.desk.ask(OPERATOR, "PATCH", f"/wallets/{id}", changes)
        assert answer.code is None, answer
        wallet.overdraft = changes.get("overdraft", wallet.overdraft)
        wallet.limit = changes.get("daily_limit", wallet.limit)

    # What happens

    @rule(passed=st.sampled_from([1, 59, 60, 3_600, 50_000]))
    def time_passes(self, passed: int) -> None:
        self.desk.clock.turn(passed)
        self.books.now += passed
        self.last = None

    @rule()
    def a_worker_works(self) -> None:
        self.desk.work()
        self.books.expire()

    @precondition(lambda self: self.last)
    @rule()
    def asks_again_with_the_same_key(self) -> None:
        assert self.last is not None
        again, first = self.last
        answer = again()
        assert (answer.status, answer.body) == (first.status, first.body), (answer, first)

    @invariant()
    def everybody_has_what_is_foreseen(self) -> None:
        self.steps.step()
        for person, wallets in enumerate(self.wallets_of_all()):
            own = {id: wallet for id, wallet in self.books.wallets.items() if wallet.owner == person}
            assert {each["id"] for each in wallets} == {*own}
            for each in wallets:
                there = tuple(each[name]["amount"] for name in ("posted", "pending", "available"))
                assert there == own[each["id"]].figures, (each, own[each["id"]])

    def teardown(self) -> None:
        if hasattr(self, "before"):
            made = self.house()
            made.subtract(self.before)
            assert {**+made, **-made} == {**+self.books.house, **-self.books.house}
            assert all(total == 0 for _, total in self.books.sums())

    # How they do it

    def wallet(self, number: int, *, there: bool = False) -> str:
        ids = [*self.books.wallets]
        return self.nobodys if number == NOBODYS and not there else ids[number % len(ids)]

    def owner(self, wallet: str, person: int | None) -> int:
        known = self.books.wallets.get(wallet)
        return person if person is not None else known.owner if known else 0

    def hold(self, number: int) -> tuple[str, Hold]:
        ids = [*self.books.holds]
        id = ids[-1 - number % len(ids)]
        return id, self.books.holds[id]

    @property
    def of_shop(self) -> list[str]:
        return [id for id, hold in self.books.holds.items() if hold.payee is None]

    def of(self, wallet: str, minor: int, currency: str | None = None) -> Amount:
        known = self.books.wallets.get(wallet)
        return Amount(minor, currency or (known.currency if known else "NAD"))

    def from_to(self, payer: str, payee: str, amount: Amount) -> dict[str, Any]:
        return {"from_wallet": payer, "to_wallet": payee, "amount": money(*amount)}

    def posted(self, by: int | None, path: str, body: object = None) -> Answer:
        actor, key = OPERATOR if by is None else self.people[by], str(uuid4())

        def ask() -> Answer:
            return self.desk.ask(actor, "POST", path, body, key=key)

        answer = ask()
        self.last = (ask, answer) if answer.code is None else None
        return answer

    def foreseen(self, answer: Answer, predicted: Callable[[], T]) -> T | None:
        return self.agreed(answer.code, predicted, answer)

    def agreed(self, code: str | None, predicted: Callable[[], T], about: object = None) -> T | None:
        """What was foreseen, where the answer agrees with it."""
        foreseen, outcome = foretold(predicted)
        assert code == foreseen, f"{foreseen or 'success'} was foreseen, not {code}: {about}"
        self.steps.met[foreseen or "done"] += 1
        return outcome

    def booked(self, kind: str, answer: Answer, predicted: Callable[[], list[tuple[str, int]]]) -> None:
        legs = self.foreseen(answer, predicted)
        if legs:
            said = answer.data["kind"], answer.data["paid"]["amount"], answer.data["amount"]["amount"]
            assert said == (kind, -legs[0][1], legs[-1][1]), (answer, legs)
            self.books.journals[answer.data["id"]] = Journal(kind, legs)

    def wallets_of_all(self) -> list[Any]:
        return [self.desk.ask(person, "GET", "/wallets").data for person in self.people]

    def house(self) -> Any:
        """What the wallets of the house have, by name and currency."""
        rows = self.desk.wait_for(self.desk.application.database.all(_HOUSE))
        return type(self.books.house)({f"{name} {currency}": posted for name, currency, posted in rows})
