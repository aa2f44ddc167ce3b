"""The guide to process managers works: its process passes the kit, and a worse one does not."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NewType
from uuid import UUID

import pytest
from sqlalchemy import Column, Integer, String, Table
from uuid_utils.compat import uuid7

from bailiwick.kernel.database.columns import Id, context_metadata
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.mapper import Mapper
from bailiwick.kernel.database.unit_of_work import SqlRepository, SqlUnitOfWork
from bailiwick.kernel.domain import Aggregate, Event
from bailiwick.kernel.process_testing import Elsewhere, Trial, prove
from tests.docs.pages import ROOT, blocks
from tests.kernel.samples import NOON, create_tables, database_at, messages

GUIDE = ROOT / "docs/guides/write-a-process-manager.md"

OrderId = NewType("OrderId", UUID)
metadata = context_metadata()
orders = Table(
    "orders_order",
    metadata,
    Column("id", Id, primary_key=True),
    Column("status", String, nullable=False),
    Column("version", Integer, nullable=False),
)


@dataclass(eq=False, kw_only=True)
class Order(Aggregate):
    id: OrderId
    status: str = "placed"

    def confirm(self) -> None:
        assert self.status == "placed"
        self.status = "confirmed"

    def refuse(self, reason: str) -> None:
        assert self.status == "placed"
        self.status = "refused"


class SqlOrders(SqlRepository[Order, OrderId]):
    mapper = Mapper(Order, orders)


class OrdersUnitOfWork(SqlUnitOfWork):
    @property
    def orders(self) -> SqlOrders:
        return self._repository(SqlOrders)


@dataclass(frozen=True, kw_only=True)
class HoldApproved(Event):
    order_id: UUID
    approval: str


@dataclass(frozen=True, kw_only=True)
class HoldDeclined(Event):
    order_id: UUID


@dataclass(frozen=True)
class Catalog:
    elsewhere: Elsewhere

    async def reserve(self, sku: str, quantity: int, key: UUID) -> None:
        await self.elsewhere.make(f"{quantity} {sku}", key)

    async def release(self, key: UUID) -> None:
        await self.elsewhere.take_back(key)


@dataclass(frozen=True)
class Payments:
    elsewhere: Elsewhere

    async def hold(self, order_id: UUID, key: UUID) -> None:
        await self.elsewhere.make("hold", key)

    async def void(self, key: UUID) -> None:
        await self.elsewhere.take_back(key)


@dataclass(frozen=True)
class OrdersPorts:
    uow: Callable[[], OrdersUnitOfWork]
    catalog: Catalog
    payments: Payments


Load = Callable[[str, str], ModuleType]


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Load:
    """Makes the module of the guide, with something in it replaced."""

    def module(name: str, **contents: object) -> ModuleType:
        made = ModuleType(name)
        vars(made).update(contents)
        monkeypatch.setitem(sys.modules, name, made)
        return made

    def load(old: str, new: str) -> ModuleType:
        for name in ("guide", "guide.orders", "guide.orders.application", "guide.payments"):
            module(name)
        module("guide.orders.application.ports", OrdersPorts=OrdersPorts)
        module("guide.payments.contract", HoldApproved=HoldApproved, HoldDeclined=HoldDeclined)
        text = blocks(GUIDE, "python")[0]
        for context in ("orders", "payments"):
            text = text.replace(f"bailiwick.{context}", f"guide.{context}")
        assert old in text
        made = module("guide.orders.application.processes")
        exec(compile(text.replace(old, new), str(GUIDE), "exec"), vars(made))  # noqa: S102 - our own page
        return made

    return load


async def proved(url: str, placing: ModuleType) -> int:
    await create_tables(url, messages, metadata)
    database = database_at(url)
    await database.open()

    async def placed_order() -> Order:
        order = Order(id=OrderId(uuid7()))
        async with OrdersUnitOfWork(database) as uow:
            uow.orders.add(order)
            return await uow.commit(order)

    async def status_of(id: OrderId) -> object:
        async with OrdersUnitOfWork(database) as uow:
            return (await uow.orders.get(id)).status

    names: dict[str, Any] = {**globals(), **vars(placing), **locals()}
    names |= {"Database": Database, "Trial": Trial, "Elsewhere": Elsewhere, "NOON": NOON}
    exec(compile(blocks(GUIDE, "python")[1], str(GUIDE), "exec"), names)  # noqa: S102 - our own page
    try:
        return await prove(database, names["make"])
    finally:
        await database.close()


async def test_the_process_of_the_guide_ends_well_wherever_it_is_killed(
    database_url: str, process: Load
) -> None:
    assert await proved(database_url, process("", "")) > 100


async def test_a_process_that_forgets_to_give_the_stock_back_is_seen(sqlite_url: str, process: Load) -> None:
    step = 'Step("reserve_stock", reserve_stock'
    forgetful = process(f"{step}, undo=release_stock)", f"{step})")
    with pytest.raises(AssertionError, match="not taken back"):
        await proved(sqlite_url, forgetful)
