"""Every wallet against its entries and holds, each within one statement: nothing moves in between."""

from bisect import bisect_right
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, column, func, literal_column, or_, select, true, union_all
from sqlalchemy.types import BigInteger, String

from bailiwick.kernel.audit.sealing import FIRST, LAST
from bailiwick.kernel.database.columns import Id, Json
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.money import EXPONENTS, LARGEST_AMOUNT
from bailiwick.payments.infrastructure.chain import Account
from bailiwick.payments.infrastructure.tables import entries, holds, proved_sums, seals, wallets

AT_ONCE = 10_000


@dataclass(slots=True)
class Balances:
    """How many wallets were compared, and what is wrong with which."""

    wallets: int = 0
    damages: list[str] = field(default_factory=list)


async def compared(
    database: Database, sums: Mapping[Account, int], *, position: int, recent: UUID, go_on: bool
) -> Balances:
    """Compare all wallets with `sums`, what their entries up to the seal at `position` come to.

    With `go_on` they begin where the saved sums end. Added to them is what was sealed since, and what has
    no seal yet and an id above `recent`.
    """
    found, accounts = Balances(), sorted(sums)
    scope = {"position": position, "recent": recent, "go_on": int(go_on)}
    kind = database.dialect.name
    done = 0
    async for after, last in _strides(database):
        end = bisect_right(accounts, last, key=lambda account: account[0])
        given = rows_of(sums, accounts[done:end])
        done = end
        counted = await database.first(_COUNT, after=after, last=last)
        found.wallets += counted[0] if counted else 0
        for row in await database.all(_COMPARE[kind], sums=given, after=after, last=last, **scope):
            found.damages += _problems(*row)
        for wallet_id, currency in await database.all(_STRANGERS[kind], sums=given):
            found.damages.append(f"wallet {wallet_id}: it has entries in {currency}, and is not there")
    return found


def rows_of(sums: Mapping[Account, int], accounts: list[Account]) -> list[dict[str, Any]]:
    """As parameters. A sum too large for a column, which no wallet has, is as large as one can be."""
    return [
        {
            "wallet_id": id.hex,
            "currency": currency,
            "amount": max(-LARGEST_AMOUNT, min(LARGEST_AMOUNT, sums[id, currency])),
        }
        for id, currency in accounts
    ]


def _problems(id: UUID, currency: str, posted: int, moved: Any, held: int, open_holds: Any) -> list[str]:
    found = []
    if posted != moved:
        theirs = _shown(int(moved), currency)
        found.append(f"wallet {id}: posted is {_shown(posted, currency)}, its entries come to {theirs}")
    if held != open_holds:
        theirs = _shown(int(open_holds), currency)
        found.append(f"wallet {id}: held is {_shown(held, currency)}, its open holds come to {theirs}")
    return found


def _shown(amount: int, currency: str) -> str:
    places = EXPONENTS.get(currency, 0)
    return f"{Decimal(amount).scaleb(-places):.{places}f} {currency}"


async def _strides(database: Database) -> AsyncIterator[tuple[UUID, UUID]]:
    after = FIRST
    while row := await database.first(_STEP, after=after):
        yield after, row[0]
        after = row[0]
    yield after, LAST


_after, _last = bindparam("after", type_=Id), bindparam("last", type_=Id)
_within = wallets.c.id > _after, wallets.c.id <= _last
_STEP = select(wallets.c.id).where(wallets.c.id > _after).order_by(wallets.c.id).offset(AT_ONCE - 1).limit(1)
_COUNT = select(func.count()).select_from(wallets).where(*_within)

_sums: Any = bindparam("sums", type_=Json)


def sums_given(dialect: str) -> Any:
    """The rows of the parameter `sums`."""
    if dialect == "postgresql":
        return (
            func.jsonb_to_recordset(_sums)
            .table_valued(*(column(c.name, c.type) for c in proved_sums.c))
            .render_derived(name="given", with_types=True)
        )
    each = func.json_each(_sums).table_valued(column("value", String), name="each")
    names = ((c.name, c.type) for c in proved_sums.c)
    return select(
        *(func.json_extract(each.c.value, f"$.{name}", type_=kind).label(name) for name, kind in names)
    ).subquery("given")


def _later() -> Any:
    """What moved since: sealed after the position, or made lately and not sealed at all."""
    sealed = (
        select(entries.c.wallet_id, entries.c.currency, entries.c.amount)
        .select_from(seals.join(entries, entries.c.journal_id == seals.c.journal_id))
        .where(seals.c.position > bindparam("position", type_=BigInteger))
    )
    its_seal = select(seals.c.position).where(seals.c.journal_id == entries.c.journal_id)
    unsealed = select(entries.c.wallet_id, entries.c.currency, entries.c.amount).where(
        entries.c.journal_id > bindparam("recent", type_=Id),
        its_seal.correlate(entries).scalar_subquery().is_(None),
    )
    each = union_all(sealed, unsealed).subquery()
    return (
        select(each.c.wallet_id, each.c.currency, func.sum(each.c.amount).label("amount"))
        .group_by(each.c.wallet_id, each.c.currency)
        .subquery("later")
    )


def _compare(dialect: str) -> Any:
    given, later = sums_given(dialect), _later()
    held = (
        select(holds.c.wallet_id, func.sum(holds.c.amount).label("amount"))
        .where(holds.c.status == literal_column("'open'", String))
        .where(holds.c.wallet_id > _after, holds.c.wallet_id <= _last)
        .group_by(holds.c.wallet_id)
        .subquery("held_back")
    )
    none = literal_column("0", BigInteger)
    saved = func.coalesce(proved_sums.c.amount, none) * bindparam("go_on", type_=BigInteger)
    moved = saved + func.coalesce(given.c.amount, none) + func.coalesce(later.c.amount, none)
    open_holds = func.coalesce(held.c.amount, none)
    # Said of both tables, so that the planner need not read all sums for each stretch of wallets.
    these = (proved_sums.c.wallet_id > _after) & (proved_sums.c.wallet_id <= _last)
    joined: Any = wallets
    for sums, more in ((proved_sums, these), (given, true()), (later, true())):
        same = (sums.c.wallet_id == wallets.c.id) & (sums.c.currency == wallets.c.currency)
        joined = joined.outerjoin(sums, same & more)
    joined = joined.outerjoin(held, held.c.wallet_id == wallets.c.id)
    wrong = or_(wallets.c.posted != moved, wallets.c.held != open_holds)
    return (
        select(wallets.c.id, wallets.c.currency, wallets.c.posted, moved, wallets.c.held, open_holds)
        .select_from(joined)
        .where(*_within, wrong)
        .order_by(wallets.c.id)
    )


def _strangers(dialect: str) -> Any:
    given = sums_given(dialect)
    known = (given.c.wallet_id == wallets.c.id) & (given.c.currency == wallets.c.currency)
    return (
        select(given.c.wallet_id, given.c.currency)
        .select_from(given.outerjoin(wallets, known))
        .where(wallets.c.id.is_(None))
    )


_COMPARE = {dialect: _compare(dialect) for dialect in ("postgresql", "sqlite")}
_STRANGERS = {dialect: _strangers(dialect) for dialect in ("postgresql", "sqlite")}
