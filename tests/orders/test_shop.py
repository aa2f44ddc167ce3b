"""A shop with everything in it: accounts, wallets, goods and orders in one process, over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest

from tests.orders.town import HOME
from tests.policy.scene import PASSWORD, Stage, staged

API = "/api/v1"
PRICE = 12_500


@dataclass(frozen=True)
class Visitor:
    """Somebody with a browser and, once they are registered, a token."""

    browser: httpx.AsyncClient

    async def get(self, path: str) -> Any:
        answer = await self.browser.get(API + path)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def post(self, path: str, body: object = None) -> Any:
        answer = await self.browser.post(API + path, json=body, headers={"Idempotency-Key": uuid4().hex})
        assert answer.status_code in (200, 201), answer.text
        return answer.json()["data"]

    async def until(self, path: str, **wanted: object) -> Any:
        """What is there once it says so."""
        return await until(
            lambda: self.get(path), lambda found: all(found[name] == value for name, value in wanted.items())
        )

    async def money(self) -> tuple[int, int]:
        """What is posted in the only wallet, and what of it is held."""
        [wallet] = await self.get("/wallets")
        return wallet["posted"]["amount"], wallet["pending"]["amount"]


async def until(look: Callable[[], Awaitable[Any]], done: Callable[[Any], object]) -> Any:
    """What there is to see once it is as it shall be."""
    async with asyncio.timeout(20):
        while True:
            found = await look()
            if done(found):
                return found
            await asyncio.sleep(0.05)


class Shop:
    def __init__(self, stage: Stage, owner: Visitor) -> None:
        self._stage, self._owner, self.sku = stage, owner, f"TEAPOT-{uuid4().hex[:8].upper()}"

    async def stocked(self, pieces: int) -> "Shop":
        variant = {"sku": self.sku, "prices": [{"amount": PRICE, "currency": "NAD"}]}
        product = await self._owner.post("/products", {"name": "A teapot", "variants": [variant]})
        self._product = f"/products/{product['id']}"
        received = {"sku": self.sku, "move": "receive", "quantity": pieces}
        await self._owner.post(f"{self._product}/stock-movements", received)
        return self

    async def customer(self, money: int) -> Visitor:
        """Somebody registers, signs in, and gets money from the shop's owner."""
        stranger, email = visitor(self._stage), f"{uuid4().hex}@example.com"
        account = {"email": email, "password": PASSWORD, "full_name": "Ada Lovelace", "accept_terms": True}
        await stranger.post("/auth/register", account)
        signed_in = await stranger.post("/auth/login", {"email": email, "password": PASSWORD})
        customer = visitor(self._stage, signed_in["access_token"])
        [wallet] = await until(lambda: customer.get("/wallets"), bool)
        amount = {"amount": money, "currency": "NAD"}
        await self._owner.post("/deposits", {"wallet": wallet["id"], "amount": amount})
        return customer

    async def ordered(self, customer: Visitor, pieces: int) -> str:
        """The path of an order that is paid at once."""
        body = {"lines": [{"sku": self.sku, "quantity": pieces}], "shipping_address": HOME, "pay": "now"}
        order = await customer.post("/orders", body)
        return f"/orders/{order['id']}"

    async def refunded(self, order: str) -> list[Any]:
        """The refunds of an order, once each of them has ended."""
        refunds: list[Any] = await until(
            lambda: self._owner.get(f"{order}/refunds"),
            lambda refunds: refunds and all(refund["status"] != "requested" for refund in refunds),
        )
        return refunds

    async def available(self) -> int:
        [variant] = (await self._owner.get(f"{self._product}/availability"))["variants"]
        return int(variant["available"])

    async def settled(self, pieces: int) -> None:
        """Until so many can be ordered: goods are free soon after an order has come to nothing."""
        await until(self.available, lambda available: available == pieces)


def visitor(stage: Stage, token: str | None = None) -> Visitor:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    transport = httpx.ASGITransport(app=stage.app)
    return Visitor(httpx.AsyncClient(transport=transport, base_url="http://shop", headers=headers))


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[Shop]:
    """A shop with five teapots at 125.00 each."""
    async with staged(database_url) as stage:
        owner = await stage.scene("admin", "-")
        yield await Shop(stage, visitor(stage, owner.access_token)).stocked(5)


async def test_an_order_is_paid_and_its_goods_leave(shop: Shop) -> None:
    ada = await shop.customer(100_000)
    order = await shop.ordered(ada, 2)
    paid = await ada.until(order, status="paid")
    assert paid["total"]["amount"] == 2 * PRICE
    assert (await ada.money(), await shop.available()) == ((100_000 - 2 * PRICE, 0), 3)


async def test_an_order_that_cannot_be_paid_is_cancelled_with_its_reason(shop: Shop) -> None:
    ada = await shop.customer(PRICE - 1)
    order = await shop.ordered(ada, 1)
    cancelled = await ada.until(order, status="cancelled")
    assert cancelled["status_reason"] == "insufficient_balance"
    await shop.settled(5)
    assert await ada.money() == (PRICE - 1, 0)


async def test_more_than_there_is_cannot_be_ordered(shop: Shop) -> None:
    ada = await shop.customer(100_000)
    cancelled = await ada.until(await shop.ordered(ada, 6), status="cancelled")
    assert cancelled["status_reason"] == "out_of_stock"
    assert (await ada.money(), await shop.available()) == ((100_000, 0), 5)


async def test_a_paid_order_that_is_cancelled_is_refunded_once_and_its_goods_come_back(shop: Shop) -> None:
    ada = await shop.customer(100_000)
    order = await shop.ordered(ada, 3)
    await ada.until(order, status="paid")
    await ada.post(f"{order}/cancel")
    [refund] = await shop.refunded(order)
    assert (refund["status"], refund["goods_returned"], refund["amount"]["amount"]) == (
        "done",
        True,
        3 * PRICE,
    )
    assert (await ada.money(), await shop.available()) == ((100_000, 0), 5)
    assert (await ada.get(order))["refunded"]["amount"] == 3 * PRICE


async def test_of_many_who_want_the_last_ones_as_many_get_them_as_there_are(shop: Shop) -> None:
    customers = [await shop.customer(100_000) for _ in range(8)]
    orders = await asyncio.gather(*(shop.ordered(each, 1) for each in customers))

    async def look() -> list[Any]:
        return [await each.get(order) for each, order in zip(customers, orders, strict=True)]

    found = await until(look, lambda found: all(order["status"] != "placed" for order in found))
    assert sorted(order["status"] for order in found) == ["cancelled"] * 3 + ["paid"] * 5
    assert {order["status_reason"] for order in found if order["status"] == "cancelled"} == {"out_of_stock"}
    assert await shop.available() == 0


async def test_whenever_an_order_is_cancelled_money_and_goods_are_back_in_the_end(shop: Shop) -> None:
    ada = await shop.customer(100_000)
    for at in range(8):
        order = await shop.ordered(ada, 2)
        await asyncio.sleep(at * 0.02)
        await ada.post(f"{order}/cancel")
        await shop.settled(5)
        await until(ada.money, lambda money: money == (100_000, 0))
        cancelled = await ada.get(order)
        assert (cancelled["status"], cancelled["status_reason"]) == ("cancelled", "cancelled_by_customer")
