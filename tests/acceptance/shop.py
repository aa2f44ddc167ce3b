"""The shop as people use it: wallets with money, wares in stock, orders that come to an end."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest

from tests.acceptance.depth import DEPTH
from tests.acceptance.people import Person, joined, super_admin
from tests.acceptance.server import Server, until

ADDRESS = {"recipient": "Ada Lovelace", "street": "1 Acacia Road", "city": "Windhoek", "country": "NA"}
PRICE = 1_000
EVERYWHERE = ["sqlite", "postgresql", "redis", "nats", "redis apart", *(["nats apart"] if DEPTH > 1 else [])]
everywhere = pytest.mark.parametrize("server", EVERYWHERE, indirect=True, scope="session")
"""Also with catalog, payments and orders in processes of their own."""
SOON = 20.0
"""Seconds in which what is promised to happen soon has happened, on a machine that does much else."""


def money(amount: int, currency: str = "NAD") -> dict[str, Any]:
    return {"amount": amount, "currency": currency}


def sent(person: Person, path: str, body: Any = None, *, key: str | None = None) -> httpx.Response:
    """A POST with a key: a new one, unless one is given."""
    options = {} if body is None else {"json": body}
    return person.ask("POST", path, headers={"Idempotency-Key": key or uuid4().hex}, **options)


def made(person: Person, path: str, body: Any = None) -> Any:
    """What a POST that succeeds answers."""
    return content(sent(person, path, body))


def shown(person: Person, path: str, **query: Any) -> Any:
    return content(person.ask("GET", path, params=query))


def content(answer: httpx.Response) -> Any:
    assert answer.is_success, answer.text
    return answer.json()["data"]


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """The status of a refusal, and its code."""
    return answer.status_code, answer.json().get("code", "")


def keeper(server: Server) -> Person:
    """Who keeps the shop. Each one is asked for some minutes only: less than a token lasts."""
    return _keeper(server, int(time.monotonic() // 300))


@lru_cache
def _keeper(server: Server, period: int) -> Person:
    return super_admin(server)


def wallet(person: Person) -> dict[str, Any]:
    """The person's first wallet, which is there soon after they have joined."""
    found: dict[str, Any] = until(lambda: shown(person, "/wallets"), seconds=SOON)[0]
    return found


def figures(person: Person) -> tuple[int, int]:
    """What is posted in the person's wallet, and what is held of that."""
    found = wallet(person)
    return found["posted"]["amount"], found["pending"]["amount"]


def enrich(person: Person, amount: int) -> str:
    """Bring money to the house for somebody; the id of their wallet."""
    id: str = wallet(person)["id"]
    made(keeper(person.server), "/deposits", {"wallet": id, "amount": money(amount)})
    return id


def a_customer(server: Server, amount: int = 0) -> Person:
    """Somebody new with so much money."""
    person = joined(server)
    if amount:
        enrich(person, amount)
    return person


@dataclass(frozen=True)
class Ware:
    """Something that the shop sells for 1,000 a piece."""

    server: Server
    product_id: str
    sku: str

    def stock(self) -> tuple[int, int]:
        """How much is on hand, and how much of that is reserved."""
        [found] = shown(keeper(self.server), "/stock", **{"filter[sku]": self.sku})
        return found["on_hand"], found["reserved"]

    def line(self, quantity: int = 1) -> dict[str, Any]:
        return {"sku": self.sku, "quantity": quantity}


def a_ware(server: Server, pieces: int = 10) -> Ware:
    """A new product of one variant, with so many pieces in stock."""
    sku, owner = f"S-{uuid4().hex.upper()}", keeper(server)
    body = {"name": "Cup", "variants": [{"sku": sku, "prices": [money(PRICE)]}]}
    ware = Ware(server, made(owner, "/products", body)["id"], sku)
    receive = {"sku": sku, "move": "receive", "quantity": pieces}
    made(owner, f"/products/{ware.product_id}/stock-movements", receive)
    return ware


def an_order_for(ware: Ware, quantity: int = 1, **fields: Any) -> dict[str, Any]:
    """What is sent to order it, paid at once."""
    return {"lines": [ware.line(quantity)], "shipping_address": ADDRESS, "pay": "now"} | fields


def ordered(person: Person, ware: Ware, quantity: int = 1, **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = made(person, "/orders", an_order_for(ware, quantity, **fields))
    return found


def order(person: Person, placed: dict[str, Any]) -> dict[str, Any]:
    """The order as it is now."""
    found: dict[str, Any] = shown(person, f"/orders/{placed['id']}")
    return found


def settled(person: Person, placed: dict[str, Any], seconds: float = SOON) -> dict[str, Any]:
    """The order once it is paid, or cancelled."""

    def ended() -> dict[str, Any] | None:
        found = order(person, placed)
        return found if found["status"] != "placed" else None

    return until(ended, seconds=seconds)


def bought(person: Person, ware: Ware, quantity: int = 1) -> dict[str, Any]:
    """An order that was paid."""
    found = settled(person, ordered(person, ware, quantity))
    assert found["status"] == "paid", found
    return found


def comes(what: Callable[[], object], wanted: object, seconds: float = SOON) -> None:
    """Wait until it is as it is wanted. Fails with what it was instead."""
    try:
        until(lambda: what() == wanted, seconds=seconds)
    except AssertionError:
        assert what() == wanted
        raise
