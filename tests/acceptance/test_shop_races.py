"""What happens to money and goods when many want them at once, on two workers."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest

from tests.acceptance.depth import DEPTH
from tests.acceptance.people import Person, at_once, joined
from tests.acceptance.server import PLAIN, Server
from tests.acceptance.shop import (
    PRICE,
    a_customer,
    a_ware,
    an_order_for,
    bought,
    comes,
    figures,
    keeper,
    made,
    money,
    order,
    ordered,
    refusal,
    settled,
    shown,
    wallet,
)

pytestmark = pytest.mark.parametrize("server", ["sqlite", "postgresql"], indirect=True, scope="session")
rounds = pytest.mark.parametrize("round", range(DEPTH))


def request(person: Person, path: str, body: Any = None, *, key: str | None = None) -> dict[str, Any]:
    """For `at_once`: a POST with a key of its own."""
    headers = {"Authorization": f"Bearer {person.access_token}", "Idempotency-Key": key or uuid4().hex}
    options = {} if body is None else {"json": body}
    return {"method": "POST", "url": path, "headers": headers} | options


def outcomes(answers: Sequence[httpx.Response]) -> Counter[str]:
    """How often each came: the code of a refusal, or the status of a success."""
    return Counter(str(answer.status_code) if answer.is_success else refusal(answer)[1] for answer in answers)


def a_transfer(payer: Person, payee: Person, amount: int) -> dict[str, Any]:
    ids = {"from_wallet": wallet(payer)["id"], "to_wallet": wallet(payee)["id"]}
    return ids | {"amount": money(amount)}


@rounds
def test_of_200_spends_of_one_whole_balance_one_succeeds(server: Server, round: int) -> None:
    ada, bob = a_customer(server, 1_000), joined(server)
    body = a_transfer(ada, bob, 1_000)
    found = at_once(server, [request(ada, "/transfers", body) for _ in range(200)])
    assert outcomes(found) == {"201": 1, "insufficient_balance": 199}
    assert (figures(ada), figures(bob)) == ((0, 0), (1_000, 0))


@rounds
def test_of_500_orders_for_50_pieces_50_are_paid(server: Server, round: int) -> None:
    cup, people = a_ware(server, 50), [a_customer(server, 50 * PRICE) for _ in range(10)]
    for start in range(0, 50, 10):
        wanted = [
            request(ada, "/orders", an_order_for(cup)) for ada in people for _ in range(start, start + 10)
        ]
        assert outcomes(at_once(server, wanted)) == {"201": 100}
    ends = [each for ada in people for each in all_settled(ada, seconds=120)]
    assert Counter((each["status"], each["status_reason"]) for each in ends) == {
        ("paid", None): 50,
        ("cancelled", "out_of_stock"): 450,
    }
    assert cup.stock() == (0, 0)
    assert sum(figures(ada)[0] for ada in people) == 450 * PRICE
    assert {figures(ada)[1] for ada in people} == {0}
    assert "background_failed" not in server.said


def all_settled(person: Person, seconds: float) -> list[dict[str, Any]]:
    comes(lambda: shown(person, "/orders", **{"filter[status]": "placed"}), [], seconds)
    found: list[dict[str, Any]] = shown(person, "/orders", per_page=100)
    return found


@rounds
def test_of_100_orders_with_one_key_there_is_one(server: Server, round: int) -> None:
    cup, ada = a_ware(server), a_customer(server, 5 * PRICE)
    found = at_once(server, [request(ada, "/orders", an_order_for(cup), key="together")] * 100)
    assert outcomes(found) == {"201": 100}
    assert len({answer.content for answer in found}) == 1
    assert settled(ada, found[0].json()["data"])["status"] == "paid"
    assert len(shown(ada, "/orders")) == 1
    assert (figures(ada), cup.stock()) == ((4 * PRICE, 0), (9, 0))


@rounds
def test_a_coupon_for_one_use_is_used_by_one_of_30(server: Server, round: int) -> None:
    cup, people = a_ware(server, 50), [a_customer(server, PRICE) for _ in range(3)]
    code = f"C-{uuid4().hex[:20]}"
    terms = {"percent": 50, "most_uses": 1, "once_per_customer": False}
    made(keeper(server), "/coupons", {"code": code} | terms)
    wanted = [request(ada, "/orders", an_order_for(cup, coupon=code)) for ada in people for _ in range(10)]
    assert outcomes(at_once(server, wanted)) == {"201": 1, "coupon_used_up": 29}
    assert [each["status"] for ada in people for each in all_settled(ada, seconds=20)] == ["paid"]
    assert sum(figures(ada)[0] for ada in people) == 3 * PRICE - PRICE // 2


@rounds
def test_cancelled_and_refunded_by_many_an_order_is_paid_back_once(server: Server, round: int) -> None:
    cup, ada, owner = a_ware(server, 5), a_customer(server, 2 * PRICE), keeper(server)
    path = f"/orders/{bought(ada, cup, 2)['id']}"
    refunds = [request(owner, f"{path}/refunds", {"amount": money(2 * PRICE)}) for _ in range(15)]
    cancels = [request(who, f"{path}/cancel") for who in (ada, owner) for _ in range(8)]
    found = at_once(server, [each for pair in zip(refunds, cancels, strict=False) for each in pair])
    assert set(outcomes(found)) <= {"200", "201", "refund_too_high", "illegal_order_move"}
    comes(lambda: figures(ada), (2 * PRICE, 0))
    comes(lambda: {each["status"] for each in shown(ada, f"{path}/refunds")}, {"done"})
    assert sum(each["amount"]["amount"] for each in shown(ada, f"{path}/refunds")) == 2 * PRICE
    comes(cup.stock, (5, 0) if shown(ada, path)["status"] == "cancelled" else (3, 0))
    assert figures(ada) == (2 * PRICE, 0)


@rounds
def test_an_order_that_is_paid_and_cancelled_at_once_is_either(server: Server, round: int) -> None:
    cup, ada = a_ware(server, 20), a_customer(server, 20 * PRICE)
    placed = [ordered(ada, cup, pay="later") for _ in range(10)]
    paths = [f"/orders/{each['id']}" for each in placed]
    wanted = [request(ada, f"{path}/{what}") for path in paths for what in ("payment", "cancel")]
    assert set(outcomes(at_once(server, wanted))) <= {"200", "illegal_order_move"}
    ends = Counter(settled(ada, each)["status"] for each in placed)
    comes(lambda: (figures(ada), cup.stock()), worth(20, ends["paid"]))
    time.sleep(0.5)
    ends = Counter(order(ada, each)["status"] for each in placed)
    assert (figures(ada), cup.stock()) == worth(20, ends["paid"])


def worth(pieces: int, sold: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Money and stock of who had enough for all pieces, when so many are sold and nothing is open."""
    return ((pieces - sold) * PRICE, 0), (pieces - sold, 0)


@rounds
def test_a_hold_that_ends_while_it_is_captured_is_either(server: Server, round: int) -> None:
    ada, bob = a_customer(server, 1_000), joined(server)
    ids = {"wallet": wallet(ada)["id"], "payee_wallet": wallet(bob)["id"]}
    body = ids | {"amount": money(10), "expires_in": 1}
    holds = [made(ada, "/holds", body) for _ in range(12)]
    time.sleep(0.7)
    found = at_once(server, [request(bob, f"/holds/{hold['id']}/capture", {}) for hold in holds])
    taken = outcomes(found)
    assert set(taken) <= {"200", "hold_over"}
    comes(lambda: figures(ada), (1_000 - 10 * taken["200"], 0))
    assert figures(bob) == (10 * taken["200"], 0)
    ends = Counter(hold["status"] for hold in shown(ada, "/holds"))
    assert ends == Counter({"captured": taken["200"], "expired": taken["hold_over"]})


def test_transfers_that_cross_among_few_wallets_never_get_in_each_others_way(server: Server) -> None:
    people = [a_customer(server, 1_000) for _ in range(4)]
    found = asyncio.run(crossing(server, people, seconds=3 if DEPTH == 1 else 30))
    assert set(found) <= {"201", "insufficient_balance"}
    assert found["201"] > 100
    assert sum(figures(ada)[0] for ada in people) == 4_000
    assert min(figures(ada)[0] for ada in people) >= 0
    assert "deadlock" not in server.said.lower()


async def crossing(server: Server, people: Sequence[Person], seconds: float) -> Counter[str]:
    """What 32 clients are told who transfer small sums between everybody for so long."""
    wallets = {person: (await asyncio.to_thread(wallet, person))["id"] for person in people}
    until, told = time.monotonic() + seconds, Counter[str]()

    async def one(client: httpx.AsyncClient, chance: random.Random) -> None:
        while time.monotonic() < until:
            payer, payee = chance.sample(people, 2)
            ids = {"from_wallet": wallets[payer], "to_wallet": wallets[payee]}
            body = ids | {"amount": money(chance.randint(1, 400))}
            told.update(outcomes([await client.request(**request(payer, "/transfers", body))]))

    limits = httpx.Limits(max_connections=32)
    async with httpx.AsyncClient(
        base_url=f"{server.url}/api/v1", timeout=60, limits=limits, verify=PLAIN
    ) as client:
        await asyncio.gather(*(one(client, random.Random(seed)) for seed in range(32)))
    return told
