"""What a wallet was at a time, what has moved it since, and why it is what it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Integer,
    String,
    bindparam,
    func,
    literal_column,
    select,
    true,
    tuple_,
    union_all,
)

from bailiwick.kernel.application import Actor
from bailiwick.kernel.audit.sealing import FIRST
from bailiwick.kernel.database.columns import Id, UtcDateTime
from bailiwick.kernel.database.connections import Database, Row
from bailiwick.kernel.http.money import MoneyView
from bailiwick.kernel.money import Money
from bailiwick.payments.contract import JournalKind, PaymentsPermission
from bailiwick.payments.domain.terms import NoWallet
from bailiwick.payments.domain.wallet import WalletId, WalletStatus
from bailiwick.payments.infrastructure.queries import EntryView
from bailiwick.payments.infrastructure.tables import entries, holds, journals, wallets

NEWEST = 100


@dataclass
class BalanceView:
    """What was posted at a time: all entries that count from then or from before."""

    wallet_id: UUID
    at: datetime
    balance: MoneyView


@dataclass
class LineView:
    """One entry of a statement, and the balance after it."""

    transfer_id: UUID
    kind: JournalKind
    amount: MoneyView
    balance: MoneyView
    description: str
    effective_at: datetime


@dataclass(frozen=True)
class Place:
    """Where a statement goes on: after the entry at this time, of this journal, at this position."""

    effective_at: datetime
    journal_id: UUID = FIRST
    position: int = -1


@dataclass(frozen=True)
class Statement:
    """A wallet from `since` on and before `until`, with as many lines as were asked for, after some place."""

    wallet_id: UUID
    currency: str
    since: datetime
    until: datetime
    opening: Money
    closing: Money
    lines: list[LineView]
    next: Place | None


@dataclass
class HeldView:
    """Money that an open hold sets aside."""

    hold_id: UUID
    amount: MoneyView
    reference: str
    expires_at: datetime


@dataclass
class ExplanationView:
    """The entries and holds behind the three figures of a wallet: at most the 100 newest of each.

    `earlier` is what all older entries come to. `in_words` says the same for people.
    """

    wallet_id: UUID
    posted: MoneyView
    pending: MoneyView
    available: MoneyView | None
    entries: list[EntryView]
    earlier: MoneyView
    holds: list[HeldView]
    in_words: list[str]


def _visible(row: Row | None, actor: Actor) -> Row:
    """A row that begins with the owner. Raises NoWallet for none, and for somebody else's."""
    if row is None or not (actor.id == row[0] or actor.may(PaymentsPermission.OPERATE)):
        raise NoWallet("no such wallet")
    return row


def _moved_since(*conditions: Any) -> Any:
    """What entries of the wallet come to."""
    of_it = select(func.sum(entries.c.amount)).where(entries.c.wallet_id == wallets.c.id, *conditions)
    return func.coalesce(of_it.correlate(wallets).scalar_subquery(), literal_column("0", Integer))


_wallet = wallets.c.id == bindparam("wallet", type_=Id)
_BALANCE = select(
    wallets.c.owner_id,
    wallets.c.currency,
    wallets.c.posted - _moved_since(entries.c.effective_at > bindparam("at", type_=UtcDateTime)),
).where(_wallet)


async def balance_at(database: Database, wallet_id: WalletId, at: datetime, actor: Actor) -> BalanceView:
    """Raises NoWallet, also for somebody else's."""
    _, currency, amount = _visible(await database.first(_BALANCE, wallet=wallet_id, at=at), actor)
    return BalanceView(wallet_id, at, _view(int(amount), currency))


_since, _until = bindparam("since", type_=UtcDateTime), bindparam("until", type_=UtcDateTime)
_place_at = bindparam("place_at", type_=UtcDateTime)
_order = entries.c.effective_at, entries.c.journal_id, entries.c.position
_place = tuple_(_place_at, bindparam("place_id", type_=Id), bindparam("place_position", type_=Integer))
# The first condition is one for the index, the second for the entries of that very time.
_after_place = entries.c.effective_at >= _place_at, tuple_(*_order) > _place
_lines = (
    select(*_order, journals.c.kind, entries.c.amount, journals.c.description)
    .select_from(entries.join(journals))
    .where(
        entries.c.wallet_id == bindparam("wallet", type_=Id), entries.c.effective_at < _until, *_after_place
    )
    .order_by(*_order)
    .limit(bindparam("most", type_=Integer))
    .subquery("line")
)
# All in one statement: what is posted meanwhile is in every figure or in none.
_STATEMENT = (
    select(
        wallets.c.owner_id,
        wallets.c.currency,
        wallets.c.posted - _moved_since(entries.c.effective_at >= _since),
        wallets.c.posted - _moved_since(entries.c.effective_at >= _until),
        wallets.c.posted - _moved_since(*_after_place),
        *_lines.c,
    )
    .select_from(wallets.outerjoin(_lines, true()))
    .where(_wallet)
    .order_by(*(_lines.c[column.name] for column in _order))
)


async def statement(
    database: Database,
    wallet_id: WalletId,
    period: tuple[datetime, datetime],
    actor: Actor,
    *,
    most: int,
    after: Place | None = None,
) -> Statement:
    """Raises NoWallet, also for somebody else's."""
    since, until = period
    place = after or Place(since)
    rows = await database.all(
        _STATEMENT,
        wallet=wallet_id,
        since=since,
        until=until,
        place_at=place.effective_at,
        place_id=place.journal_id,
        place_position=place.position,
        most=most + 1,
    )
    _, currency, opening, closing, balance, *_ = _visible(rows[0] if rows else None, actor)
    found = [row[5:] for row in rows if row[5] is not None]
    lines = _with_balances(found[:most], int(balance), currency)
    return Statement(
        wallet_id,
        currency,
        since,
        until,
        Money(int(opening), currency),
        Money(int(closing), currency),
        lines,
        Place(*found[most - 1][:3]) if len(found) > most else None,
    )


def _with_balances(rows: Sequence[Row], balance: int, currency: str) -> list[LineView]:
    lines = []
    for effective_at, journal_id, _, kind, amount, description in rows:
        balance += amount
        shown, after = _view(amount, currency), _view(balance, currency)
        lines.append(LineView(journal_id, kind, shown, after, description, effective_at))
    return lines


_of_wallet = bindparam("wallet", type_=Id)
_newest_entries = (
    select(
        literal_column("'entry'", String).label("what"),
        entries.c.journal_id.label("id"),
        entries.c.amount,
        entries.c.effective_at.label("at"),
        journals.c.recorded_at,
        journals.c.kind,
        journals.c.description,
    )
    .select_from(entries.join(journals))
    .where(entries.c.wallet_id == _of_wallet)
    .order_by(entries.c.journal_id.desc(), entries.c.position.desc())
    .limit(NEWEST)
    .subquery()
)
_open_holds = (
    select(
        literal_column("'hold'", String).label("what"),
        holds.c.id,
        holds.c.amount,
        holds.c.expires_at.label("at"),
        holds.c.held_at,
        holds.c.status,
        holds.c.reference,
    )
    .where(holds.c.wallet_id == _of_wallet, holds.c.status == literal_column("'open'", String))
    .order_by(holds.c.held_at.desc(), holds.c.id.desc())
    .limit(NEWEST)
    .subquery()
)
_behind = union_all(select(*_newest_entries.c), select(*_open_holds.c)).subquery("behind")
_EXPLANATION = (
    select(
        wallets.c.owner_id,
        wallets.c.currency,
        wallets.c.status,
        wallets.c.posted,
        wallets.c.held,
        wallets.c.overdraft,
        *_behind.c,
    )
    .select_from(wallets.outerjoin(_behind, true()))
    .where(_wallet)
    .order_by(_behind.c.recorded_at.desc(), _behind.c.id.desc())
)


async def explanation(database: Database, wallet_id: WalletId, actor: Actor) -> ExplanationView:
    """Raises NoWallet, also for somebody else's."""
    rows = await database.all(_EXPLANATION, wallet=wallet_id)
    _, currency, status, posted, held, overdraft, *_ = _visible(rows[0] if rows else None, actor)
    moved, set_aside = _entries_and_holds([row[6:] for row in rows], currency)
    newest = sum(entry.amount.amount for entry in moved)
    words = [
        _posted_in_words(Money(posted, currency), Money(newest, currency), len(moved)),
        _pending_in_words(Money(held, currency), set_aside),
        _available_in_words(posted, held, overdraft, currency),
    ]
    if status == WalletStatus.FROZEN:
        words.append("The wallet is frozen: nothing goes out of it but what is held already.")
    return ExplanationView(
        wallet_id,
        _view(posted, currency),
        _view(held, currency),
        None if overdraft is None else _view(posted - held + overdraft, currency),
        moved,
        _view(posted - newest, currency),
        set_aside,
        words,
    )


def _entries_and_holds(rows: Sequence[Row], currency: str) -> tuple[list[EntryView], list[HeldView]]:
    moved, set_aside = list[EntryView](), list[HeldView]()
    for what, id, amount, at, recorded_at, kind, text in rows:
        if what == "entry":
            moved.append(EntryView(id, kind, _view(amount, currency), text, at, recorded_at))
        elif what == "hold":
            set_aside.append(HeldView(id, _view(amount, currency), text, at))
    return moved, set_aside


def _posted_in_words(posted: Money, newest: Money, count: int) -> str:
    if count == NEWEST:
        before = posted - newest
        return f"Posted is {posted}: the newest {NEWEST} entries come to {newest}, all before to {before}."
    if not count:
        return f"Posted is {posted}: nothing has moved yet."
    return f"Posted is {posted}: {_count(count, 'entry comes', 'entries come')} to {newest}."


def _pending_in_words(held: Money, set_aside: Sequence[HeldView]) -> str:
    if not set_aside:
        return f"Pending is {held}: no hold is open."
    if len(set_aside) == NEWEST:
        return f"Pending is {held}: more than {NEWEST - 1} open holds set it aside."
    return f"Pending is {held}: {_count(len(set_aside), 'open hold sets', 'open holds set')} it aside."


def _available_in_words(posted: int, held: int, overdraft: int | None, currency: str) -> str:
    if overdraft is None:
        return "Available is whatever is asked for: a wallet of the house has no limit."
    sum_of_it = Money(posted - held + overdraft, currency)
    parts = f"{Money(posted, currency)} posted, less {Money(held, currency)} pending"
    allowed = f", plus {Money(overdraft, currency)} that may be overdrawn" if overdraft else ""
    return f"Available is {sum_of_it}: {parts}{allowed}."


def _count(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"


def _view(amount: int, currency: str) -> MoneyView:
    return MoneyView.of(Money(amount, currency))
