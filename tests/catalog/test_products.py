"""Products over HTTP: added, read, changed, put away and brought back; and what is refused."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from bailiwick.catalog.infrastructure.unit_of_work import SqlProducts
from bailiwick.kernel.messaging.tables import events
from tests.catalog.shop import PRODUCTS, Shop, key, opened, sku, variant

OWN = ("instance", "request_id", "timestamp")
_EVENTS = select(events.c.type, events.c.payload).order_by(events.c.occurred_at, events.c.id)


async def told(shop: Shop) -> list[tuple[str, dict[str, Any]]]:
    rows = await shop.backend.platform.database.all(_EVENTS)
    return [(name.rpartition(".")[2], payload) for name, payload in rows]


def at(product: dict[str, Any]) -> str:
    return f"{PRODUCTS}/{product['id']}"


async def test_an_added_product_is_what_everybody_reads(shop: Shop) -> None:
    sent = {
        "name": "Rain coat",
        "description": "Keeps dry.\nAlways.",
        "images": ["https://example.com/coat.jpg", "file-17"],
        "attributes": {"colour": "red", "pockets": 4, "warm": True, "weight": 0.5, "fits": ["men", "women"]},
        "variants": [
            {
                "sku": sku(),
                "title": "Large",
                "options": {"size": "L"},
                "prices": [{"amount": 129900, "currency": "NAD"}, {"amount": 7000, "currency": "USD"}],
            },
            {"sku": sku(), "title": "Small", "options": {"size": "S"}, "prices": []},
        ],
    }
    answer = await shop.keeper.post(PRODUCTS, json=sent, headers=key())
    product = answer.json()["data"]
    assert answer.status_code == 201
    assert {name: product[name] for name in ("name", "description", "images", "attributes")} == {
        name: sent[name] for name in ("name", "description", "images", "attributes")
    }
    assert product["variants"][0]["prices"] == [
        {"amount": 129900, "currency": "NAD", "exponent": 2},
        {"amount": 7000, "currency": "USD", "exponent": 2},
    ]
    assert [each["options"] for each in product["variants"]] == [{"size": "L"}, {"size": "S"}]
    assert (product["status"], product["version"], product["category_id"]) == ("active", 1, None)
    for reader in (shop.stranger, shop.customer, shop.keeper):
        read = await reader.get(answer.headers["Location"])
        assert (read.status_code, read.json()["data"]) == (200, product)
        assert read.headers["ETag"] == '"1"'


async def test_a_product_is_added_once_for_one_key(shop: Shop) -> None:
    body, same = {"name": "Cup", "variants": [variant()]}, key()
    answers = [await shop.keeper.post(PRODUCTS, json=body, headers=same) for _ in range(2)]
    assert [answer.json()["data"]["id"] for answer in answers] == [answers[0].json()["data"]["id"]] * 2
    without = await shop.keeper.post(PRODUCTS, json=body)
    assert (without.status_code, without.json()["code"]) == (400, "idempotency_key_required")


async def test_only_who_manages_the_catalogue_changes_it(shop: Shop) -> None:
    product = await shop.added()
    body = {"name": "Mine", "variants": [variant()]}
    for method, path, sent in (
        ("POST", PRODUCTS, body),
        ("PUT", at(product), body),
        ("PATCH", at(product), {"name": "Mine"}),
        ("DELETE", at(product), None),
        ("POST", f"{at(product)}/restore", None),
    ):
        refused = await shop.customer.request(method, path, json=sent, headers=key())
        unknown = await shop.stranger.request(method, path, json=sent, headers=key())
        assert (refused.status_code, refused.json()["code"]) == (403, "permission_required"), path
        assert unknown.status_code == 401, path
    assert (await shop.stranger.get(at(product))).json()["data"] == product


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": " "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"description": "x" * 10_001}, "description"),
        ({"images": ["x"] * 21}, "images"),
        ({"images": [""]}, "images.0"),
        ({"images": ["x" * 2049]}, "images.0"),
        ({"category_id": str(uuid4())}, "category_id"),
        ({"attributes": {"a b": 1}}, "attributes"),
        ({"attributes": {"a": {"b": 1}}}, "attributes"),
        ({"attributes": {"a": 2**53 + 1}}, "attributes"),
        ({"attributes": {"a": 1e300}}, "attributes"),
        ({"attributes": {"a": ["x"] * 301}}, "attributes"),
        ({"attributes": {"a": ["x"] * 150, "b": ["x"] * 151}}, "attributes"),
        ({"attributes": {f"a{i}": i for i in range(51)}}, "attributes"),
        ({"variants": []}, "variants"),
        ({"variants": [{"sku": "lower"}]}, "variants.0.sku"),
        ({"variants": [{"sku": "TWO WORDS"}]}, "variants.0.sku"),
        ({"variants": [{"sku": "NEW\n"}]}, "variants.0.sku"),
        ({"variants": [{"sku": "X" * 65}]}, "variants.0.sku"),
        ({"variants": [{"sku": "SAME"}, {"sku": "SAME"}]}, "variants"),
        ({"variants": [{"sku": "A", "options": {"size": ""}}]}, "variants.0.options.size"),
        ({"variants": [variant("A", NAD=-1)]}, "variants.0.prices.0.amount"),
        ({"variants": [variant("A", NAD=2**63)]}, "variants.0.prices.0.amount"),
        (
            {"variants": [{"sku": "A", "prices": [{"amount": 1.5, "currency": "NAD"}]}]},
            "variants.0.prices.0.amount",
        ),
        ({"variants": [variant("A", XXX=1)]}, "currency"),
        ({"variants": [{"sku": "A", "prices": [{"amount": 1, "currency": "NAD"}] * 2}]}, "variants"),
        ({"variants": [variant(f"A{i}", NAD=1, USD=1, EUR=1, ZAR=1) for i in range(76)]}, "variants"),
        ({"status": "archived"}, "status"),
    ],
)
async def test_a_product_that_makes_no_sense_is_refused_by_its_field(
    one_shop: Shop, fields: dict[str, Any], field: str
) -> None:
    answer = await one_shop.add(**{"name": "Cup", **fields})
    assert answer.status_code == 422, answer.text
    assert [error for error in answer.json()["errors"] if error["field"].startswith(field)], answer.text
    assert await one_shop.found() == []


@pytest.fixture(scope="module")
async def one_shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """A catalogue into which nothing is ever added."""
    async with opened(f"sqlite:///{tmp_path_factory.mktemp('shop') / 'bailiwick.db'}") as running:
        yield running


async def test_no_sku_is_given_twice_in_the_whole_catalogue(shop: Shop) -> None:
    product, code = await shop.added(), sku()
    taken = product["variants"][0]["sku"]
    answer = await shop.add("Bowl", variants=[variant(code), variant(taken)])
    assert (answer.status_code, answer.json()["code"]) == (409, "sku_taken")
    assert answer.json()["skus"] == [taken]
    other = await shop.added("Bowl", variants=[variant(code)])
    moved = await shop.keeper.patch(at(other), json={"variants": [variant(taken)]})
    assert (moved.status_code, moved.json()["skus"]) == (409, [taken])
    assert (await shop.stranger.get(at(other))).json()["data"] == other


async def test_of_two_products_at_once_with_one_sku_exactly_one_is_added(shop: Shop) -> None:
    for _ in range(5):
        code = sku()
        answers = await asyncio.gather(*(shop.add(f"n{i}", variants=[variant(code)]) for i in range(8)))
        refused = [answer for answer in answers if answer.status_code != 201]
        assert len(refused) == 7
        assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(409, "sku_taken")}


async def test_a_sku_that_is_given_up_can_be_had_and_two_can_be_exchanged(shop: Shop) -> None:
    one, two, three = sku(), sku(), sku()
    product = await shop.added(variants=[variant(one, NAD=1), variant(two, NAD=2), variant(three, NAD=3)])
    for order in ([two, one, three], [three, two, one], [one], [two, one]):
        changed = await shop.keeper.patch(at(product), json={"variants": [variant(s) for s in order]})
        assert changed.status_code == 200, changed.text
        assert [each["sku"] for each in changed.json()["data"]["variants"]] == order
    assert (await shop.added("Bowl", variants=[variant(three)]))["variants"][0]["sku"] == three


async def test_children_that_are_overwritten_where_they_stand_cannot_be_exchanged(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted defect: what the mapper does where nothing is unique."""
    one, two = sku(), sku()
    product = await shop.added(variants=[variant(one), variant(two)])
    [variants] = [child for child in SqlProducts.mapper.children if child.field == "variants"]
    monkeypatch.setattr(variants, "_unique", False)
    answer = await shop.keeper.patch(at(product), json={"variants": [variant(two), variant(one)]})
    assert (answer.status_code, answer.json()["code"]) == (409, "sku_taken")


async def test_what_is_archived_looks_like_what_never_was(shop: Shop) -> None:
    product = await shop.added()
    await shop.keeper.delete(at(product))
    gone, never = await shop.stranger.get(at(product)), await shop.stranger.get(f"{PRODUCTS}/{uuid4()}")
    told_of = [
        {name: value for name, value in answer.json().items() if name not in OWN} for answer in (gone, never)
    ]
    assert told_of[0] == told_of[1]
    assert len(gone.content) == len(never.content)


async def test_put_resets_what_is_left_out_but_never_the_status(shop: Shop) -> None:
    product = await shop.added(description="long", images=["a"], attributes={"a": 1})
    await shop.keeper.delete(at(product))
    body = {"name": "Bowl", "variants": [variant()]}
    whole = (await shop.keeper.put(at(product), json=body)).json()["data"]
    assert (whole["name"], whole["description"], whole["images"]) == ("Bowl", "", [])
    assert (whole["attributes"], whole["status"], whole["version"]) == ({}, "archived", 3)


async def test_patch_changes_what_is_named_and_nothing_keeps_the_version(shop: Shop) -> None:
    product = await shop.added(description="long", images=["a"], attributes={"a": 1})
    changed = (await shop.keeper.patch(at(product), json={"name": "Bowl"})).json()["data"]
    assert changed == product | {"name": "Bowl", "version": 2, "updated_at": changed["updated_at"]}
    for body in ({}, {"name": "Bowl"}, {"images": ["a"]}):
        assert (await shop.keeper.patch(at(product), json=body)).json()["data"] == changed
    assert (await shop.keeper.patch(at(product), json={"name": None})).status_code == 422
    assert (await shop.keeper.patch(at(product), json={"variants": []})).status_code == 422


async def test_who_has_read_an_older_version_changes_nothing(shop: Shop) -> None:
    product = await shop.added()
    await shop.keeper.patch(at(product), json={"name": "Bowl"}, headers={"If-Match": '"1"'})
    for method, body in (
        ("PATCH", {"name": "x"}),
        ("PUT", {"name": "x", "variants": [variant()]}),
        ("DELETE", None),
    ):
        stale = await shop.keeper.request(method, at(product), json=body, headers={"If-Match": '"1"'})
        assert stale.status_code == 412
    assert (await shop.stranger.get(at(product))).json()["data"]["name"] == "Bowl"


async def test_an_archived_product_is_there_for_its_keeper_only(shop: Shop) -> None:
    product, kept = await shop.added(), await shop.added("Bowl")
    assert (await shop.keeper.delete(at(product))).status_code == 204
    assert (await shop.keeper.delete(at(product))).status_code == 204
    for reader in (shop.stranger, shop.customer):
        assert (await reader.get(at(product))).status_code == 404
        assert await shop.found(reader) == [kept["name"]]
    read = (await shop.keeper.get(at(product))).json()["data"]
    assert (read["status"], read["version"]) == ("archived", 2)
    assert await shop.found(shop.keeper, f_status="archived") == ["Cup"]
    assert await shop.found(shop.customer, f_status="archived") == []
    restored = await shop.keeper.post(f"{at(product)}/restore")
    assert (restored.json()["data"]["status"], restored.json()["data"]["version"]) == ("active", 3)
    assert (await shop.stranger.get(at(product))).status_code == 200


async def test_a_token_that_is_no_good_reads_like_a_stranger(shop: Shop) -> None:
    product = await shop.added()
    for token in ("Bearer forged", "Basic x", "keeper"):
        answer = await shop.stranger.get(at(product), headers={"Authorization": token})
        assert answer.status_code == 200
    await shop.keeper.delete(at(product))
    answer = await shop.stranger.get(at(product), headers={"Authorization": "Bearer forged"})
    assert answer.status_code == 404


async def test_an_unknown_product_is_not_found(shop: Shop) -> None:
    body = {"name": "x", "variants": [variant()]}
    for method, sent in (("GET", None), ("PUT", body), ("PATCH", {}), ("DELETE", None)):
        assert (await shop.keeper.request(method, f"{PRODUCTS}/{uuid4()}", json=sent)).status_code == 404


async def test_who_listens_is_told_of_products_and_of_every_price_that_changes(shop: Shop) -> None:
    one, two = sku(), sku()
    product = await shop.added(variants=[variant(one, NAD=100, USD=6), variant(two, NAD=200)])
    await shop.keeper.patch(
        at(product), json={"variants": [variant(one, NAD=150, USD=6), variant(two, EUR=9)]}
    )
    await shop.keeper.patch(at(product), json={"variants": [variant(two, EUR=9)]})
    await shop.keeper.patch(at(product), json={"name": "Mug"})
    await shop.keeper.delete(at(product))
    await shop.keeper.delete(at(product))
    await shop.keeper.post(f"{at(product)}/restore")
    said = [
        (name, *(payload.get(field) for field in ("sku", "currency", "old", "new")))
        for name, payload in await told(shop)
    ]
    assert said[0] == ("ProductAdded", None, None, None, None)
    assert sorted(said[1:4], key=str) == sorted(
        [
            ("PriceChanged", one, "NAD", 100, 150),
            ("PriceChanged", two, "EUR", None, 9),
            ("PriceChanged", two, "NAD", 200, None),
        ],
        key=str,
    )
    assert sorted(said[4:6], key=str) == [
        ("PriceChanged", one, "NAD", 150, None),
        ("PriceChanged", one, "USD", 6, None),
    ]
    assert [name for name, *_ in said[6:]] == ["ProductArchived", "ProductActivated"]
    assert {payload["product_id"] for _, payload in await told(shop)} == {product["id"]}


async def test_the_largest_product_is_added_and_all_its_prices_changed(shop: Shop) -> None:
    attributes = {f"a{i}": [f"value {i} {j}" for j in range(6)] for i in range(50)}
    skus = [sku() for _ in range(100)]
    largest = [variant(one, NAD=1, USD=2, EUR=3) for one in skus]
    product = await shop.added("x" * 200, description="y " * 5000, attributes=attributes, variants=largest)
    others = [variant(one, ZAR=1, GBP=2, BWP=3) for one in reversed(skus)]
    changed = await shop.keeper.patch(at(product), json={"variants": others, "attributes": {}})
    assert changed.status_code == 200, changed.text
    read = (await shop.stranger.get(at(product))).json()["data"]
    assert read == changed.json()["data"]
    assert len([name for name, _ in await told(shop) if name == "PriceChanged"]) == 600
