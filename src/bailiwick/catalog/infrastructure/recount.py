"""The recount: proves that the stock is what its movements made it.

For each SKU everything is read in one statement, so from one moment, whatever goes on meanwhile.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    String,
    bindparam,
    case,
    cast,
    func,
    literal,
    select,
    union_all,
)

from bailiwick.catalog.domain.reservation import ReservationStatus
from bailiwick.catalog.domain.stock import EFFECTS
from bailiwick.catalog.infrastructure.tables import movements, reservation_lines, reservations, stocks
from bailiwick.kernel.database.connections import Database

AT_ONCE = 200

FIGURES = ("version", "on_hand", "reserved", "moved", "set_aside", "open")


@dataclass(frozen=True)
class Count:
    """What is known of one SKU. `version` is that of the stock, 0 where none is kept.

    `moved` and `set_aside` are what the movements make of what is on hand and what is reserved, `open` is
    what the open reservations are of.
    """

    sku: str
    version: int
    on_hand: int
    reserved: int
    moved: int
    set_aside: int
    open: int

    @property
    def differences(self) -> list[str]:
        """A sentence for each two figures that should be the same and are not."""
        pairs = (
            (f"{self.on_hand} on hand", self.on_hand, "its movements make", self.moved),
            (f"{self.reserved} reserved", self.reserved, "its open reservations are of", self.open),
            (f"{self.open} in open reservations", self.open, "its movements reserve", self.set_aside),
        )
        return [f"{self.sku}: {one}, but {other} {b}" for one, a, other, b in pairs if a != b]

    @property
    def can_be_mended(self) -> bool:
        """Whether the stock is wrong, and what it should be is possible."""
        wrong = (self.on_hand, self.reserved) != (self.moved, self.open)
        return wrong and 0 <= self.open <= self.moved


@dataclass(frozen=True)
class Recount:
    """How many SKUs were looked at, and those of which something does not fit."""

    skus: int
    wrong: list[Count]


async def recount(database: Database, tell: Callable[[int], None] = lambda done: None) -> Recount:
    """Look at every SKU. `tell` hears now and then how many are done."""
    done, wrong = 0, []
    async for counts in _counted(database):
        done += len(counts)
        wrong += [count for count in counts if count.differences]
        tell(done)
    return Recount(done, wrong)


async def _counted(database: Database) -> AsyncIterator[list[Count]]:
    after: str | None = ""
    while after is not None:
        found = await database.first(_LAST_OF_BATCH, after=after)
        upto = None if found is None else found[0]
        range_of_skus = {"after": after, "upto": upto}
        yield [Count(*row) for row in await database.all(_COUNTS, **range_of_skus)]
        after = upto


_LAST_OF_BATCH = (
    select(stocks.c.sku)
    .where(stocks.c.sku > bindparam("after"))
    .order_by(stocks.c.sku)
    .offset(AT_ONCE - 1)
    .limit(1)
)


def _within(sku: ColumnElement[str]) -> ColumnElement[bool]:
    """In the batch. The last one has no end, so it finds what no stock is kept of, too."""
    upto = bindparam("upto", type_=String)
    return (sku > bindparam("after", type_=String)) & (upto.is_(None) | (sku <= upto))


def _figures(sku: ColumnElement[str], **known: ColumnElement[Any]) -> Select[Any]:
    nothing: Mapping[str, ColumnElement[Any]] = {name: literal(0, BigInteger) for name in FIGURES}
    columns: list[ColumnElement[Any]] = [sku.label("sku")]
    columns += [cast(found, BigInteger).label(name) for name, found in {**nothing, **known}.items()]
    return select(*columns).where(_within(sku))


def _sum_of_effects(which: int) -> ColumnElement[Any]:
    factors = {move.value: effects[which] for move, effects in EFFECTS.items()}
    return func.sum(case(factors, value=movements.c.move, else_=0) * movements.c.quantity)


_each = union_all(
    _figures(stocks.c.sku, version=stocks.c.version, on_hand=stocks.c.on_hand, reserved=stocks.c.reserved),
    _figures(movements.c.sku, moved=_sum_of_effects(0), set_aside=_sum_of_effects(1)).group_by(
        movements.c.sku
    ),
    _figures(reservation_lines.c.sku, open=func.sum(reservation_lines.c.quantity))
    .join(reservations, reservations.c.id == reservation_lines.c.reservation_id)
    .where(reservations.c.status == ReservationStatus.HELD.value)
    .group_by(reservation_lines.c.sku),
).subquery()
_COUNTS = (
    select(_each.c.sku, *(cast(func.sum(_each.c[name]), BigInteger).label(name) for name in FIGURES))
    .group_by(_each.c.sku)
    .order_by(_each.c.sku)
)
