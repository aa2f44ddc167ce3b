"""A request for each line of the table that succeeds wherever the caller may make it."""

from collections.abc import Callable, Mapping
from typing import Any

import httpx2 as httpx
from uuid_utils.compat import uuid7

from tests.policy.scene import ANOTHER, PASSWORD, Scene
from tests.policy.table import Row
from tests.policy.work import QUEUE

ENDLESS = {("GET", "/api/v1/stream")}
USERS, AUTH = "/api/v1/users", "/api/v1/auth"
OPERATIONS = "/api/v1/operations"
TASKS, PROFILES = "/api/v1/tasks", "/api/v1/profiles"


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
    ("PUT", f"{OPERATIONS}/queues/{{queue}}/pause"): lambda scene: {"reason": "the floor is wet"},
}


async def sent(scene: Scene, row: Row) -> httpx.Response:
    """Ask what the line is about."""
    body = BODIES.get(row.operation)
    wanted = body(scene) if body else None
    if wanted is not None and row.operation == ("POST", USERS) and row.about != "-":
        wanted["role"] = row.about
    path = row.path.format(
        user_id=scene.target,
        task_id=scene.task,
        session_id=scene.session_id,
        id=scene.work[next((kind for kind in scene.work if f"/{kind}/" in row.path), "messages")],
        queue=QUEUE,
        reader=scene.reader,
    )
    # What never ends is asked for its headers.
    method = "HEAD" if row.operation in ENDLESS else row.method
    return await scene.ask(method, path, wanted)
