"""Orders from the cart to the parcel, and back: goods and money go together, wherever both are kept."""

import asyncio
from datetime import datetime

from tests.acceptance.people import joined
from tests.acceptance.server import Server
from tests.acceptance.shop import (
    ADDRESS,
    PRICE,
    a_customer,
    a_ware,
    an_order_for,
    bought,
    comes,
    content,
    enrich,
    everywhere,
    figures,
    keeper,
    made,
    money,
    order,
    ordered,
    refusal,
    sent,
    settled,
    shown,
    wallet,
)
from tests.acceptance.streams import stream, the_next

pytestmark = everywhere


def test_a_shop_opens_and_sells_its_first_cup(server: Server) -> None:
    cup, ada = a_ware(server, 10), a_customer(server, 5_000)
    with server.client() as anybody:
        found = content(anybody.get("/products", params={"search": "cup", "per_page": 100}))
        assert cup.product_id in {product["id"] for product in found}
    placed = ordered(ada, cup, 2)
    assert (placed["status"], placed["total"]["amount"]) == ("placed", 2 * PRICE)
    paid = settled(ada, placed)
    assert (paid["status"], paid["status_reason"]) == ("paid", None)
    assert [moved["status"] for moved in paid["history"]] == ["placed", "paid"]
    assert figures(ada) == (3_000, 0)
    assert cup.stock() == (8, 0)
    [available] = shown(ada, f"/products/{cup.product_id}/availability")["variants"]
    assert available == {"sku": cup.sku, "available": 8}


def test_who_has_too_little_money_is_told_so_and_the_goods_are_free_again(server: Server) -> None:
    cup, ada = a_ware(server, 3), a_customer(server, PRICE - 1)
    ended = settled(ada, ordered(ada, cup))
    assert (ended["status"], ended["status_reason"]) == ("cancelled", "insufficient_balance")
    assert ended["status_message"]
    assert (figures(ada), cup.stock()) == ((PRICE - 1, 0), (3, 0))


def test_what_is_out_of_stock_is_not_paid_for(server: Server) -> None:
    cup, ada = a_ware(server, 1), a_customer(server, 5 * PRICE)
    ended = settled(ada, ordered(ada, cup, 2))
    assert (ended["status"], ended["status_reason"]) == ("cancelled", "out_of_stock")
    assert (figures(ada), cup.stock()) == ((5 * PRICE, 0), (1, 0))


def test_who_pays_later_keeps_the_goods_until_then(server: Server) -> None:
    cup, ada = a_ware(server, 2), a_customer(server)
    placed = ordered(ada, cup, 2, pay="later")
    times = [datetime.fromisoformat(placed[name]) for name in ("placed_at", "pay_by")]
    assert (times[1] - times[0]).total_seconds() == 30 * 60
    comes(cup.stock, (2, 2))
    others = a_customer(server, PRICE)
    assert settled(others, ordered(others, cup))["status_reason"] == "out_of_stock"
    assert order(ada, placed)["status"] == "placed"
    enrich(ada, 2 * PRICE)
    made(ada, f"/orders/{placed['id']}/payment")
    assert settled(ada, placed)["status"] == "paid"
    assert (figures(ada), cup.stock()) == ((0, 0), (0, 0))


def test_who_cancels_before_paying_frees_the_goods_and_the_coupon(server: Server) -> None:
    cup, ada = a_ware(server, 1), a_customer(server, PRICE)
    code = a_coupon(server, percent=10)
    placed = ordered(ada, cup, pay="later", coupon=code)
    comes(cup.stock, (1, 1))
    cancelled = made(ada, f"/orders/{placed['id']}/cancel")
    assert (cancelled["status"], cancelled["status_reason"]) == ("cancelled", "cancelled_by_customer")
    comes(cup.stock, (1, 0))
    assert figures(ada) == (PRICE, 0)
    assert settled(ada, ordered(ada, cup, coupon=code))["status"] == "paid"
    assert figures(ada) == (PRICE // 10, 0)


def test_a_paid_order_that_is_cancelled_is_refunded_once_and_the_goods_come_back(server: Server) -> None:
    cup, ada = a_ware(server, 5), a_customer(server, 2 * PRICE)
    paid = bought(ada, cup, 2)
    assert (figures(ada), cup.stock()) == ((0, 0), (3, 0))
    made(ada, f"/orders/{paid['id']}/cancel")
    again = sent(ada, f"/orders/{paid['id']}/cancel")
    assert (refusal(again), again.json()["allowed"]) == ((409, "illegal_order_move"), [])
    comes(cup.stock, (5, 0))
    [refund] = shown(ada, f"/orders/{paid['id']}/refunds")
    assert (refund["amount"]["amount"], refund["goods_back"]) == (2 * PRICE, True)
    comes(lambda: [each["status"] for each in shown(ada, f"/orders/{paid['id']}/refunds")], ["done"])
    assert figures(ada) == (2 * PRICE, 0)
    assert order(ada, paid)["refunded"]["amount"] == 2 * PRICE


def test_a_part_is_refunded_then_the_rest_and_never_more(server: Server) -> None:
    cup, ada, owner = a_ware(server, 4), a_customer(server, 3 * PRICE), keeper(server)
    path = f"/orders/{bought(ada, cup, 3)['id']}/refunds"
    made(owner, path, {"amount": money(400)})
    comes(lambda: figures(ada), (400, 0))
    assert cup.stock() == (1, 0)
    too_much = sent(owner, path, {"amount": money(2_601)})
    assert (refusal(too_much), too_much.json()["refundable"]) == ((409, "refund_too_high"), 2_600)
    made(owner, path, {"lines": [cup.line()], "goods_back": True})
    comes(cup.stock, (2, 0))
    comes(lambda: figures(ada), (1_400, 0))
    made(owner, path, {"amount": money(1_600)})
    comes(lambda: figures(ada), (3 * PRICE, 0))
    comes(lambda: shown(ada, path.removesuffix("/refunds"))["status"], "refunded")
    assert refusal(sent(ada, path, {"amount": money(1)}))[0] == 403


def test_an_order_goes_its_way_and_no_other(server: Server) -> None:
    cup, ada, owner = a_ware(server), a_customer(server, PRICE), keeper(server)
    placed = ordered(ada, cup, pay="later")
    path = f"/orders/{placed['id']}"
    early = owner.ask("PUT", f"{path}/status", json={"status": "fulfilled"})
    assert (refusal(early), early.json()["allowed"]) == ((409, "illegal_order_move"), ["paid", "cancelled"])
    made(ada, f"{path}/payment")
    assert settled(ada, placed)["next_statuses"] == ["fulfilled", "cancelled", "refunded"]
    assert ada.ask("PUT", f"{path}/status", json={"status": "fulfilled"}).status_code == 403
    for status in ("fulfilled", "delivered"):
        moved = owner.ask("PUT", f"{path}/status", json={"status": status})
        assert content(moved)["status"] == status
    late = sent(ada, f"{path}/cancel")
    assert (refusal(late), late.json()["allowed"]) == ((409, "illegal_order_move"), ["refunded"])
    assert (figures(ada), cup.stock()) == ((0, 0), (9, 0))


def test_the_shop_cancels_and_says_why(server: Server) -> None:
    cup, ada = a_ware(server), a_customer(server)
    placed = ordered(ada, cup, pay="later")
    body = {"status": "cancelled", "message": "We have broken it."}
    content(keeper(server).ask("PUT", f"/orders/{placed['id']}/status", json=body))
    found = order(ada, placed)
    assert (found["status_reason"], found["status_message"]) == ("cancelled_by_shop", "We have broken it.")
    comes(cup.stock, (10, 0))


def test_guests_do_not_order(server: Server) -> None:
    cup, ada, owner = a_ware(server), joined(server), keeper(server)
    assert owner.ask("PUT", f"/users/{ada.id}/roles/guest").status_code == 204
    guest = ada.signed_in_again()
    assert sent(guest, "/orders", an_order_for(cup)).status_code == 403
    assert guest.ask("PUT", "/cart", json={"lines": [cup.line()]}).status_code == 403
    assert cup.stock() == (10, 0)


def test_a_stranger_does_not_see_that_there_is_an_order(server: Server) -> None:
    cup, ada, bob = a_ware(server), a_customer(server, PRICE), joined(server)
    path = f"/orders/{ordered(ada, cup, pay='later')['id']}"
    assert bob.ask("GET", path).status_code == 404
    assert bob.ask("GET", f"{path}/refunds").status_code == 404
    assert sent(bob, f"{path}/payment").status_code == 404
    assert sent(bob, f"{path}/cancel").status_code == 404
    assert shown(bob, "/orders") == []
    assert path.removeprefix("/orders/") in {each["id"] for each in shown(keeper(server), "/orders")}


def test_a_cart_becomes_an_order_and_is_empty_then(server: Server) -> None:
    cup, ada = a_ware(server), a_customer(server, 3 * PRICE)
    content(ada.ask("PUT", "/cart", json={"lines": [cup.line(3)], "shipping_address": ADDRESS}))
    placed = made(ada, "/orders", {"pay": "now"})
    assert [(line["sku"], line["quantity"]) for line in placed["lines"]] == [(cup.sku, 3)]
    assert shown(ada, "/cart")["lines"] == []
    assert settled(ada, placed)["status"] == "paid"
    assert refusal(sent(ada, "/orders", {"pay": "now"})) == (422, "nothing_wanted")


def test_prices_and_address_are_those_of_the_order(server: Server) -> None:
    cup, ada = a_ware(server), a_customer(server, PRICE)
    placed = ordered(ada, cup, pay="later")
    dearer = {"variants": [{"sku": cup.sku, "prices": [money(9_999)]}]}
    content(keeper(server).ask("PATCH", f"/products/{cup.product_id}", json=dearer))
    made(ada, f"/orders/{placed['id']}/payment")
    paid = settled(ada, placed)
    assert (paid["status"], paid["total"]["amount"], figures(ada)) == ("paid", PRICE, (0, 0))
    assert {name: paid["shipping_address"][name] for name in ADDRESS} == ADDRESS


def test_what_is_archived_is_not_sold(server: Server) -> None:
    cup, ada = a_ware(server), a_customer(server, PRICE)
    assert keeper(server).ask("DELETE", f"/products/{cup.product_id}").status_code == 204
    refused = sent(ada, "/orders", an_order_for(cup))
    assert (refusal(refused), refused.json()["skus"]) == ((409, "not_sold"), [cup.sku])


def a_coupon(server: Server, **terms: object) -> str:
    code = f"C-{joined(server).id[-12:].upper()}"
    made(keeper(server), "/coupons", {"code": code} | terms)
    return code


def test_a_coupon_is_used_once_by_one_and_as_often_as_it_may_by_all(server: Server) -> None:
    cup, people = a_ware(server), [a_customer(server, 2 * PRICE) for _ in range(3)]
    code = a_coupon(server, off=money(300), most_uses=2)
    ada, bob, eve = people
    first = settled(ada, ordered(ada, cup, coupon=code.lower()))
    assert (first["status"], first["discount"]["amount"], figures(ada)) == ("paid", 300, (1_300, 0))
    assert refusal(sent(ada, "/orders", an_order_for(cup, coupon=code))) == (409, "coupon_used_before")
    assert settled(bob, ordered(bob, cup, coupon=code))["total"]["amount"] == 700
    assert refusal(sent(eve, "/orders", an_order_for(cup, coupon=code))) == (409, "coupon_used_up")
    assert refusal(sent(eve, "/orders", an_order_for(cup, coupon="NO-SUCH-CODE")))[0] == 422
    assert cup.stock() == (8, 0)


def test_from_a_frozen_wallet_no_order_is_paid(server: Server) -> None:
    cup, ada, owner = a_ware(server), a_customer(server, PRICE), keeper(server)
    freeze = f"/wallets/{wallet(ada)['id']}/freeze"
    assert owner.ask("PUT", freeze).status_code == 204
    assert settled(ada, ordered(ada, cup))["status_reason"] == "wallet_frozen"
    assert owner.ask("DELETE", freeze).status_code == 204
    assert bought(ada, cup)["status"] == "paid"


async def test_a_customer_hears_at_once_what_becomes_of_an_order(server: Server) -> None:
    cup, ada = await asyncio.to_thread(a_ware, server), await asyncio.to_thread(a_customer, server, PRICE)
    async with stream(ada) as line:
        await the_next(line, "ready")
        placed = await asyncio.to_thread(ordered, ada, cup)
        for kind in ("orders.order_placed", "orders.order_paid"):
            heard = await the_next(line, kind, within=20)
            assert heard["data"]["number"] == placed["number"]
