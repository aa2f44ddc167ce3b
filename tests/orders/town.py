"""A town with a shop: a process that carries orders only, and a house beside it with goods and money."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import httpx2 as httpx
from sqlalchemy import select
from uuid_utils.compat import uuid7

from bailiwick.backend import Backend, open_database
from bailiwick.catalog.contract import Catalog
from bailiwick.kernel.application import Actor, Unauthenticated
from bailiwick.kernel.cache import Cache
from bailiwick.kernel.database import migrations
from bailiwick.kernel.domain import Event
from bailiwick.kernel.http.authentication import Authentication, VerifiedToken
from bailiwick.kernel.locks import Locks
from bailiwick.kernel.messaging.outbox import event_type
from bailiwick.kernel.messaging.tables import events as log
from bailiwick.kernel.module import Platform
from bailiwick.kernel.money import Money
from bailiwick.kernel.process_testing import Clock
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Database, Limits, Orders
from bailiwick.main import http_application
from bailiwick.orders.contract import OrdersPermission
from bailiwick.orders.module import module
from bailiwick.payments.contract import Payments
from tests.orders.house import Bank, Warehouse

CART, ORDERS, COUPONS = "/api/v1/cart", "/api/v1/orders", "/api/v1/coupons"
CUSTOMER = (str(OrdersPermission.PLACE),)
SHOP = (str(OrdersPermission.PLACE), str(OrdersPermission.MANAGE))
HOME = {"recipient": "Ada Lovelace", "street": "1 Acacia Road", "city": "Windhoek", "country": "NA"}
TEAPOT, CUP = "TEAPOT-1", "CUP-1"
RULES = Orders(payment_minutes=30, tax_basis_points=1500, shipping=5_000, free_shipping_from=100_000)


class Town:
    """Teapots cost 100.00 and cups 25.50; there are 10 and 100 of them."""

    def __init__(self, database_url: str, rules: Orders = RULES) -> None:
        settings = Settings(
            contexts=["orders"],
            database=Database(url=database_url),
            orders=rules,
            limits=Limits(enabled=False),
        )
        self.clock, self.warehouse, self.bank = Clock(), Warehouse(), Bank()
        self.warehouse.sell(TEAPOT, Money(10_000, "NAD"), 10)
        self.warehouse.sell(CUP, Money(2_550, "NAD"), 100)
        self.database = open_database(settings)
        platform = Platform(
            settings, self.database, self.clock, uuid7, Locks(self.database), Cache(settings.redis.url)
        )
        platform.contracts.update({Catalog: self.warehouse, Payments: self.bank})
        self._actors: dict[str, Actor] = {}
        authentication = Authentication(self._verify, now=lambda: 0.0)
        authentication.learn(set(), {}, 0.0)
        self.backend = Backend(platform, (replace(module(platform), authentication=authentication),))
        self.database.readers = self.backend.messaging.readers.own
        self.app = http_application(self.backend)
        self.worker = self.backend.messaging.worker()

    def _verify(self, token: str) -> VerifiedToken:
        if token not in self._actors:
            raise Unauthenticated("no such token")
        return VerifiedToken(self._actors[token], 0, 60.0)

    def person(self, money: int = 1_000_000, may: Sequence[str] = CUSTOMER) -> "Person":
        """Somebody with so much in the purse."""
        id = uuid4()
        self.bank.purses[id] = money
        self._actors[id.hex] = Actor(id, "user", frozenset(may))
        transport = httpx.ASGITransport(app=self.app)
        headers = {"Authorization": f"Bearer {id.hex}"}
        return Person(id, httpx.AsyncClient(transport=transport, base_url="http://town", headers=headers))

    async def go_on(self) -> None:
        """Until all that is due now is done."""
        await self.worker.until_idle()

    async def published(self, kind: type[Event]) -> list[dict[str, Any]]:
        """What was said in the events of this kind, in the order of their making."""
        said = select(log.c.payload).where(log.c.type == event_type(kind)).order_by(log.c.id)
        return [row[0] for row in await self.database.all(said)]

    @property
    def stock(self) -> dict[str, int]:
        return dict(self.warehouse.stock)


@asynccontextmanager
async def opened(database_url: str, rules: Orders = RULES) -> AsyncIterator[Town]:
    await migrations.upgrade_async(database_url, ["orders"])
    town = Town(database_url, rules)
    async with town.backend.opened():
        yield town


@dataclass(frozen=True)
class Person:
    """Somebody with a browser, who sends a new key with each request."""

    id: UUID
    browser: httpx.AsyncClient

    async def get(self, path: str, **query: str) -> Any:
        answer = await self.browser.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def post(self, path: str, body: object = None, *, key: str = "") -> httpx.Response:
        return await self.browser.post(path, json=body, headers={"Idempotency-Key": key or uuid4().hex})

    async def order(self, *lines: tuple[str, int], **more: object) -> Any:
        wanted = [{"sku": sku, "quantity": quantity} for sku, quantity in lines or [(TEAPOT, 1)]]
        body = {"lines": wanted, "shipping_address": HOME, **more}
        answer = await self.post(ORDERS, body)
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]

    async def look(self, order: Any) -> Any:
        return await self.get(f"{ORDERS}/{order['id']}")

    async def cancel(self, order: Any) -> httpx.Response:
        return await self.post(f"{ORDERS}/{order['id']}/cancel")

    async def move(self, order: Any, status: str, **more: str) -> httpx.Response:
        return await self.browser.put(f"{ORDERS}/{order['id']}/status", json={"status": status, **more})

    async def refund(self, order: Any, **body: object) -> httpx.Response:
        return await self.post(f"{ORDERS}/{order['id']}/refunds", body)
