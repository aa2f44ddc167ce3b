"""The shop over HTTP: carts, orders, payment, cancelling, refunds and coupons, told by what is left where."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from bailiwick.orders.contract import OrderCancelled, OrderPaid, OrderPlaced, OrderRefunded
from tests.orders.town import CART, COUPONS, CUP, HOME, ORDERS, RULES, SHOP, TEAPOT, Person, Town, opened


def amount(view: dict[str, Any]) -> int:
    assert (view["currency"], view["exponent"]) == ("NAD", 2)
    found: int = view["amount"]
    return found


async def paid(town: Town, person: Person, *lines: tuple[str, int], **more: object) -> Any:
    order = await person.order(*lines, pay="now", **more)
    await town.go_on()
    found = await person.look(order)
    assert found["status"] == "paid", found["status_message"]
    return found


async def test_an_order_has_the_prices_and_the_address_of_its_day(town: Town, ada: Person) -> None:
    order = await ada.order((TEAPOT, 2), (CUP, 3))
    totals = {name: amount(order[name]) for name in ("subtotal", "discount", "shipping", "tax", "total")}
    assert totals == {"subtotal": 27_650, "discount": 0, "shipping": 5_000, "tax": 4_898, "total": 37_548}
    assert (order["status"], order["next_statuses"]) == ("placed", ["paid", "cancelled"])
    assert order["shipping_address"] == {**HOME, "region": "", "postcode": ""}
    town.warehouse.prices[TEAPOT] *= 2
    assert await ada.look(order) == order
    [placed] = await town.published(OrderPlaced)
    assert (placed["total"], placed["number"]) == (37_548, order["number"])


async def test_an_order_that_is_paid_at_once_is_paid_soon_after(town: Town, ada: Person) -> None:
    order = await paid(town, ada, (TEAPOT, 2))
    assert [moved["status"] for moved in order["history"]] == ["placed", "paid"]
    assert town.bank.till == amount(order["total"]) == 1_000_000 - town.bank.purses[ada.id]
    assert town.stock[TEAPOT] == 8
    assert [event["order_id"] for event in await town.published(OrderPaid)] == [order["id"]]


async def test_an_order_waits_for_its_payment(town: Town, ada: Person) -> None:
    order = await ada.order()
    await town.go_on()
    assert ((await ada.look(order))["status"], town.stock[TEAPOT], town.bank.till) == ("placed", 9, 0)
    answer = await ada.post(f"{ORDERS}/{order['id']}/payment")
    assert (answer.status_code, answer.json()["data"]["status"]) == (200, "placed")
    assert (await ada.post(f"{ORDERS}/{order['id']}/payment")).status_code == 200
    await town.go_on()
    assert (await ada.look(order))["status"] == "paid"
    again = await ada.post(f"{ORDERS}/{order['id']}/payment")
    assert (again.status_code, again.json()["allowed"]) == (409, ["fulfilled", "cancelled", "refunded"])


async def test_an_order_that_is_not_paid_in_time_is_cancelled_and_its_goods_are_free(
    town: Town, ada: Person
) -> None:
    order = await ada.order((TEAPOT, 10))
    await town.go_on()
    assert town.stock[TEAPOT] == 0
    town.clock.leap_to(town.clock() + timedelta(minutes=29))
    await town.go_on()
    assert (await ada.look(order))["status"] == "placed"
    town.clock.leap_to(town.clock() + timedelta(minutes=2))
    late = await ada.post(f"{ORDERS}/{order['id']}/payment")
    assert (late.status_code, late.json()["code"]) == (409, "payment_overdue")
    await town.go_on()
    found = await ada.look(order)
    assert (found["status"], found["status_reason"]) == ("cancelled", "not_paid_in_time")
    assert found["status_message"] == "the order was not paid in time"
    assert (town.stock[TEAPOT], town.bank.purses[ada.id]) == (10, 1_000_000)


@pytest.mark.parametrize(
    ("money", "wanted", "reason", "told"),
    [
        (100, 1, "insufficient_balance", "there is too little in your purse"),
        (1_000_000, 11, "out_of_stock", "only 10 left of TEAPOT-1"),
    ],
)
async def test_the_customer_is_told_why_an_order_came_to_nothing(
    town: Town, money: int, wanted: int, reason: str, told: str
) -> None:
    ada = town.person(money)
    order = await ada.order((TEAPOT, wanted), pay="now")
    await town.go_on()
    found = await ada.look(order)
    assert (found["status"], found["status_reason"], found["status_message"]) == ("cancelled", reason, told)
    assert (town.stock[TEAPOT], town.bank.purses[ada.id], town.bank.till) == (10, money, 0)
    [event] = await town.published(OrderCancelled)
    assert (event["reason"], event["customer_id"]) == (reason, str(ada.id))


async def test_cancelling_frees_the_goods_at_once(town: Town, ada: Person) -> None:
    order = await ada.order((TEAPOT, 4))
    await town.go_on()
    answer = await ada.cancel(order)
    assert answer.json()["data"]["status_reason"] == "cancelled_by_customer"
    await town.go_on()
    assert (town.stock[TEAPOT], (await ada.look(order))["status"]) == (10, "cancelled")
    again = await ada.cancel(order)
    assert (again.status_code, again.json()["code"], again.json()["allowed"]) == (
        409,
        "illegal_order_move",
        [],
    )


async def test_cancelling_a_paid_order_gives_goods_and_money_back_once(town: Town, ada: Person) -> None:
    order = await paid(town, ada, (TEAPOT, 3))
    assert (await ada.cancel(order)).status_code == 200
    assert (await ada.cancel(order)).status_code == 409
    await town.go_on()
    found = await ada.look(order)
    assert (found["status"], amount(found["refunded"])) == ("cancelled", amount(order["total"]))
    assert (town.stock[TEAPOT], town.bank.purses[ada.id], town.bank.till) == (10, 1_000_000, 0)
    [refund] = await ada.get(f"{ORDERS}/{order['id']}/refunds")
    assert (refund["status"], refund["goods_returned"]) == ("done", True)
    [event] = await town.published(OrderRefunded)
    assert event["wholly"]


async def test_the_shop_moves_an_order_along_its_way_and_no_other(
    town: Town, ada: Person, shop: Person
) -> None:
    order = await ada.order()
    early = await shop.move(order, "fulfilled")
    assert (early.status_code, early.json()["allowed"]) == (409, ["paid", "cancelled"])
    order = await paid(town, ada)
    for status in ("fulfilled", "delivered"):
        answer = await shop.move(order, status)
        assert (answer.status_code, answer.json()["data"]["status"]) == (200, status)
    for refused in (await shop.move(order, "cancelled"), await ada.cancel(order)):
        assert (refused.status_code, refused.json()["allowed"]) == (409, ["refunded"])
    assert (await shop.move(order, "paid")).status_code == 422
    assert (await ada.move(order, "delivered")).status_code == 403


async def test_the_shop_cancels_and_says_why(town: Town, ada: Person, shop: Person) -> None:
    order = await paid(town, ada)
    await shop.move(order, "cancelled", message="the kiln has burst")
    found = await ada.look(order)
    assert (found["status_reason"], found["status_message"]) == ("cancelled_by_shop", "the kiln has burst")


async def test_an_order_is_refunded_in_parts_until_nothing_is_left(
    town: Town, ada: Person, shop: Person
) -> None:
    order = await paid(town, ada, (TEAPOT, 3))
    total = amount(order["total"])
    line = amount(order["lines"][0]["total"])
    answer = await shop.refund(order, lines=[{"sku": TEAPOT, "quantity": 1}], goods_back=True)
    assert (answer.status_code, amount(answer.json()["data"]["amount"])) == (201, line // 3)
    high = await shop.refund(order, amount={"amount": total, "currency": "NAD"})
    assert (high.status_code, high.json()["refundable"]) == (409, total - line // 3)
    many = await shop.refund(order, lines=[{"sku": TEAPOT, "quantity": 3}])
    assert (many.status_code, many.json()["code"], many.json()["left"]) == (409, "more_than_ordered", 2)
    await town.go_on()
    assert ((await ada.look(order))["status"], town.stock[TEAPOT]) == ("paid", 8)
    rest = {"amount": total - line // 3, "currency": "NAD"}
    assert (await shop.refund(order, amount=rest)).status_code == 201
    await town.go_on()
    found = await ada.look(order)
    assert (found["status"], amount(found["refunded"])) == ("refunded", total)
    assert (town.bank.purses[ada.id], town.bank.till, town.stock[TEAPOT]) == (1_000_000, 0, 8)
    assert [event["wholly"] for event in await town.published(OrderRefunded)] == [False, True]


async def test_a_refund_that_makes_no_sense_is_refused(town: Town, ada: Person, shop: Person) -> None:
    placed, order = await ada.order(), await paid(town, ada)
    euros = {"amount": 1, "currency": "EUR"}
    for what, body, status, code in (
        (placed, {"amount": {"amount": 1, "currency": "NAD"}}, 409, "not_paid"),
        (order, {}, 422, "refund_unclear"),
        (order, {"amount": {"amount": 0, "currency": "NAD"}}, 422, "refund_unclear"),
        (order, {"amount": {"amount": 1, "currency": "NAD"}, "goods_back": True}, 422, "refund_unclear"),
        (order, {"amount": euros}, 422, "currency_mismatch"),
        (order, {"lines": [{"sku": "SPOON", "quantity": 1}]}, 409, "more_than_ordered"),
    ):
        answer = await shop.refund(what, **body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await ada.refund(order, amount={"amount": 1, "currency": "NAD"})).status_code == 403


async def test_a_refund_that_the_bank_refuses_can_be_tried_again(
    town: Town, ada: Person, shop: Person
) -> None:
    order = await paid(town, ada)
    [hold] = town.bank.holds.values()
    hold.refunded = hold.amount.amount
    half = {"amount": {"amount": 5_000, "currency": "NAD"}}
    await shop.refund(order, **half)
    await town.go_on()
    hold.refunded = 0
    assert (await shop.refund(order, **half)).status_code == 201
    await town.go_on()
    refunds = await ada.get(f"{ORDERS}/{order['id']}/refunds")
    assert [(refund["status"], refund["reason"]) for refund in refunds] == [
        ("refused", "conflict"),
        ("done", None),
    ]
    assert amount((await ada.look(order))["refunded"]) == 5_000


async def test_a_cart_becomes_an_order_and_is_empty_then(town: Town, ada: Person) -> None:
    assert await ada.get(CART) == {
        "currency": "NAD",
        "lines": [],
        "coupon": None,
        "shipping_address": None,
        "updated_at": None,
        "version": 0,
    }
    body = {"lines": [{"sku": CUP, "quantity": 6}], "shipping_address": HOME}
    answer = await ada.browser.put(CART, json=body, headers={"If-Match": '"0"'})
    assert (answer.status_code, answer.json()["data"]["version"]) == (200, 1)
    order = (await ada.post(ORDERS, {})).json()["data"]
    assert [(line["sku"], line["quantity"]) for line in order["lines"]] == [(CUP, 6)]
    cart = await ada.get(CART)
    assert (cart["lines"], cart["shipping_address"]["city"]) == ([], "Windhoek")
    nothing = await ada.post(ORDERS, {})
    assert (nothing.status_code, nothing.json()["code"]) == (422, "nothing_wanted")


async def test_a_cart_is_changed_by_who_has_seen_it(ada: Person) -> None:
    for headers, status in (({}, 200), ({"If-Match": '"1"'}, 200), ({"If-Match": '"1"'}, 412)):
        answer = await ada.browser.put(CART, json={"lines": [], "currency": "EUR"}, headers=headers)
        assert answer.status_code == status
    assert (await ada.browser.delete(CART)).status_code == 204
    assert (await ada.browser.put(CART, json={"currency": "XYZ"})).status_code == 422


async def test_an_order_that_makes_no_sense_is_refused(ada: Person) -> None:
    line = {"sku": TEAPOT, "quantity": 1}
    for body, status, code in (
        ({"lines": [line]}, 422, "address_needed"),
        ({"lines": [], "shipping_address": HOME}, 422, "nothing_wanted"),
        ({"lines": [line, line], "shipping_address": HOME}, 422, "invalid"),
        ({"lines": [{"sku": "SPOON", "quantity": 1}], "shipping_address": HOME}, 409, "not_sold"),
        ({"lines": [line], "shipping_address": HOME, "currency": "EUR"}, 409, "not_sold"),
        ({"lines": [line], "shipping_address": HOME, "coupon": "NONE"}, 422, "coupon_unknown"),
        ({"lines": [{"sku": TEAPOT, "quantity": 0}], "shipping_address": HOME}, 422, "invalid_input"),
        ({"lines": [line], "shipping_address": {**HOME, "country": "Namibia"}}, 422, "invalid_input"),
    ):
        answer = await ada.post(ORDERS, body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await ada.get(ORDERS) == []


async def test_customers_see_their_own_orders_and_the_shop_sees_all(
    town: Town, ada: Person, shop: Person
) -> None:
    bob, guest = town.person(), town.person(may=())
    order, other = await ada.order(), await bob.order()
    assert [found["id"] for found in await ada.get(ORDERS)] == [order["id"]]
    assert [found["id"] for found in await shop.get(ORDERS)] == [other["id"], order["id"]]
    query = {"filter[customer]": str(ada.id), "filter[status]": "placed"}
    assert [found["id"] for found in await shop.get(ORDERS, **query)] == [order["id"]]
    assert (await shop.look(order))["customer_id"] == str(ada.id)
    path = f"{ORDERS}/{order['id']}"
    for answer in (
        await bob.browser.get(path),
        await bob.browser.get(f"{path}/refunds"),
        await bob.cancel(order),
        await bob.post(f"{path}/payment"),
        await shop.post(f"{path}/payment"),
        await ada.browser.get(f"{ORDERS}/{uuid4()}"),
    ):
        assert (answer.status_code, answer.json()["detail"]) == (404, "no such order")
    for answer in (
        await guest.browser.get(path),
        await guest.browser.get(ORDERS),
        await guest.browser.get(CART),
        await guest.post(ORDERS, {"lines": [{"sku": TEAPOT, "quantity": 1}], "shipping_address": HOME}),
        await guest.cancel(order),
    ):
        assert answer.status_code == 403


async def test_what_is_sent_again_with_its_key_happens_once(town: Town, ada: Person) -> None:
    body = {"lines": [{"sku": TEAPOT, "quantity": 1}], "shipping_address": HOME, "pay": "now"}
    first, second = [await ada.post(ORDERS, body, key="tea") for _ in range(2)]
    assert first.content == second.content
    await town.go_on()
    assert (len(await ada.get(ORDERS)), town.stock[TEAPOT]) == (1, 9)
    assert (await ada.browser.post(ORDERS, json=body)).status_code == 400


async def issued(shop: Person, **terms: object) -> Any:
    answer = await shop.post(COUPONS, {"code": f"c-{uuid4().hex[:8]}", **terms})
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]


async def test_a_coupon_takes_off_what_it_says(town: Town, ada: Person, shop: Person) -> None:
    coupon = await issued(shop, percent=10)
    order = await ada.order((TEAPOT, 2), coupon=coupon["code"].lower())
    assert (amount(order["discount"]), amount(order["total"]), order["coupon"]) == (
        2_000,
        26_450,
        coupon["code"],
    )
    again = await ada.post(
        ORDERS, {"lines": [{"sku": CUP, "quantity": 1}], "shipping_address": HOME, "coupon": coupon["code"]}
    )
    assert (again.status_code, again.json()["code"]) == (409, "coupon_used_before")
    await ada.cancel(order)
    order = await ada.order((CUP, 1), coupon=coupon["code"])
    assert (await shop.get(f"{COUPONS}/{coupon['id']}"))["used"] == 1
    await town.go_on()
    town.clock.leap_to(town.clock() + timedelta(hours=1))
    await town.go_on()
    assert (await ada.look(order))["status_reason"] == "not_paid_in_time"
    assert (await shop.get(f"{COUPONS}/{coupon['id']}"))["used"] == 0


async def test_what_costs_nothing_is_paid_without_money(database_url: str) -> None:
    async with opened(database_url, RULES.model_copy(update={"shipping": 0})) as town:
        ada = town.person(0)
        coupon = await issued(town.person(may=SHOP), off={"amount": 50_000, "currency": "NAD"})
        order = await ada.order((TEAPOT, 2), coupon=coupon["code"])
        assert amount(order["total"]) == 0
        await town.go_on()
        assert ((await ada.look(order))["status"], town.stock[TEAPOT]) == ("paid", 8)
        await ada.cancel(order)
        await town.go_on()
        assert ((await ada.look(order))["status"], town.stock[TEAPOT]) == ("cancelled", 10)


async def test_a_coupon_says_why_it_cannot_be_used(town: Town, ada: Person, shop: Person) -> None:
    tomorrow = (town.clock() + timedelta(days=1)).isoformat()
    yesterday = (town.clock() - timedelta(days=1)).isoformat()
    for terms, code in (
        ({"percent": 10, "valid_from": tomorrow}, "coupon_not_valid"),
        ({"percent": 10, "valid_until": yesterday}, "coupon_not_valid"),
        ({"percent": 10, "most_uses": 0}, "coupon_used_up"),
        ({"off": {"amount": 1, "currency": "EUR"}}, "coupon_not_for_this_order"),
        ({"percent": 10, "minimum": {"amount": 99_999, "currency": "NAD"}}, "coupon_not_for_this_order"),
    ):
        coupon = await issued(shop, **terms)
        body = {"lines": [{"sku": CUP, "quantity": 1}], "shipping_address": HOME, "coupon": coupon["code"]}
        answer = await ada.post(ORDERS, body)
        assert (answer.status_code, answer.json()["code"]) == (409, code)


async def test_the_shop_makes_coupons_and_changes_their_limits(ada: Person, shop: Person) -> None:
    coupon = await issued(shop, percent=5, most_uses=3)
    path = f"{COUPONS}/{coupon['id']}"
    changed = await shop.browser.patch(path, json={"active": False, "most_uses": None})
    assert (changed.json()["data"]["active"], changed.json()["data"]["most_uses"]) == (False, None)
    stale = await shop.browser.patch(path, json={"active": True}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    assert (await shop.post(COUPONS, {"code": coupon["code"], "percent": 1})).json()[
        "code"
    ] == "coupon_code_taken"
    assert (await shop.post(COUPONS, {"code": "HALF-OFF"})).status_code == 422
    assert [found["id"] for found in await shop.get(COUPONS)] == [coupon["id"]]
    for answer in (
        await ada.browser.get(COUPONS),
        await ada.browser.get(path),
        await ada.browser.patch(path, json={}),
    ):
        assert answer.status_code == 403


async def test_who_only_manages_orders_needs_no_cart(town: Town, ada: Person) -> None:
    clerk = town.person(may=("orders.manage",))
    order = await ada.order()
    assert [found["id"] for found in await clerk.get(ORDERS)] == [order["id"]]
    assert (await clerk.look(order))["status"] == "placed"
    assert (await clerk.cancel(order)).json()["data"]["status_reason"] == "cancelled_by_shop"
    assert (await clerk.browser.get(CART)).status_code == 403


async def test_the_shop_may_order_for_itself(town: Town) -> None:
    owner = town.person(may=SHOP)
    order = await owner.order(pay="now")
    await town.go_on()
    await owner.cancel(order)
    assert (await owner.look(order))["status_reason"] == "cancelled_by_customer"
