"""A catalogue on a database of its own, asked the way others ask it, at any time of day."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, insert, select
from uuid_utils.compat import uuid7

from bailiwick.catalog.application.ports import CatalogPorts
from bailiwick.catalog.application.questions import CatalogQuestions
from bailiwick.catalog.application.stock import (
    ExpireReservation,
    MoveStock,
    expire_reservation,
    move_stock,
)
from bailiwick.catalog.contract import CatalogPermission, Line, Offer, StockMove
from bailiwick.catalog.domain.product import ProductId
from bailiwick.catalog.domain.reservation import ReservationId, ReservationStatus
from bailiwick.catalog.domain.stock import Movement, Stock
from bailiwick.catalog.infrastructure.recount import recount
from bailiwick.catalog.infrastructure.tables import movements, products, stocks, variants
from bailiwick.catalog.infrastructure.unit_of_work import SqlCatalogUnitOfWork
from bailiwick.kernel.application import NO_CAUSE, Actor
from bailiwick.kernel.database import migrations
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.http.retries import until_uncontended
from tests.kernel.samples import database_at

NOON = datetime(2031, 1, 1, 12, tzinfo=UTC)
KEEPER = Actor(UUID(int=7), "admin", frozenset(CatalogPermission))
CUP, BOWL = "CUP", "BOWL"
HOUR = 3600

_PRODUCT = insert(products).values(
    {column.name: bindparam(column.name) for column in products.c if column.computed is None}
)
_VARIANT = insert(variants)
_STOCKS = select(stocks.c.sku, stocks.c.on_hand, stocks.c.reserved)
_MOVES = select(movements.c.sku, movements.c.move, movements.c.quantity).order_by(movements.c.id)


class AnySchema:
    """Nobody asks for attributes here."""

    def check(self, schema: Any) -> None: ...

    def violations(self, schema: Any, attributes: Any) -> list[str]:
        return []


async def _no_offers(skus: Sequence[str], currency: str) -> dict[str, Offer]:
    return {}


@dataclass
class House:
    """A warehouse and what can be seen of it. `later` moves its clock."""

    database: Database
    uow: Callable[[Database], SqlCatalogUnitOfWork] = SqlCatalogUnitOfWork
    now: datetime = NOON
    product: ProductId = field(default_factory=lambda: ProductId(uuid7()))

    @property
    def ports(self) -> CatalogPorts:
        return CatalogPorts(
            uow=lambda: self.uow(self.database),
            schemas=AnySchema(),
            offers=_no_offers,
            clock=lambda: self.now,
            new_id=uuid7,
        )

    @property
    def warehouse(self) -> CatalogQuestions:
        return CatalogQuestions(self.ports)

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    async def open(self, *skus: str) -> None:
        """Put a product with these variants straight into the tables: here nobody asks for more of it."""
        row = {"id": self.product, "name": "Crockery", "description": "", "category_id": None}
        row |= {"images": [], "attributes": {}, "status": "active", "keywords": "", "version": 1}
        written = [Write(_PRODUCT, row | {"created_at": self.now, "updated_at": self.now})]
        for position, sku in enumerate(skus):
            variant = {"product_id": self.product, "position": position, "sku": sku}
            written.append(Write(_VARIANT, variant | {"title": "", "options": {}}))
        await self.database.write(written)

    async def receive(self, sku: str, quantity: int) -> Movement:
        return await self.move(sku, StockMove.RECEIVE, quantity)

    async def move(self, sku: str, move: StockMove, quantity: int, note: str = "") -> Movement:
        return await move_stock(MoveStock(self.product, sku, move, quantity, note, KEEPER), self.ports)

    async def reserve(self, key: UUID, seconds: int = HOUR, **lines: int) -> None:
        """As the edge has it done: again while it meets contention."""
        wanted = [Line(sku, quantity) for sku, quantity in lines.items()]
        await again(lambda: self.warehouse.reserve(key, wanted, seconds))

    async def release(self, key: UUID) -> None:
        await again(lambda: self.warehouse.release(key))

    async def commit(self, key: UUID) -> None:
        await again(lambda: self.warehouse.commit(key))

    async def give_back(self, key: UUID, reservation: UUID, **lines: int) -> None:
        back = [Line(sku, quantity) for sku, quantity in lines.items()]
        await again(lambda: self.warehouse.give_back(key, reservation, back))

    async def expire(self, key: UUID) -> None:
        await again(lambda: expire_reservation(ExpireReservation(key), self.ports))

    async def status(self, key: UUID) -> ReservationStatus:
        async with self.ports.uow() as uow:
            return (await uow.reservations.get(ReservationId(key))).status

    async def stock(self, sku: str) -> Stock:
        async with self.ports.uow() as uow:
            return (await uow.stocks.of([sku]))[sku]

    async def figures(self) -> dict[str, tuple[int, int]]:
        """What is on hand and what of it is reserved, by SKU."""
        return {sku: (on_hand, reserved) for sku, on_hand, reserved in await self.database.all(_STOCKS)}

    async def moves(self) -> list[tuple[str, str, int]]:
        """Every movement, the first ones first."""
        return [tuple(row) for row in await self.database.all(_MOVES)]

    async def differences(self) -> list[str]:
        """What a recount finds."""
        found = await recount(self.database)
        return [difference for count in found.wrong for difference in count.differences]


async def again(work: Callable[[], Awaitable[None]]) -> None:
    await until_uncontended(work, NO_CAUSE)


@asynccontextmanager
async def open_house(url: str, pool_size: int = 10) -> AsyncIterator[House]:
    """A catalogue with cups and bowls, and none of them in stock."""
    await migrations.upgrade_async(url, ["catalog"])
    database = database_at(url, pool_size)
    await database.open()
    house = House(database)
    await house.open(CUP, BOWL)
    yield house
    await database.close()
