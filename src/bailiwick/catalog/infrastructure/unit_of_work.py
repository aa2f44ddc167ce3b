"""How products, categories, stock and reservations sit in their tables."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar

from sqlalchemy import Select, bindparam, literal, select

from bailiwick.catalog.domain.category import Category, CategoryId, SlugTaken
from bailiwick.catalog.domain.product import Product, ProductId, SkuTaken
from bailiwick.catalog.domain.reservation import Reservation, ReservationId, Return, ReturnId
from bailiwick.catalog.domain.stock import Movement, MovementId, Stock, StockId
from bailiwick.catalog.infrastructure.tables import (
    categories,
    facets,
    movements,
    one_for_each_sku,
    one_for_each_slug,
    one_stock_for_each_sku,
    prices,
    products,
    reservation_lines,
    reservations,
    returns,
    stocks,
    variants,
)
from bailiwick.kernel.application import Contention
from bailiwick.kernel.database.batches import one_of, room_for, these
from bailiwick.kernel.database.columns import Id
from bailiwick.kernel.database.mapper import Limit, Mapper
from bailiwick.kernel.database.unit_of_work import SqlRepository, SqlUnitOfWork, Unique
from bailiwick.kernel.domain import DomainError, NotFound

_HAS = select(variants.c.sku).where(
    variants.c.product_id == bindparam("id"), variants.c.sku == bindparam("sku")
)


@lru_cache
def _taken(most: int) -> Select[Any]:
    return select(variants.c.sku, variants.c.product_id).where(one_of(variants.c.sku, most))


class SqlProducts(SqlRepository[Product, ProductId]):
    mapper = Mapper(Product, products, audited=("status",), variants=variants, prices=prices, facets=facets)

    async def check_has(self, id: ProductId, sku: str) -> None:
        if await self._unit.database.first(_HAS, id=id, sku=sku) is None:
            raise NotFound("no such variant of a product")

    async def taken(self, skus: Collection[str], but: ProductId | None = None) -> list[str]:
        room = room_for(len(skus))
        rows = await self._unit.database.all(_taken(room), **these([*skus], room))
        return sorted(sku for sku, holder in rows if holder != but)


_line = (
    select(categories.c.id, categories.c.parent_id)
    .where(categories.c.id == bindparam("id"))
    .cte("line", recursive=True)
)
_line = _line.union(
    select(categories.c.id, categories.c.parent_id).where(categories.c.id == _line.c.parent_id)
)
_LINEAGE = select(categories).where(categories.c.id.in_(select(_line.c.id)))


class SqlCategories(SqlRepository[Category, CategoryId]):
    mapper = Mapper(Category, categories, audited=("parent_id",))

    async def lineage(self, id: CategoryId | None) -> list[Category]:
        if id is None:
            return []
        found = {category.id: category for category in await self._all(_LINEAGE, id=id)}
        line = []
        while id in found:
            line.append(found.pop(id))
            id = line[-1].details.parent_id or id
        return line


WIDTH = len(stocks.c)

NEVER_OVERSOLD = Limit({"on_hand": 1, "reserved": -1}, floor=literal(0))

_stock_columns = [column.label(f"stock_{column.name}") for column in stocks.c]
_line_columns = [reservation_lines.c[name] for name in ("sku", "quantity", "given_back")]
_WITH_STOCKS = (
    select(*reservations.c, *_line_columns, *_stock_columns)
    .select_from(
        reservations.outerjoin(
            reservation_lines, reservation_lines.c.reservation_id == reservations.c.id
        ).outerjoin(stocks, stocks.c.sku == reservation_lines.c.sku)
    )
    .where(reservations.c.id == bindparam("id"))
    .order_by(reservation_lines.c.position)
)


@lru_cache
def _of(room: int) -> Select[Any]:
    return select(stocks).where(one_of(stocks.c.sku, room))


@lru_cache
def _for_key(room: int) -> Select[Any]:
    """The stocks, and the reservation if there is one: always a row, though it may be empty."""
    always = select(literal(1).label("always")).subquery()
    found = always.outerjoin(stocks, one_of(stocks.c.sku, room)).outerjoin(
        reservations, reservations.c.id == bindparam("key", type_=Id)
    )
    return select(*_stock_columns, reservations.c.id.label("reservation_id")).select_from(found)


class SqlStocks(SqlRepository[Stock, StockId]):
    mapper = Mapper(Stock, stocks, audited=("sku", "recounted_at"), limits=(NEVER_OVERSOLD,))

    async def of(self, skus: Sequence[str]) -> dict[str, Stock]:
        room = room_for(len(skus))
        return {stock.sku: stock for stock in await self._all(_of(room), **these(skus, room))}

    async def of_unless_reserved(self, skus: Sequence[str], key: ReservationId) -> dict[str, Stock] | None:
        room = room_for(len(skus))
        rows = await self._unit.database.all(_for_key(room), **these(skus, room), key=key)
        if rows[0][WIDTH] is not None:
            return None
        return await self.loaded(rows)

    async def loaded(self, rows: Sequence[Any]) -> dict[str, Stock]:
        """From rows that begin with the columns of a stock, which are empty where there is none."""
        found = [await self._load(row[:WIDTH]) for row in rows if row[0] is not None]
        return {stock.sku: stock for stock in found}


class SqlMovements(SqlRepository[Movement, MovementId]):
    mapper = Mapper(Movement, movements, audited=("sku", "move", "quantity"))


class SqlReservations(SqlRepository[Reservation, ReservationId]):
    mapper = Mapper(Reservation, reservations, audited=("status", "expires_at"), lines=reservation_lines)

    async def with_stocks(self, id: ReservationId) -> tuple[Reservation | None, dict[str, Stock]]:
        rows = await self._unit.database.all(_WITH_STOCKS, id=id)
        if not rows:
            return None, {}
        own, lines_to = len(reservations.c), len(reservations.c) + len(_line_columns)
        row = rows[0][:own]
        lines = [each[own:lines_to] for each in rows if each[own] is not None]
        reservation: Reservation = self.mapper.load(row, lines)
        self._unit.track(self.mapper, id, reservation, self.mapper.stored(row, lines))
        return reservation, await SqlStocks(self._unit).loaded([each[lines_to:] for each in rows])


class SqlReturns(SqlRepository[Return, ReturnId]):
    mapper = Mapper(Return, returns, audited=("reservation_id",))

    async def find(self, id: ReturnId) -> Return | None:
        return await self._first(self.mapper.by_id, id=id)


def _sku_taken() -> DomainError:
    return SkuTaken("another variant has one of these SKUs", field="variants")


def _slug_taken() -> DomainError:
    return SlugTaken("another category has this slug", field="slug")


def _made_meanwhile() -> DomainError:
    return Contention("somebody else has made it meanwhile; try again")


class SqlCatalogUnitOfWork(SqlUnitOfWork):
    refusals: ClassVar[Mapping[Unique, Callable[[], DomainError]]] = {
        one_for_each_sku: _sku_taken,
        one_for_each_slug: _slug_taken,
        one_stock_for_each_sku: _made_meanwhile,
        reservations.primary_key: _made_meanwhile,
        reservation_lines.primary_key: _made_meanwhile,
        returns.primary_key: _made_meanwhile,
    }

    @property
    def products(self) -> SqlProducts:
        return self._repository(SqlProducts)

    @property
    def categories(self) -> SqlCategories:
        return self._repository(SqlCategories)

    @property
    def stocks(self) -> SqlStocks:
        return self._repository(SqlStocks)

    @property
    def movements(self) -> SqlMovements:
        return self._repository(SqlMovements)

    @property
    def reservations(self) -> SqlReservations:
        return self._repository(SqlReservations)

    @property
    def returns(self) -> SqlReturns:
        return self._repository(SqlReturns)
