"""Categories over HTTP: a tree without circles, and schemas for products that nobody can abuse."""

import asyncio
import subprocess
import sys
import time
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest

from bailiwick.catalog.domain.category import SchemaInvalid
from bailiwick.catalog.infrastructure import schemas
from bailiwick.catalog.infrastructure.schemas import DEEPEST, LARGEST, JsonSchemas
from tests.catalog.shop import CATEGORIES, PRODUCTS, Shop, key, variant

COLOURED = {
    "type": "object",
    "required": ["colour"],
    "properties": {"colour": {"enum": ["red", "blue"]}, "size": {"type": "integer", "minimum": 1}},
}


def at(category: dict[str, Any]) -> str:
    return f"{CATEGORIES}/{category['id']}"


async def move(shop: Shop, category: dict[str, Any], below: dict[str, Any] | None) -> httpx.Response:
    return await shop.keeper.patch(at(category), json={"parent_id": below["id"] if below else None})


async def test_everybody_reads_the_tree_and_only_its_keeper_grows_it(shop: Shop) -> None:
    clothes = await shop.category("clothes", name="Clothes & more", attribute_schema=COLOURED)
    coats = await shop.category("coats", parent_id=clothes["id"])
    assert (coats["parent_id"], clothes["parent_id"], clothes["version"]) == (clothes["id"], None, 1)
    listed = (await shop.stranger.get(CATEGORIES)).json()["data"]
    assert [one["slug"] for one in listed] == ["clothes", "coats"]
    read = (await shop.stranger.get(at(clothes))).json()["data"]
    assert (read["name"], read["attribute_schema"]) == ("Clothes & more", COLOURED)
    for client, status in ((shop.stranger, 401), (shop.customer, 403)):
        body = {"name": "x", "slug": "x"}
        assert (await client.post(CATEGORIES, json=body, headers=key())).status_code == status
        assert (await client.patch(at(coats), json=body)).status_code == status
    assert (await shop.stranger.get(f"{CATEGORIES}/{uuid4()}")).status_code == 404
    assert (await shop.keeper.patch(f"{CATEGORIES}/{uuid4()}", json={})).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"slug": "Big"}, "slug"),
        ({"slug": "-x"}, "slug"),
        ({"slug": "x" * 101}, "slug"),
        ({"parent_id": str(uuid4())}, "parent_id"),
        ({"attribute_schema": {"type": "nonsense"}}, "attribute_schema"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_category_that_makes_no_sense_is_refused_by_its_field(
    shop: Shop, body: dict[str, Any], field: str
) -> None:
    answer = await shop.keeper.post(CATEGORIES, json={"name": "x", "slug": "x", **body}, headers=key())
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


async def test_a_slug_is_one_category_s_also_under_concurrency(shop: Shop) -> None:
    body = {"name": "x", "slug": "x"}
    answers = await asyncio.gather(
        *(shop.keeper.post(CATEGORIES, json=body, headers=key()) for _ in range(6))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    other = await shop.category("y")
    taken = await shop.keeper.patch(at(other), json={"slug": "x"})
    assert (taken.status_code, taken.json()["code"]) == (409, "slug_taken")


async def test_a_category_cannot_be_part_of_itself(shop: Shop) -> None:
    top = await shop.category("top")
    middle = await shop.category("middle", parent_id=top["id"])
    low = await shop.category("low", parent_id=middle["id"])
    for moved, below in ((top, top), (top, low), (middle, low)):
        refused = await move(shop, moved, below)
        assert (refused.status_code, refused.json()["code"]) == (409, "category_cycle")
    assert (await move(shop, low, None)).status_code == 200
    assert (await move(shop, top, low)).status_code == 200
    assert (await move(shop, low, middle)).status_code == 409


async def test_two_moves_at_once_never_make_a_circle(shop: Shop) -> None:
    for i in range(8):
        one = await shop.category(f"one-{i}")
        low = await shop.category(f"low-{i}", parent_id=one["id"])
        two = await shop.category(f"two-{i}")
        end = await shop.category(f"end-{i}", parent_id=two["id"])
        answers = await asyncio.gather(move(shop, one, end), move(shop, two, low))
        assert sorted(answer.status_code for answer in answers) == [200, 409], i
    everything = await shop.stranger.get(CATEGORIES, params={"per_page": "100"})
    parents = {each["id"]: each["parent_id"] for each in everything.json()["data"]}
    for id in parents:
        seen: list[str | None] = []
        above: str | None = id
        while above is not None:
            assert above not in seen
            seen.append(above)
            above = parents[above]


async def test_the_tree_is_at_most_ten_deep(shop: Shop) -> None:
    below = await shop.category("c0")
    for i in range(1, 10):
        below = await shop.category(f"c{i}", parent_id=below["id"])
    body = {"name": "x", "slug": "x", "parent_id": below["id"]}
    refused = await shop.keeper.post(CATEGORIES, json=body, headers=key())
    assert (refused.status_code, refused.json()["code"]) == (409, "category_too_deep")


async def test_a_change_that_is_stale_or_empty_changes_nothing(shop: Shop) -> None:
    category = await shop.category("coats")
    assert (await shop.keeper.patch(at(category), json={})).json()["data"] == category
    renamed = await shop.keeper.patch(at(category), json={"name": "Coats"}, headers={"If-Match": '"1"'})
    assert renamed.json()["data"]["version"] == 2
    stale = await shop.keeper.patch(at(category), json={"name": "x"}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412


async def test_attributes_are_as_every_category_above_wants_them(shop: Shop) -> None:
    clothes = await shop.category("clothes", attribute_schema=COLOURED)
    lengths = {"properties": {"length": {"type": "integer"}}, "required": ["length"]}
    coats = await shop.category("coats", parent_id=clothes["id"], attribute_schema=lengths)
    refused = await shop.add(category_id=coats["id"], attributes={"colour": "green", "size": 0})
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (422, "attributes_invalid")
    assert problem["errors"][0]["field"] == "attributes"
    assert len(problem["violations"]) == 3
    assert [one for one in problem["violations"] if one.startswith("colour: ")]
    product = await shop.added(category_id=coats["id"], attributes={"colour": "red", "length": 90})
    path = f"{PRODUCTS}/{product['id']}"
    for attributes in ({"colour": "red"}, dict[str, str]()):
        assert (await shop.keeper.patch(path, json={"attributes": attributes})).status_code == 422
    await shop.added("Bowl", attributes={"colour": "green"})
    bowl = (await shop.stranger.get(PRODUCTS, params={"q": "bowl"})).json()["data"][0]
    moved = await shop.keeper.patch(f"{PRODUCTS}/{bowl['id']}", json={"category_id": clothes["id"]})
    assert moved.json()["code"] == "attributes_invalid"
    assert (await shop.stranger.get(path)).json()["data"] == product


async def test_a_new_schema_is_for_the_next_change_of_a_product(shop: Shop) -> None:
    category = await shop.category("cups")
    product = await shop.added(category_id=category["id"])
    await shop.keeper.patch(at(category), json={"attribute_schema": COLOURED})
    path = f"{PRODUCTS}/{product['id']}"
    assert (await shop.stranger.get(path)).json()["data"] == product
    body = {"name": "x", "category_id": category["id"], "variants": [variant()]}
    assert (await shop.keeper.put(path, json=body)).status_code == 422
    await shop.keeper.patch(at(category), json={"attribute_schema": None})
    assert (await shop.keeper.put(path, json=body)).status_code == 200


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {"not": schema}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#"},
        {"properties": {"a": {"$dynamicRef": "#x"}}},
        {"$id": "https://example.com/me"},
        {"$schema": "http://json-schema.org/draft-07/schema#"},
        {"properties": {"a": {"pattern": "(?=x)y"}}},
        {"properties": {"a": {"pattern": "(a)\\1"}}},
        {"properties": {"a": {"pattern": "((a{1,900}){1,900}){1,900}"}}},
        {"properties": {"a": {"pattern": "("}}},
        {"type": "nonsense"},
        {"properties": 3},
        {"description": "x" * LARGEST},
        nested(DEEPEST + 1),
    ],
)
def test_a_schema_that_could_cost_more_than_it_is_long_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(SchemaInvalid) as refused:
        JsonSchemas().check(schema)
    assert refused.value.field == "attribute_schema"


def test_a_schema_as_deep_and_as_long_as_may_be_is_taken() -> None:
    JsonSchemas().check(nested(DEEPEST - 1))
    JsonSchemas().check({"description": "x" * (LARGEST - 20)})


def seconds(schema: dict[str, Any], attributes: dict[str, Any]) -> float:
    started = time.perf_counter()
    JsonSchemas().violations(schema, attributes)
    return time.perf_counter() - started


def test_no_pattern_takes_more_time_than_its_text_is_long() -> None:
    evil = {"properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}
    JsonSchemas().check(evil)
    assert seconds(evil, {"a": "a" * 999 + "!"}) < 0.5


def test_conditions_that_are_evaluated_again_and_again_stay_cheap() -> None:
    schema: dict[str, Any] = {"properties": {"a": {}}}
    for _ in range(DEEPEST // 2 - 2):
        schema = {"allOf": [schema], "unevaluatedProperties": False}
    JsonSchemas().check(schema)
    assert seconds(schema, {f"a{i}": i for i in range(50)}) < 0.5


def test_the_library_is_not_loaded_before_there_is_a_schema() -> None:
    look = (
        "import sys; import bailiwick.catalog.module as context; schemas = context.JsonSchemas();"
        "before = 'jsonschema_rs' in sys.modules; schemas.check({});"
        "print(before, 'jsonschema_rs' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["False", "True"]


def test_a_checker_that_forgets_references_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "REFERENCES", frozenset())
    JsonSchemas().check({"$defs": {"a": {}}, "properties": {"a": {"$ref": "#/$defs/a"}}})
