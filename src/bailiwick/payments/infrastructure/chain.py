"""The chain of the ledger: a seal covers a journal with its entries in one form, and all seals before it.

Anybody can recompute it with SHA-256 alone. Texts stand behind their length and a colon, what is missing is
`-`, ids are 32 digits, times are UTC to the microsecond; an entry tells its time only where that is another
than its journal's.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Select,
    String,
    Uuid,
    bindparam,
    case,
    cast,
    column,
    func,
    literal_column,
    null,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement

from bailiwick.kernel.audit.chain import GENESIS
from bailiwick.kernel.audit.sealing import Chain
from bailiwick.kernel.database.connections import Database, Row
from bailiwick.payments.infrastructure.tables import entries, journals, seals

HEADER = [str(column.name) for column in journals.c if column.name != "version"]
_COMMA, _COLON, _NOTHING = (literal_column(f"'{text}'", String) for text in (",", ":", "-"))


class _Digits(FunctionElement[str]):
    """An id as 32 digits."""

    type = String()
    inherit_cache = True


class _Instant(FunctionElement[str]):
    """A time as `2026-01-31T23:59:59.000000Z`."""

    type = String()
    inherit_cache = True


@compiles(_Digits)
def _digits(element: _Digits, compiler: SQLCompiler, **options: Any) -> str:
    return f"encode(uuid_send({compiler.process(element.clauses, **options)}), 'hex')"


@compiles(_Instant)
def _instant(element: _Instant, compiler: SQLCompiler, **options: Any) -> str:
    time = compiler.process(element.clauses, **options)
    return f"""to_char({time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


class Strung(FunctionElement[str]):
    """Texts of several rows, in the order of those, with semicolons between."""

    type = String()
    inherit_cache = True


@compiles(Strung)
def _strung(element: Strung, compiler: SQLCompiler, **options: Any) -> str:
    return f"string_agg({compiler.process(element.clauses, **options)}, ';')"


@compiles(Strung, "sqlite")
def _concatenated(element: Strung, compiler: SQLCompiler, **options: Any) -> str:
    return f"group_concat({compiler.process(element.clauses, **options)}, ';')"


@compiles(_Digits, "sqlite")
@compiles(_Instant, "sqlite")
def _as_it_stands(element: FunctionElement[str], compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


def _told(column: ColumnElement[Any], *, nullable: bool) -> ColumnElement[str]:
    text: ColumnElement[str]
    if isinstance(column.type, Uuid):
        text = _Digits(column)
    elif isinstance(column.type, DateTime):
        text = _Instant(column)
    elif isinstance(column.type, String):
        text = cast(func.length(column), String) + _COLON + column
    else:
        text = cast(column, String)
    return case((column.is_(None), _NOTHING), else_=text) if nullable else text


def _joined(parts: Sequence[ColumnElement[str]]) -> ColumnElement[str]:
    whole = parts[0]
    for part in parts[1:]:
        whole = whole + _COMMA + part
    return whole


def header_of(journal: Any) -> ColumnElement[str]:
    """A journal without its entries. `journal` has the columns of the table."""
    return _joined([_told(journal.c[name], nullable=bool(journals.c[name].nullable)) for name in HEADER])


def entry_of(entry: Any, journal: Any) -> ColumnElement[str]:
    """One entry."""
    names = ("position", "wallet_id", "currency", "amount")
    own_time = case(
        (entry.c.effective_at == journal.c.effective_at, literal_column("''", String)),
        else_=_Instant(entry.c.effective_at),
    )
    return _joined([*(_told(entry.c[name], nullable=False) for name in names), own_time])


def whole(journal: Any, its_entries: ColumnElement[str]) -> ColumnElement[str]:
    """A journal with all of its entries, which are NULL where there are none."""
    between, none = literal_column("';'", String), literal_column("''", String)
    return header_of(journal) + between + func.coalesce(its_entries, none)


def digest(previous: str, told: str) -> str:
    """SHA-256, in hex, of the digest before and of a journal with its entries."""
    return hashlib.sha256(f"{previous};{told}".encode()).hexdigest()


_each = (
    select(entry_of(entries, journals).label("told"))
    .where(entries.c.journal_id == journals.c.id)
    .order_by(entries.c.position)
    .correlate(journals)
    .subquery()
)
WHOLE = whole(journals, select(Strung(_each.c.told)).scalar_subquery())
"""A journal with its entries, in canonical form."""


def _seal(previous: str, row: Sequence[Any]) -> Mapping[str, Any]:
    journal_id, told = row
    return {"journal_id": journal_id.hex, "digest": digest(previous, told)}


LEDGER = Chain(
    "ledger_chain",
    journals,
    seals.c.journal_id,
    journals.c.recorded_at,
    [journals.c.id, WHOLE.label("told")],
    _seal,
)


STRIDE = {"postgresql": 50_000, "sqlite": 5_000}
AT_ONCE = {"postgresql": 2, "sqlite": 1}

Account = tuple[UUID, str]
"""A wallet and a currency."""


@dataclass(slots=True)
class Stride:
    """What is in a stretch of the chain. `altered` are positions of seals that do not fit what they cover."""

    journals: int = 0
    entries: int = 0
    sums: Counter[Account] = field(default_factory=Counter)
    altered: list[tuple[int, UUID]] = field(default_factory=list)
    damages: list[str] = field(default_factory=list)

    def note(self, what: str, id: Any, currency: str, amount: Any, position: int | None) -> None:
        match what:
            case "sum":
                self.sums[id, currency] += int(amount)
            case "journals":
                self.journals += int(amount)
            case "entries":
                self.entries += int(amount or 0)
            case "altered":
                self.altered.append((position or 0, id))
            case "unbalanced":
                problem = f"its entries in {currency} come to {int(amount)} instead of 0"
                self.damages.append(f"journal {id} (position {position}): {problem}")
            case "missing":
                self.damages.append(f"journal {id} (position {position}): it is missing")
            case "gap":
                self.damages.append(f"position {position}: the seal before it is missing")


async def check(database: Database, after: int, last: int, found: Stride) -> None:
    """Add to `found` the journals whose seals stand at the positions after one and up to another."""
    if database.dialect.name == "postgresql":
        rows: Iterable[Sequence[Any]] = await database.all(_CHECK, after=after, last=last)
    else:
        links = await database.all(_LINKS, after=after, last=last)
        rows = _checked_here(links, await database.all(_ENTRIES, after=after, last=last), after)
    for row in rows:
        found.note(*row)


_after, _last = bindparam("after", type_=BigInteger), bindparam("last", type_=BigInteger)
_genesis = literal_column(f"'{GENESIS}'", String)


# Each seal with the one before.
_stretch = (
    select(
        *seals.c,
        func.lag(seals.c.position).over(order_by=seals.c.position).label("last_position"),
        func.lag(seals.c.digest).over(order_by=seals.c.position).label("last_digest"),
    )
    .where(seals.c.position >= _after, seals.c.position <= _last)
    .cte("stretch")
)
# One look into the index for each seal, whatever the planner thinks: nothing lateral here can be a join.
_journal = select(journals).where(journals.c.id == _stretch.c.journal_id).limit(1).lateral("journal")


def _moved() -> Any:
    """The entries of a journal as lists, and in canonical form."""
    entry = (
        select(entries, entry_of(entries, _journal).label("told"))
        .where(entries.c.journal_id == _stretch.c.journal_id)
        .order_by(entries.c.position)
        .correlate(_stretch, _journal)
        .subquery()
    )
    # Most journals are balanced and of one currency: the others are summed up by currency below.
    total, currency = func.sum(entry.c.amount), entry.c.currency
    doubtful = or_(total != literal_column("0", BigInteger), func.min(currency) != func.max(currency))
    return (
        select(
            Strung(entry.c.told).label("told"),
            func.array_agg(entry.c.wallet_id).label("wallets"),
            func.array_agg(entry.c.currency).label("currencies"),
            func.array_agg(entry.c.amount).label("amounts"),
            func.count().label("entries"),
            doubtful.label("doubtful"),
        )
        .select_from(entry)
        .lateral("moved")
    )


def _links() -> Any:
    """Each seal with its journal, whether it fits, and what that moved."""
    moved = _moved()
    previous = case(
        (_stretch.c.position == 1, _genesis),
        (_stretch.c.last_position == _stretch.c.position - 1, _stretch.c.last_digest),
    )
    told = previous + literal_column("';'", String) + whole(_journal, moved.c.told)
    hashed = func.sha256(func.convert_to(told, literal_column("'UTF8'", String)))
    recomputed = func.encode(hashed, literal_column("'hex'", String))
    return (
        select(
            _stretch.c.position,
            _stretch.c.journal_id,
            previous.is_(None).label("gap"),
            _journal.c.id.is_(None).label("missing"),
            (_stretch.c.digest != recomputed).label("altered"),
            *(column for column in moved.c if column.name != "told"),
        )
        .select_from(_stretch.outerjoin(_journal, true()).outerjoin(moved, true()))
        .where(_stretch.c.position > _after)
        .cte("link")
        .prefix_with("MATERIALIZED")
    )


def _found(what: str, *told: ColumnElement[Any] | None) -> Select[Any]:
    kinds: tuple[Any, ...] = (Uuid(), String(), String(), BigInteger())  # a sum may be larger than any column
    columns: list[ColumnElement[Any]] = [
        cast(null() if c is None else c, kind) for c, kind in zip(told, kinds, strict=True)
    ]
    return select(literal_column(f"'{what}'", String).label("what"), *columns)


def _check() -> Any:
    link = _links()
    parts = ("wallet_id", Uuid()), ("currency", String()), ("amount", BigInteger())
    moved = (
        func.unnest(link.c.wallets, link.c.currencies, link.c.amounts)
        .table_valued(*(column(name, kind) for name, kind in parts), name="moved")
        .render_derived()
    )
    each = link.join(moved, true())
    total = func.sum(moved.c.amount)
    sums = _found("sum", moved.c.wallet_id, moved.c.currency, total, None)
    unbalanced = _found("unbalanced", link.c.journal_id, moved.c.currency, total, link.c.position)
    return union_all(
        sums.select_from(each).group_by(moved.c.wallet_id, moved.c.currency),
        unbalanced.select_from(each)
        .where(link.c.doubtful)
        .group_by(link.c.position, link.c.journal_id, moved.c.currency)
        .having(total != 0),
        _found("missing", link.c.journal_id, None, None, link.c.position).where(link.c.missing),
        _found("altered", link.c.journal_id, None, None, link.c.position).where(link.c.altered),
        _found("gap", None, None, None, link.c.position).where(link.c.gap),
        _found("journals", None, None, func.count(), None).select_from(link),
        _found("entries", None, None, func.sum(link.c.entries), None).select_from(link),
    )


_CHECK = _check()

# SQLite can neither hash nor look into lists: what the statement does above is done here, row by row.
_LINKS = (
    select(seals.c.position, seals.c.journal_id, seals.c.digest, journals.c.id, WHOLE.label("told"))
    .select_from(seals.outerjoin(journals, journals.c.id == seals.c.journal_id))
    .where(seals.c.position >= _after, seals.c.position <= _last)
    .order_by(seals.c.position)
)
_ENTRIES = (
    select(seals.c.position, seals.c.journal_id, entries.c.wallet_id, entries.c.currency, entries.c.amount)
    .select_from(seals.join(entries, entries.c.journal_id == seals.c.journal_id))
    .where(seals.c.position > _after, seals.c.position <= _last)
    .order_by(seals.c.position)
)


def _checked_here(links: Sequence[Row], moved: Sequence[Row], after: int) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    at, previous = 0, GENESIS
    for position, journal_id, stored, there, told in links:
        if position > after:
            before = GENESIS if position == 1 else previous
            if position not in (1, at + 1):
                found.append(("gap", None, None, None, position))
            elif there and digest(before, told) != stored:
                found.append(("altered", journal_id, None, None, position))
            if there is None:
                found.append(("missing", journal_id, None, None, position))
        at, previous = position, stored
    count = sum(position > after for position, *_ in links)
    counts = [("journals", None, None, count, None), ("entries", None, None, len(moved), None)]
    return [*found, *_summed_here(moved), *counts]


def _summed_here(moved: Sequence[Row]) -> list[tuple[Any, ...]]:
    sums: Counter[Account] = Counter()
    by_journal: Counter[tuple[int, UUID, str]] = Counter()
    for position, journal_id, wallet_id, currency, amount in moved:
        sums[wallet_id, currency] += amount
        by_journal[position, journal_id, currency] += amount
    return [
        *(("sum", wallet_id, currency, amount, None) for (wallet_id, currency), amount in sums.items()),
        *(("unbalanced", id, cur, total, at) for (at, id, cur), total in by_journal.items() if total),
    ]
