"""Catalog, payments and orders in three processes that are killed while people order: the books agree."""

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest

from tests.acceptance.depth import DEPTH
from tests.acceptance.gateway import port_of
from tests.acceptance.people import Person
from tests.acceptance.server import Server, serving, until
from tests.acceptance.shop import (
    PRICE,
    Ware,
    a_customer,
    a_ware,
    an_order_for,
    comes,
    content,
    figures,
    ordered,
    refusal,
    sent,
    settled,
    shown,
)
from tests.acceptance.split import SHOPS, Split

ORDERS = 10
"""Of each customer."""
PURSES = [2 * ORDERS * PRICE] * 3 + [3 * PRICE]
"""One of the customers cannot pay all."""
PIECES = 45
"""Less than all want together."""
SETTLED = 60.0
"""Seconds after which nothing is open any more, whoever was killed."""

apart = pytest.mark.parametrize("server", ["redis apart"], indirect=True, scope="session")


@apart
def test_the_gateway_knows_where_every_path_of_a_context_is(server: Server) -> None:
    ports = {context: server.carrier(context).port for part in SHOPS for context in part.contexts}
    for context, port in ports.items():
        for path, operations in server.carrier(context).document()["paths"].items():
            if any(context in operation["tags"] for operation in operations.values()):
                assert port_of(path, ports) == port, path


def insisting(send: Callable[[], httpx.Response]) -> httpx.Response:
    """What somebody is told at last who asks again as long as nobody answers."""

    def answer() -> httpx.Response | None:
        try:
            found = send()
        except httpx.TransportError:
            return None
        return found if found.status_code < 500 else None

    return until(answer, seconds=SETTLED)


def insisted(person: Person, path: str, body: Any = None) -> httpx.Response:
    key = uuid4().hex
    return insisting(lambda: sent(person, path, body, key=key))


def ordering(person: Person, ware: Ware, seed: int) -> list[dict[str, Any]]:
    """Order now and then, one piece or two; pay at once or later; think better of some."""
    chance, placed = random.Random(seed), []
    for _ in range(ORDERS):
        time.sleep(chance.uniform(0.1, 1.2))
        pay = chance.choice(["now", "now", "later"])
        body = an_order_for(ware, chance.choice([1, 1, 2]), pay=pay)
        found = content(insisted(person, "/orders", body))
        placed.append(found)
        if pay == "later":
            content(insisted(person, f"/orders/{found['id']}/payment"))
        if chance.random() < 0.25:
            time.sleep(chance.uniform(0, 1))
            answer = insisted(person, f"/orders/{found['id']}/cancel")
            assert answer.is_success or refusal(answer)[1] == "illegal_order_move", answer.text
    return placed


def killing(whole: Split, chance: random.Random) -> None:
    """Kill each process of the shop in its turn, and start it again."""
    for context in chance.sample(["catalog", "payments", "orders"], 3):
        time.sleep(chance.uniform(0.3, 1.0))
        whole.kill(context)
        time.sleep(chance.uniform(0, 0.5))
        whole.start_again(context)


@apart
@pytest.mark.parametrize("seed", range(DEPTH))
def test_whoever_is_killed_every_order_is_paid_or_cancelled_and_the_books_agree(
    server: Server, seed: int
) -> None:
    assert isinstance(server, Split)
    ware = a_ware(server, PIECES)
    purses = {a_customer(server, amount): amount for amount in PURSES}
    with ThreadPoolExecutor() as pool:
        killer = pool.submit(killing, server, random.Random(seed))
        buyers = {ada: pool.submit(ordering, ada, ware, seed + i) for i, ada in enumerate(purses)}
        placed = [(ada, each) for ada, buyer in buyers.items() for each in buyer.result()]
        killer.result()
    deadline = time.monotonic() + SETTLED
    ends = [settled(ada, each, deadline - time.monotonic()) for ada, each in placed]
    assert {each["status"] for each in ends} == {"paid", "cancelled"}
    for ada, amount in purses.items():
        comes(partial(figures, ada), (amount - spent(ada), 0), deadline - time.monotonic())
        assert shown(ada, "/holds", **{"filter[status]": "open"}) == []
    comes(ware.stock, (PIECES - sum(map(sold, purses)), 0), deadline - time.monotonic())
    the_books_hold(server)


def paid_orders(person: Person) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shown(person, "/orders", **{"filter[status]": "paid", "per_page": 100})
    return found


def spent(person: Person) -> int:
    return sum(each["total"]["amount"] for each in paid_orders(person))


def sold(person: Person) -> int:
    return sum(line["quantity"] for each in paid_orders(person) for line in each["lines"])


def the_books_hold(server: Server) -> None:
    proved = server.carrier("payments").run("ledger", "prove", "--full")
    assert proved.returncode == 0, proved.stdout + proved.stderr
    counted = server.carrier("catalog").run("stock", "recount")
    assert counted.returncode == 0, counted.stdout + counted.stderr


@pytest.mark.skipif(DEPTH == 1, reason="the shortest time to pay is a minute")
def test_who_does_not_pay_in_time_loses_the_goods(sqlite_url: str) -> None:
    with serving(sqlite_url, BAILIWICK_ORDERS__PAYMENT_MINUTES="1") as hasty:
        ware, ada = a_ware(hasty), a_customer(hasty, PRICE)
        placed = ordered(ada, ware, pay="later")
        comes(ware.stock, (10, 1))
        ended = settled(ada, placed, seconds=90)
        assert (ended["status"], ended["status_reason"]) == ("cancelled", "not_paid_in_time")
        comes(ware.stock, (10, 0))
        assert figures(ada) == (PRICE, 0)
        assert refusal(sent(ada, f"/orders/{placed['id']}/payment")) == (409, "illegal_order_move")
