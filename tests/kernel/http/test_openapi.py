"""The OpenAPI document says what the routes do, all of them."""

import re
from collections import Counter
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest

from bailiwick.backend import Backend
from tests.kernel.http.sample_routes import Ledger, module
from tests.kernel.http.serving import Served, settings

TASKS = "/api/v1/tasks"


@pytest.fixture
async def document(ada: httpx.AsyncClient) -> dict[str, Any]:
    content: dict[str, Any] = (await ada.get("/api/openapi.json")).json()
    return content


def entries(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): entry
        for path, methods in document["paths"].items()
        for method, entry in methods.items()
    }


async def test_the_document_and_the_routes_are_the_same_set(
    document: dict[str, Any], served_url: str
) -> None:
    operations = [
        *Backend.build(settings(served_url)).operations,
        *(o for router in module(Ledger()).routers for o in router.operations),
    ]
    assert set(entries(document)) == {(o.method, o.path) for o in operations}
    for operation in operations:
        entry = entries(document)[operation.method, operation.path]
        assert entry["operationId"] == f"{operation.context}_{operation.endpoint.__name__}"
        assert ("security" in entry) is not operation.public
        assert str(operation.status) in entry["responses"]
        assert entry.get("deprecated", False) is (operation.deprecation is not None)


async def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    times = Counter(entry["operationId"] for entry in entries(document).values())
    assert [name for name, count in times.items() if count > 1] == []


async def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    text = str(document)
    for name in set(re.findall(r"#/components/schemas/([\w.-]+)", text)):
        assert name in document["components"]["schemas"]
    assert "HTTPValidationError" not in text


async def test_every_refusal_is_a_problem(document: dict[str, Any]) -> None:
    for entry in entries(document).values():
        for status, answer in entry["responses"].items():
            if int(status) >= 400:
                shared = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
                assert list(shared["content"]) == ["application/problem+json"]


async def test_a_list_documents_its_filters_order_and_pages(document: dict[str, Any]) -> None:
    names = {p["name"] for p in entries(document)["GET", TASKS]["parameters"]}
    assert names >= {"page", "per_page", "cursor", "sort", "q", "filter[status]", "filter[due_before]"}
    created = {p["name"] for p in entries(document)["POST", TASKS]["parameters"]}
    assert created == {"Idempotency-Key"}


async def test_what_the_caller_does_not_send_is_not_documented(document: dict[str, Any]) -> None:
    entered = {"actor", "ports", "database", "asked"}
    for (_, path), entry in entries(document).items():
        # Operators ask for somebody's doings.
        sent = {"actor"} if path.endswith(("/operations/audit", "/operations/events")) else set()
        assert {p["name"] for p in entry.get("parameters", [])} & entered == sent


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


async def test_answers_have_exactly_the_documented_members(
    document: dict[str, Any], ada: httpx.AsyncClient
) -> None:
    created = await ada.post(TASKS, json={"title": "Write"})
    path = created.headers["Location"]
    calls = [
        (created, "POST", TASKS),
        (await ada.get(path), "GET", f"{TASKS}/{{task_id}}"),
        (await ada.get(TASKS), "GET", TASKS),
        (await ada.get(TASKS, params={"cursor": ""}), "GET", TASKS),
        (await ada.get(f"{TASKS}/board"), "GET", f"{TASKS}/board"),
        (await ada.get("/health"), "GET", "/health"),
        (await ada.get(f"{TASKS}/{uuid4()}"), "GET", f"{TASKS}/{{task_id}}"),
    ]
    for answer, method, route in calls:
        documented = entries(document)[method, route]["responses"][str(answer.status_code)]
        if "$ref" in documented:
            documented = document["components"]["responses"][documented["$ref"].rpartition("/")[2]]
        [schema] = [value["schema"] for value in documented["content"].values()]
        agree(document, schema, answer.json(), f"{method} {route}")


def agree(document: dict[str, Any], schema: dict[str, Any], value: Any, where: str) -> None:
    """Members as documented: none missing that is required, none undeclared."""
    schema = resolved(document, schema)
    if isinstance(value, list):
        for item in value:
            agree(document, schema["items"], item, where)
    if not isinstance(value, dict) or "anyOf" in schema:
        return
    declared = schema.get("properties", {})
    assert set(schema.get("required", [])) <= set(value), where
    assert schema.get("additionalProperties") or set(value) <= set(declared), where
    for name, part in declared.items():
        if name in value and value[name] is not None:
            agree(document, part, value[name], f"{where}.{name}")


async def test_an_undeclared_member_would_be_seen(document: dict[str, Any], ada: httpx.AsyncClient) -> None:
    answer = (await ada.post(TASKS, json={"title": "Write"})).json()
    answer["data"]["secret"] = 1
    schema = entries(document)["POST", TASKS]["responses"]["201"]["content"]["application/json"]["schema"]
    with pytest.raises(AssertionError):
        agree(document, schema, answer, "POST")


async def test_the_document_is_made_once_and_can_be_kept(ada: httpx.AsyncClient, served: Served) -> None:
    first = await ada.get("/api/openapi.json")
    again = await ada.get("/api/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
