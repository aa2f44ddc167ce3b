"""A request for each line of the table that succeeds wherever the caller may make it."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2 as httpx
from uuid_utils.compat import uuid7

from bailiwick.tooling.check.policy import Row
from tests.policy.goods import a_sku, sku_of
from tests.policy.scene import ANOTHER, PASSWORD, Scene
from tests.policy.work import QUEUE

ENDLESS = {("GET", "/api/v1/stream")}
USERS, AUTH = "/api/v1/users", "/api/v1/auth"
OPERATIONS = "/api/v1/operations"
UNPAID = ("/payment", "/cancel")
HOME = {"recipient": "Grace Hopper", "street": "1 Acacia Road", "city": "Windhoek", "country": "NA"}
TASKS, PROFILES = "/api/v1/tasks", "/api/v1/profiles"
PAYMENTS = "/api/v1"
ORDERS, CART, COUPONS = "/api/v1/orders", "/api/v1/cart", "/api/v1/coupons"
PRODUCTS, CATEGORIES = "/api/v1/products", "/api/v1/categories"


def _somebody_new(scene: Scene) -> dict[str, Any]:
    return {"email": f"{uuid7().hex}@example.com", "full_name": "Grace Hopper"}


def _registration(scene: Scene) -> dict[str, Any]:
    return _somebody_new(scene) | {"password": PASSWORD, "accept_terms": True}


def _credentials(scene: Scene) -> dict[str, Any]:
    return {"email": scene.caller.email.address, "password": PASSWORD}


def _own_password(scene: Scene) -> dict[str, Any]:
    return {"current_password": PASSWORD, "new_password": ANOTHER}


def _task(scene: Scene) -> dict[str, Any]:
    return {"title": "Feed the cat"}


def _product(scene: Scene) -> dict[str, Any]:
    return {"name": "Bowl", "variants": [{"sku": a_sku()}]}


def _goods(scene: Scene) -> dict[str, Any]:
    return {"sku": sku_of(scene.goods["products"]), "move": "receive", "quantity": 5}


def _transfer(scene: Scene) -> dict[str, Any]:
    return _amount(scene) | {"from_wallet": scene.purse["wallet"].hex, "to_wallet": scene.purse["payee"].hex}


def _amount(scene: Scene) -> dict[str, Any]:
    return {"amount": {"amount": 100, "currency": "NAD"}}


def _order(scene: Scene) -> dict[str, Any]:
    return {"lines": [{"sku": sku_of(scene.sales["product"]), "quantity": 1}], "shipping_address": HOME}


def _coupon(scene: Scene) -> dict[str, Any]:
    return {"code": f"C-{uuid7().hex}", "percent": 10}


def _cash(scene: Scene) -> dict[str, Any]:
    return _amount(scene) | {"wallet": scene.purse["wallet"].hex}


def _hold(scene: Scene) -> dict[str, Any]:
    return _cash(scene) | {"payee_wallet": scene.purse["payee"].hex, "expires_in": 60}


def _conversion(scene: Scene) -> dict[str, Any]:
    return _transfer(scene) | {"to_wallet": scene.purse["euros"].hex, "rate": "0.05"}


def _scheduled(scene: Scene) -> dict[str, Any]:
    return _transfer(scene) | {"due_at": (datetime.now(UTC) + timedelta(days=1)).isoformat()}


BODIES: Mapping[tuple[str, str], Callable[[Scene], dict[str, Any]]] = {
    ("POST", f"{AUTH}/register"): _registration,
    ("POST", f"{AUTH}/login"): _credentials,
    ("POST", f"{AUTH}/refresh"): lambda scene: {"refresh_token": scene.refresh_token},
    ("POST", f"{AUTH}/password/forgot"): lambda scene: {"email": scene.caller.email.address},
    ("POST", f"{AUTH}/password/reset"): lambda s: {"token": s.reset_token, "new_password": ANOTHER},
    ("POST", f"{AUTH}/email/verify"): lambda scene: {"token": scene.verify_token},
    ("PUT", f"{USERS}/me/password"): _own_password,
    ("POST", USERS): _somebody_new,
    ("PUT", f"{USERS}/{{user_id}}/password"): lambda scene: {"new_password": ANOTHER},
    ("PATCH", f"{PROFILES}/me"): lambda scene: {"bio": "Likes trees."},
    ("PUT", f"{PROFILES}/me/username"): lambda scene: {"username": f"u-{uuid7().hex}"},
    ("POST", TASKS): _task,
    ("PUT", f"{TASKS}/{{task_id}}"): _task,
    ("PATCH", f"{TASKS}/{{task_id}}"): _task,
    ("POST", PRODUCTS): _product,
    ("PUT", f"{PRODUCTS}/{{product_id}}"): _product,
    ("PATCH", f"{PRODUCTS}/{{product_id}}"): lambda scene: {"name": "Mug"},
    ("POST", f"{PRODUCTS}/{{product_id}}/stock-movements"): _goods,
    ("POST", CATEGORIES): lambda scene: {"name": "Cups", "slug": f"cups-{uuid7().hex}"},
    ("PATCH", f"{CATEGORIES}/{{category_id}}"): lambda scene: {"name": "Mugs"},
    ("POST", f"{PAYMENTS}/wallets"): lambda scene: {"currency": "JPY"},
    ("PATCH", f"{PAYMENTS}/wallets/{{wallet_id}}"): lambda scene: {"overdraft": 500},
    ("POST", f"{PAYMENTS}/transfers"): _transfer,
    ("POST", f"{PAYMENTS}/transfers/dry-run"): _transfer,
    ("POST", f"{PAYMENTS}/transfers/bulk"): lambda scene: {"transfers": [_transfer(scene)]},
    ("POST", f"{PAYMENTS}/transfers/{{transfer_id}}/reversal"): lambda scene: {},
    ("POST", f"{PAYMENTS}/scheduled-transfers"): _scheduled,
    ("POST", f"{PAYMENTS}/holds"): _hold,
    ("POST", f"{PAYMENTS}/holds/{{hold_id}}/capture"): lambda scene: {},
    ("POST", f"{PAYMENTS}/deposits"): _cash,
    ("POST", f"{PAYMENTS}/withdrawals"): _cash,
    ("POST", f"{PAYMENTS}/conversions"): _conversion,
    ("PUT", CART): lambda scene: {"lines": [{"sku": "CUP", "quantity": 2}]},
    ("POST", ORDERS): _order,
    ("PUT", f"{ORDERS}/{{order_id}}/status"): lambda scene: {"status": "fulfilled"},
    ("POST", f"{ORDERS}/{{order_id}}/refunds"): _amount,
    ("POST", COUPONS): _coupon,
    ("PATCH", f"{COUPONS}/{{coupon_id}}"): lambda scene: {"active": False},
    ("PUT", f"{OPERATIONS}/queues/{{queue}}/pause"): lambda scene: {"reason": "the floor is wet"},
}


def places(scene: Scene, path: str) -> dict[str, Any]:
    """What the names in a path stand for in a scene."""
    return {
        "user_id": scene.target,
        "task_id": scene.task,
        "session_id": scene.session_id,
        "id": scene.work[next((kind for kind in scene.work if f"/{kind}/" in path), "messages")],
        "queue": QUEUE,
        "reader": scene.reader,
        "product_id": scene.goods["products"],
        "category_id": scene.goods["categories"],
        "reservation_id": scene.goods["reservations"],
        "wallet_id": scene.purse["wallet"],
        "transfer_id": scene.purse["transfer"],
        "hold_id": scene.purse["hold"],
        "scheduled_id": scene.purse["scheduled"],
        "order_id": scene.sales["placed" if path.endswith(UNPAID) else "paid"],
        "coupon_id": scene.sales["coupon"],
    }


async def sent(scene: Scene, row: Row) -> httpx.Response:
    """Ask what the line is about."""
    body = BODIES.get(row.operation)
    wanted = body(scene) if body else None
    if wanted is not None and row.operation == ("POST", USERS) and row.about != "-":
        wanted["role"] = row.about
    path = row.path.format_map(places(scene, row.path))
    # What never ends is asked for its headers.
    method = "HEAD" if row.operation in ENDLESS else row.method
    return await scene.ask(method, path, wanted)
