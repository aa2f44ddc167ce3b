"""What every route keeps to, asked of each route that the OpenAPI document lists."""

import json
from collections.abc import AsyncIterator, Iterator
from functools import cache
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest

from bailiwick.backend import Backend
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Database
from bailiwick.main import openapi_document
from tests.policy.requests import places
from tests.policy.scene import Stage, staged

SERVER_OWNED = {
    "id": str(uuid4()),
    "role": "super_admin",
    "roles": ["super_admin"],
    "owner_id": str(uuid4()),
    "status": "suspended",
    "version": 7,
    "stamp": 9,
    "is_active": True,
    "is_verified": True,
    "must_change_password": False,
    "password_hash": "x",
    "created_at": "2020-01-01T00:00:00Z",
    "deleted_at": None,
}
"""What only the product decides. A body that may name one of these is not asked about that one."""


ENDLESS = ("/api/v1/stream",)


@cache
def document() -> dict[str, Any]:
    backend = Backend.build(Settings(database=Database(url="sqlite:///never-opened.db")))
    content: dict[str, Any] = json.loads(openapi_document(backend))
    return content


def bodies() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The method, path and schema of every JSON body."""
    schemas = document()["components"]["schemas"]
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            if "requestBody" in operation:
                reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
                yield method.upper(), path, schemas[reference.rpartition("/")[2]]


def texts() -> Iterator[tuple[str, str, str]]:
    for method, path, schema in bodies():
        for name, field in schema["properties"].items():
            kinds = [field, *field.get("anyOf", [])]
            if any(kind.get("type") == "string" for kind in kinds):
                yield method, path, name


def named(cases: Iterator[tuple[Any, ...]]) -> list[Any]:
    return [
        pytest.param(*case, id=" ".join(each for each in case if isinstance(each, str))) for case in cases
    ]


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with staged(f"sqlite:///{tmp_path_factory.mktemp('document') / 'bailiwick.db'}") as running:
        yield running


async def asked(stage: Stage, method: str, path: str, **options: Any) -> httpx.Response:
    """Ask as a super admin, about their own things."""
    scene = await stage.scene("super_admin", "own")
    known = places(scene, path) | {"role": "staff"}
    known |= {"product_id": scene.goods["products"], "category_id": scene.goods["categories"]}
    known |= {"reservation_id": scene.goods["reservations"], "coupon_id": scene.sales["coupon"]}
    known |= {"order_id": scene.sales["paid"]}
    known |= {f"{kind}_id": scene.purse[kind] for kind in ("wallet", "transfer", "hold", "scheduled")}
    transport = httpx.ASGITransport(app=stage.app)
    headers = {"Authorization": f"Bearer {scene.access_token}", **options.pop("headers", {})}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
        return await client.request(method, path.format_map(known), **options)


@pytest.mark.parametrize(("method", "path", "name"), named(texts()))
async def test_no_text_takes_a_nul(stage: Stage, method: str, path: str, name: str) -> None:
    answer = await asked(stage, method, path, json={name: "a\0b"})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")


@pytest.mark.parametrize(("method", "path", "schema"), named(bodies()))
async def test_no_body_takes_what_only_the_product_decides(
    stage: Stage, method: str, path: str, schema: dict[str, Any]
) -> None:
    for name, value in SERVER_OWNED.items():
        if name not in schema["properties"]:
            answer = await asked(stage, method, path, json={name: value})
            problems = {(error["field"], error["type"]) for error in answer.json()["errors"]}
            assert (name, "extra_forbidden") in problems, name
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(("method", "path", "schema"), named(bodies()))
@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"a": 1, "a": 2}', "application/json", 400),
        (b'{"a": NaN}', "application/json", 400),
        (b'{"a": 1e400}', "application/json", 400),
        (b'{"a": ' + b"9" * 10_000 + b"}", "application/json", 400),
        (b'"\\ud800"', "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"null", "application/json", 422),
        (b"[]", "application/json", 422),
        (b"a=1", "application/x-www-form-urlencoded", 415),
        (b"{}", "text/plain", 415),
        (b" " * 1_000_001, "application/json", 413),
    ],
)
async def test_a_body_that_is_no_good_json_is_refused(
    stage: Stage, method: str, path: str, schema: dict[str, Any], content: bytes, kind: str, status: int
) -> None:
    answer = await asked(stage, method, path, content=content, headers={"Content-Type": kind})
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("path", list(document()["paths"]))
async def test_every_path_says_which_methods_it_knows(stage: Stage, path: str) -> None:
    known = {method.upper() for method in document()["paths"][path]} | {"OPTIONS"}
    known |= {"HEAD"} if "GET" in known else set()
    options = await asked(stage, "OPTIONS", path)
    assert options.status_code == 204
    assert set(options.headers["Allow"].split(", ")) == known
    for method in {"TRACE", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "PROPFIND"} - known:
        answer = await asked(stage, method, path)
        assert (answer.status_code, set(answer.headers["Allow"].split(", "))) == (405, known), method


def readable() -> list[str]:
    """The paths of all that can be read to its end."""
    return [path for path, known in document()["paths"].items() if "get" in known and path not in ENDLESS]


@pytest.mark.parametrize("path", readable())
async def test_head_answers_like_get_without_a_body(stage: Stage, path: str) -> None:
    got, head = await asked(stage, "GET", path), await asked(stage, "HEAD", path)
    assert head.status_code == got.status_code
    assert head.content == b""
    assert head.headers["Content-Type"] == got.headers["Content-Type"]


def test_operation_ids_are_unique_and_name_their_context() -> None:
    operations = [each for path in document()["paths"].values() for each in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)
    assert all(operation["operationId"].startswith(f"{operation['tags'][0]}_") for operation in operations)


async def test_metrics_are_shown_on_this_machine_but_not_through_a_proxy_on_it(stage: Stage) -> None:
    transport = httpx.ASGITransport(app=stage.app, client=("127.0.0.1", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/metrics")).status_code == 200
        for header in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"):
            passed_on = await client.get("/metrics", headers={header: "127.0.0.1"})
            assert passed_on.status_code == 401, header
