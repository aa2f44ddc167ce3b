"""Whoever sends money or goods twice by mistake has sent them once: every POST of the shop has a key."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest

from tests.acceptance.people import Person, at_once, joined
from tests.acceptance.server import Server
from tests.acceptance.shop import (
    PRICE,
    Ware,
    a_customer,
    a_ware,
    an_order_for,
    bought,
    everywhere,
    figures,
    keeper,
    made,
    money,
    ordered,
    refusal,
    sent,
    wallet,
)

pytestmark = everywhere

SHOP = {"payments", "catalog", "orders"}
NOT_REQUIRED = {"/products/{product_id}/restore", "/transfers/dry-run"}
"""What is sold again is sold again, however often that is said; and what is only tried moves nothing."""


@dataclass(frozen=True)
class Scene:
    """Two people with money, and something to buy."""

    owner: Person
    ada: Person
    bob: Person
    ware: Ware

    @property
    def wallets(self) -> dict[str, str]:
        return {"from_wallet": wallet(self.ada)["id"], "to_wallet": wallet(self.bob)["id"]}

    def transferred(self) -> str:
        return str(made(self.ada, "/transfers", self.wallets | {"amount": money(1)})["id"])

    def held(self) -> str:
        return str(made(self.ada, "/holds", self.hold(2))["id"])

    def hold(self, amount: int) -> dict[str, Any]:
        ids = {"wallet": wallet(self.ada)["id"], "payee_wallet": wallet(self.bob)["id"]}
        return ids | {"amount": money(amount), "expires_in": 3600}


@lru_cache
def scene(server: Server) -> Scene:
    people = a_customer(server, 100 * PRICE), a_customer(server, 100 * PRICE)
    return Scene(keeper(server), *people, a_ware(server, 1_000))


@dataclass(frozen=True)
class Try:
    """Somebody's request, and another one that must not go by the same key: an other body or path."""

    who: Person
    path: str
    body: Any
    other: Any = None

    def another(self, key: str) -> httpx.Response:
        if self.other is None:
            head, _, tail = self.path.rpartition("/")
            return sent(self.who, f"{head.rpartition('/')[0]}/{uuid4()}/{tail}", self.body, key=key)
        return sent(self.who, self.path, self.other, key=key)


def _cash(path: str) -> Callable[[Scene], Try]:
    def attempt(scene: Scene) -> Try:
        body = {"wallet": wallet(scene.ada)["id"], "amount": money(5)}
        return Try(scene.owner, path, body, body | {"amount": money(6)})

    return attempt


def _transfer(path: str, **fields: Any) -> Callable[[Scene], Try]:
    def attempt(scene: Scene) -> Try:
        body = scene.wallets | {"amount": money(5)} | fields
        return Try(scene.ada, path, body, body | {"amount": money(6)})

    return attempt


def _bulk(scene: Scene) -> Try:
    transfer = scene.wallets | {"amount": money(5)}
    return Try(scene.ada, "/transfers/bulk", {"transfers": [transfer]}, {"transfers": [transfer, transfer]})


def _wallet(scene: Scene) -> Try:
    return Try(joined(scene.owner.server), "/wallets", {"currency": "EUR"}, {"currency": "USD"})


def _conversion(scene: Scene) -> Try:
    eve = a_customer(scene.owner.server, 100)
    euros = made(eve, "/wallets", {"currency": "EUR"})["id"]
    ids = {"from_wallet": wallet(eve)["id"], "to_wallet": euros}
    body = ids | {"amount": money(50), "rate": "0.5"}
    return Try(scene.owner, "/conversions", body, body | {"rate": "0.4"})


def _reversal(scene: Scene) -> Try:
    return Try(scene.owner, f"/transfers/{scene.transferred()}/reversal", {}, {"description": "Oh"})


def _capture(scene: Scene) -> Try:
    return Try(scene.bob, f"/holds/{scene.held()}/capture", {}, {"amount": money(1)})


def _product(scene: Scene) -> Try:
    body = {"name": "Bowl", "variants": [{"sku": f"S-{uuid4().hex.upper()}"}]}
    return Try(scene.owner, "/products", body, body | {"name": "Plate"})


def _category(scene: Scene) -> Try:
    body = {"name": "Cups", "slug": f"cups-{uuid4().hex}"}
    return Try(scene.owner, "/categories", body, body | {"name": "Bowls"})


def _movement(scene: Scene) -> Try:
    body = {"sku": scene.ware.sku, "move": "receive", "quantity": 1}
    path = f"/products/{scene.ware.product_id}/stock-movements"
    return Try(scene.owner, path, body, body | {"quantity": 2})


def _order(scene: Scene) -> Try:
    return Try(scene.ada, "/orders", an_order_for(scene.ware), an_order_for(scene.ware, 2))


def _of_an_order(what: str) -> Callable[[Scene], Try]:
    def attempt(scene: Scene) -> Try:
        placed = ordered(scene.ada, scene.ware, pay="later")
        return Try(scene.ada, f"/orders/{placed['id']}/{what}", None)

    return attempt


def _refund(scene: Scene) -> Try:
    path = f"/orders/{bought(scene.ada, scene.ware)['id']}/refunds"
    return Try(scene.owner, path, {"amount": money(5)}, {"amount": money(6)})


def _coupon(scene: Scene) -> Try:
    body = {"code": f"C-{uuid4().hex[:20]}", "percent": 5}
    return Try(scene.owner, "/coupons", body, body | {"percent": 6})


TRIALS: dict[str, Callable[[Scene], Try]] = {
    "/wallets": _wallet,
    "/deposits": _cash("/deposits"),
    "/withdrawals": _cash("/withdrawals"),
    "/conversions": _conversion,
    "/transfers": _transfer("/transfers"),
    "/transfers/bulk": _bulk,
    "/transfers/{transfer_id}/reversal": _reversal,
    "/scheduled-transfers": _transfer(
        "/scheduled-transfers", due_at=(datetime.now(UTC) + timedelta(days=1)).isoformat()
    ),
    "/holds": lambda scene: Try(scene.ada, "/holds", scene.hold(5), scene.hold(6)),
    "/holds/{hold_id}/capture": _capture,
    "/holds/{hold_id}/void": lambda scene: Try(scene.bob, f"/holds/{scene.held()}/void", None),
    "/products": _product,
    "/categories": _category,
    "/products/{product_id}/stock-movements": _movement,
    "/orders": _order,
    "/orders/{order_id}/payment": _of_an_order("payment"),
    "/orders/{order_id}/cancel": _of_an_order("cancel"),
    "/orders/{order_id}/refunds": _refund,
    "/coupons": _coupon,
}


def posts(server: Server) -> dict[str, bool]:
    """Every POST of the shop that its documents know, and whether it must have a key."""
    found: dict[str, bool] = {}
    for context in SHOP:
        for path, operations in server.carrier(context).document()["paths"].items():
            operation = operations.get("post", {})
            if context in operation.get("tags", []):
                required = [each["name"] for each in operation.get("parameters", ()) if each["required"]]
                found[path.removeprefix("/api/v1")] = "Idempotency-Key" in required
    return found


def test_every_post_of_the_shop_must_have_a_key_and_is_tried_here(server: Server) -> None:
    found = posts(server)
    assert {path for path, required in found.items() if not required} == NOT_REQUIRED
    assert found.keys() - NOT_REQUIRED == TRIALS.keys()


@pytest.mark.parametrize("path", TRIALS)
def test_what_is_sent_again_with_its_key_is_answered_again_and_done_once(server: Server, path: str) -> None:
    trial, key = TRIALS[path](scene(server)), uuid4().hex
    options = {} if trial.body is None else {"json": trial.body}
    without = trial.who.ask("POST", trial.path, **options)
    assert refusal(without) == (400, "idempotency_key_required")
    first, again = (sent(trial.who, trial.path, trial.body, key=key) for _ in range(2))
    assert first.is_success, first.text
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers.get("Location") == first.headers.get("Location")
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert refusal(trial.another(key)) == (422, "idempotency_key_reused")


def test_100_transfers_with_one_key_move_the_money_once(server: Server) -> None:
    ada, bob = a_customer(server, 1_000), joined(server)
    body = {"from_wallet": wallet(ada)["id"], "to_wallet": wallet(bob)["id"], "amount": money(10)}
    headers = {"Authorization": f"Bearer {ada.access_token}", "Idempotency-Key": "together"}
    request = {"method": "POST", "url": "/transfers", "headers": headers, "json": body}
    found = at_once(server, [request] * 100)
    assert {answer.status_code for answer in found} == {201}
    assert len({answer.content for answer in found}) == 1
    assert (figures(ada), figures(bob)) == ((990, 0), (10, 0))
