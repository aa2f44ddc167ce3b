"""What happens at once: coupons, cancelling and refunds hold their limits however many try."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import BigInteger, literal

from bailiwick.kernel.database.mapper import Limit, Mapper
from bailiwick.orders.application import processes
from bailiwick.orders.application.ports import OrdersPorts
from bailiwick.orders.application.processes import Placement
from bailiwick.orders.contract import OrderStatus
from bailiwick.orders.domain.coupon import Coupon
from bailiwick.orders.domain.order import Order, OrderId
from bailiwick.orders.infrastructure.tables import coupons
from bailiwick.orders.infrastructure.unit_of_work import SqlCoupons
from tests.orders.test_http import issued, paid
from tests.orders.town import CART, COUPONS, CUP, HOME, ORDERS, TEAPOT, Person, Town, opened

CROWD = 50


async def used_by_everybody(town: Town, shop: Person, **terms: object) -> tuple[Counter[str], int]:
    """What a crowd is told that uses a coupon at once, and how often it was used then."""
    coupon = await issued(shop, percent=10, **terms)
    body = {"lines": [{"sku": CUP, "quantity": 1}], "shipping_address": HOME, "coupon": coupon["code"]}
    answers = await asyncio.gather(*(town.person().post(ORDERS, body) for _ in range(CROWD)))
    told = Counter("placed" if a.status_code == 201 else str(a.json()["code"]) for a in answers)
    return told, (await shop.get(f"{COUPONS}/{coupon['id']}"))["used"]


@pytest.mark.parametrize("most", [1, 7])
async def test_a_coupon_is_used_as_often_as_it_may_be_by_however_many(
    town: Town, shop: Person, most: int
) -> None:
    told, used = await used_by_everybody(town, shop, most_uses=most)
    # Who meets too many others is told to come again.
    assert (told["placed"], used) == (most, most)
    assert told["coupon_used_up"] + told["contention"] == CROWD - most


async def test_a_coupon_without_limits_is_in_nobodys_way(town: Town, shop: Person) -> None:
    told, used = await used_by_everybody(town, shop)
    assert (told, used) == (Counter(placed=CROWD), CROWD)


async def test_a_limit_that_the_database_does_not_keep_is_found(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlimited = Limit({"used": -1}, floor=literal(None, BigInteger))
    monkeypatch.setattr(SqlCoupons, "mapper", Mapper(Coupon, coupons, limits=(unlimited,)))
    async with opened(postgresql_url) as town:
        told, _ = await used_by_everybody(
            town, town.person(may=("orders.place", "orders.manage")), most_uses=1
        )
    assert told["placed"] > 1


async def test_a_customer_uses_a_coupon_once_however_often_at_once(town: Town, shop: Person) -> None:
    coupon, ada = await issued(shop, percent=10), town.person()
    body = {"lines": [{"sku": CUP, "quantity": 1}], "shipping_address": HOME, "coupon": coupon["code"]}
    answers = await asyncio.gather(*(ada.post(ORDERS, body) for _ in range(20)))
    assert sum(answer.status_code == 201 for answer in answers) == 1
    assert (await shop.get(f"{COUPONS}/{coupon['id']}"))["used"] == 1


async def test_an_order_that_is_cancelled_many_times_at_once_is_refunded_once(
    town: Town, ada: Person
) -> None:
    order = await paid(town, ada, (TEAPOT, 3))
    answers = await asyncio.gather(*(ada.cancel(order) for _ in range(20)))
    assert sum(answer.status_code == 200 for answer in answers) == 1
    await town.go_on()
    assert (town.bank.purses[ada.id], town.bank.till, town.stock[TEAPOT]) == (1_000_000, 0, 10)


async def test_refunds_at_once_never_give_back_more_than_was_paid(
    town: Town, ada: Person, shop: Person
) -> None:
    order = await paid(town, ada, (TEAPOT, 3))
    total = order["total"]["amount"]
    part = {"amount": total // 3, "currency": "NAD"}
    answers = await asyncio.gather(*(shop.refund(order, amount=part) for _ in range(12)), ada.cancel(order))
    assert {answer.status_code for answer in answers} <= {200, 201, 409}
    await town.go_on()
    found = await ada.look(order)
    given_back = found["refunded"]["amount"]
    assert town.bank.till == total - given_back
    assert given_back == total or found["status"] != "cancelled"


async def test_a_cart_that_is_ordered_twice_at_once_is_one_order(town: Town, ada: Person) -> None:
    await ada.browser.put(CART, json={"lines": [{"sku": CUP, "quantity": 1}], "shipping_address": HOME})
    answers = await asyncio.gather(*(ada.post(ORDERS, {}) for _ in range(10)))
    told = Counter(answer.json().get("code", "placed") for answer in answers)
    assert (told["placed"], len(await ada.get(ORDERS))) == (1, 1)
    assert set(told) <= {"placed", "nothing_wanted", "contention"}


async def some_moves(town: Town, moves: int) -> None:
    """Let the worker take so many turns."""
    for _ in range(moves):
        await town.worker.claim()
        await asyncio.gather(*(task for _, task in town.worker.running.values()))


async def cancelled_after(town: Town, moves: int) -> Any:
    """An order that is paid for while it is cancelled, after so many moves of its placing."""
    ada = town.person()
    order = await ada.order((TEAPOT, 2), pay="now")
    await some_moves(town, moves)
    answer = await ada.cancel(order)
    assert answer.status_code == 200
    await town.go_on()
    found = await ada.look(order)
    assert (town.bank.purses[ada.id], town.bank.till, town.stock[TEAPOT]) == (1_000_000, 0, 10), moves
    assert (found["status"], found["status_reason"]) == ("cancelled", "cancelled_by_customer")
    return found


async def cancelled_at_every_moment(town: Town) -> list[bool]:
    """Whether there was money to give back, for each moment of the placing."""
    seen = [await cancelled_after(town, moves) for moves in range(12)]
    return [found["refunded"]["amount"] > 0 for found in seen]


async def test_an_order_can_be_cancelled_at_any_moment_of_its_placing(town: Town) -> None:
    refunded = await cancelled_at_every_moment(town)
    assert refunded == sorted(refunded)
    assert {*refunded} == {True, False}


async def test_an_order_that_is_cancelled_while_it_is_paid_leaves_nothing_behind(town: Town) -> None:
    for _ in range(10):
        ada = town.person()
        order = await ada.order((TEAPOT, 2), pay="now")
        await some_moves(town, 2)
        answer, _ = await asyncio.gather(ada.cancel(order), town.go_on())
        assert answer.status_code == 200
        await town.go_on()
        assert (town.bank.purses[ada.id], town.bank.till, town.stock[TEAPOT]) == (1_000_000, 0, 10)


async def overwriting(state: Placement, ports: OrdersPorts, key: UUID) -> Placement:
    """The planted defect: the status is written over whatever it is."""
    assert state.reservation is not None
    async with ports.uow() as uow:
        order: Order = await uow.orders.get(OrderId(state.order_id))
        order.status = OrderStatus.PAID
        return await uow.commit(state)


async def test_a_payment_that_overwrites_the_cancelling_is_found(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = processes.placement

    def planted(payment_time: Any) -> Any:
        process = right(payment_time)
        *steps, confirm = process.steps
        return replace(process, steps=(*steps, replace(confirm, do=overwriting)))

    monkeypatch.setattr("bailiwick.orders.module.placement", planted)
    async with opened(sqlite_url) as town:
        with pytest.raises(AssertionError):
            await cancelled_at_every_moment(town)
