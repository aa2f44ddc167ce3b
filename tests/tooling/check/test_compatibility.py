"""A change of the API that clients would notice is named by its field; any other passes."""

import copy
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from bailiwick.tooling.check.api.changes import Change
from bailiwick.tooling.check.api.compatibility import changes
from bailiwick.tooling.check.catalogue import Breaking, accept
from bailiwick.tooling.check.ground import Ground
from bailiwick.tooling.project import Project

TODAY = date(2031, 6, 1)
LINE = {"type": "object", "required": ["sku"], "properties": {"sku": {"type": "string"}}}
BODY = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "size": {"type": "integer", "minimum": 0},
        "kind": {"type": "string", "enum": ["a", "b"]},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}},
    },
}
VIEW = {
    "type": "object",
    "required": ["id", "count", "kind"],
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "count": {"type": "integer"},
        "kind": {"type": "string", "enum": ["a", "b"]},
        "parent": {"anyOf": [{"$ref": "#/components/schemas/View"}, {"type": "null"}]},
    },
}
DOCUMENT: dict[str, Any] = {
    "paths": {
        "/things": {
            "post": {
                "operationId": "things_add",
                "parameters": [
                    {"name": "page", "in": "query", "required": False, "schema": {"type": "integer"}}
                ],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Body"}}},
                },
                "responses": {
                    "201": {
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/View"}}}
                    },
                    "404": {"description": "No such thing."},
                },
            },
            "get": {
                "operationId": "things_list",
                "deprecated": True,
                "x-sunset": "2031-05-01",
                "responses": {},
            },
        }
    },
    "components": {"schemas": {"Body": BODY, "View": VIEW, "Line": LINE}},
}


def post(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"]["/things"]["post"]
    return found


def sent(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"]["Body"]["properties"]
    return found


def answered(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"]["View"]["properties"]
    return found


def schema(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"][name]
    return found


Alter = Callable[[dict[str, Any]], object]
TEXT = {"type": "string"}
UUID_TEXT = {"type": "string", "format": "uuid"}
BREAKING: list[tuple[str, Alter]] = [
    ("POST /things is gone", lambda d: d["paths"]["/things"].pop("post")),
    ("is called things_make, was things_add", lambda d: post(d).update(operationId="things_make")),
    ("asks who is calling now", lambda d: post(d).update(security=[{"bearerAuth": []}])),
    ("query page is gone", lambda d: post(d).update(parameters=[])),
    ("query page must be sent now", lambda d: post(d)["parameters"][0].update(required=True)),
    ("query page no longer takes integer", lambda d: post(d)["parameters"][0].update(schema=UUID_TEXT)),
    (
        "header Key is new and must be sent",
        lambda d: post(d)["parameters"].append(
            {"name": "Key", "in": "header", "required": True, "schema": TEXT}
        ),
    ),
    ("body no longer takes application/json", lambda d: post(d)["requestBody"].update(content={})),
    ("body.size is gone", lambda d: sent(d).pop("size")),
    ("body.size must be sent now", lambda d: schema(d, "Body")["required"].append("size")),
    ("body.size no longer takes integer", lambda d: sent(d).update(size=TEXT)),
    ("body.size has minimum 1, was 0", lambda d: sent(d)["size"].update(minimum=1)),
    ("body.name has maxLength 10, was 20", lambda d: sent(d)["name"].update(maxLength=10)),
    ("body.name has pattern ^a, was none", lambda d: sent(d)["name"].update(pattern="^a")),
    ("body.kind no longer takes b", lambda d: sent(d)["kind"].update(enum=["a"])),
    ("body.name no longer takes anything but x", lambda d: sent(d)["name"].update(enum=["x"])),
    ("body.note no longer takes null", lambda d: sent(d).update(note=TEXT)),
    ("body.name no longer takes string", lambda d: sent(d).update(name=UUID_TEXT)),
    ("body.lines[].sku is gone", lambda d: schema(d, "Line").update(properties={})),
    (
        "body no longer takes fields that it does",
        lambda d: schema(d, "Body").update(additionalProperties=False),
    ),
    ("answer 201 is gone", lambda d: post(d)["responses"].update({"200": post(d)["responses"].pop("201")})),
    ("answer 201 is no longer application/json", lambda d: post(d)["responses"]["201"].update(content={})),
    ("answer 201.count is gone", lambda d: answered(d).pop("count")),
    ("answer 201.count may be string, was integer", lambda d: answered(d).update(count=TEXT)),
    ("answer 201.id may be string, was string uuid", lambda d: answered(d).update(id=TEXT)),
    (
        "answer 201.count may be null, was integer",
        lambda d: answered(d).update(count={"anyOf": [{"type": "integer"}, {"type": "null"}]}),
    ),
    ("answer 201.count may be missing now", lambda d: schema(d, "View")["required"].remove("count")),
]
COMPATIBLE: list[tuple[str, Alter]] = [
    ("GET /things is gone", lambda d: d["paths"]["/things"].pop("get")),
    ("PUT /things is new", lambda d: d["paths"]["/things"].update(put={"responses": {}})),
    ("is deprecated", lambda d: post(d).update(deprecated=True)),
    ("body.colour is new", lambda d: sent(d).update(colour=TEXT)),
    ("body.name need not be sent any more", lambda d: schema(d, "Body").update(required=[])),
    ("body.size takes null as well", lambda d: sent(d)["size"].update(type=["integer", "null"])),
    ("body.name has maxLength 30, was 20", lambda d: sent(d)["name"].update(maxLength=30)),
    ("body.kind has other values", lambda d: sent(d)["kind"].update(enum=["a", "b", "c"])),
    ("answer 201.colour is new", lambda d: answered(d).update(colour=TEXT)),
    ("answer 201.kind has other values", lambda d: answered(d)["kind"].update(enum=["a", "b", "c"])),
    ("answer 201.parent is never null any more", lambda d: answered(d).update(parent={"$ref": "#/c/s/View"})),
    ("answer 201.parent is always there now", lambda d: schema(d, "View")["required"].append("parent")),
]
UNNOTICED: list[Alter] = [
    lambda d: answered(d)["id"].update(description="Its name.", examples=["x"]),
    lambda d: post(d)["responses"].pop("404"),
    lambda d: answered(d)["count"].update(minimum=0),
]


def told(alter: Alter) -> list[Change]:
    new = copy.deepcopy(DOCUMENT)
    alter(new)
    return list(changes(DOCUMENT, new, TODAY))


@pytest.mark.parametrize(("said", "alter"), BREAKING, ids=[said for said, _ in BREAKING])
def test_a_breaking_change_names_the_field_and_what_to_do(said: str, alter: Alter) -> None:
    found = [change for change in told(alter) if change.breaking]
    assert len(found) == 1
    assert said in str(found[0])
    assert found[0].remedy


@pytest.mark.parametrize(("said", "alter"), COMPATIBLE, ids=[said for said, _ in COMPATIBLE])
def test_a_compatible_change_is_told_but_breaks_nothing(said: str, alter: Alter) -> None:
    [change] = told(alter)
    assert said in str(change)
    assert not change.breaking


@pytest.mark.parametrize("alter", UNNOTICED)
def test_what_no_client_notices_is_no_change(alter: Alter) -> None:
    assert told(alter) == []


def test_a_deprecated_route_may_go_on_the_day_of_its_sunset_and_not_before() -> None:
    new: dict[str, Any] = {
        "paths": {"/things": {"post": post(DOCUMENT)}},
        "components": DOCUMENT["components"],
    }
    [before] = changes(DOCUMENT, new, date(2031, 4, 30))
    [on_the_day] = changes(DOCUMENT, new, date(2031, 5, 1))
    assert (before.breaking, on_the_day.breaking) == (True, False)


class Documented(Ground):
    """A project without contexts whose document is the one above, changed or not."""

    document = DOCUMENT
    events = ()


def test_what_would_break_clients_is_promised_only_where_one_insists(tmp_path: Path) -> None:
    ground = Documented(Project(tmp_path, "acme"))
    assert accept(ground, though_breaking=False) == ["docs/openapi.json"]
    ground.document = copy.deepcopy(DOCUMENT)
    answered(ground.document).pop("count")
    with pytest.raises(Breaking, match=r"answer 201\.count is gone\n +Keep it until its sunset"):
        accept(ground, though_breaking=False)
    kept = json.loads((tmp_path / "docs/openapi.json").read_text())
    assert kept == DOCUMENT
    accept(ground, though_breaking=True)
    assert json.loads((tmp_path / "docs/openapi.json").read_text()) == ground.document
