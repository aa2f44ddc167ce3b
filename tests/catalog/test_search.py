"""The list of products: words, categories, prices, attributes, order; and what strangers may see of it."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from bailiwick.catalog.infrastructure import choices, queries
from bailiwick.catalog.infrastructure.queries import PRODUCTS as LISTING
from bailiwick.catalog.infrastructure.search import as_seen_by
from bailiwick.kernel.application import Actor
from bailiwick.kernel.database.conditions import parameters
from bailiwick.kernel.database.listing import ListRequest
from bailiwick.kernel.database.statements import POSTGRESQL, compile_for
from bailiwick.kernel.testing import create_database, drop_database
from tests.catalog.shop import PRODUCTS, Shop, named, opened, sku, variant

ALL = ["Blue wool coat", "Cup", "Red rain coat", "Socks"]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shop_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('shop') / 'bailiwick.db'}"
        return
    server: str = request.getfixturevalue("postgres")
    url = create_database(server)
    yield url
    drop_database(server, url)


@pytest.fixture(scope="module")
async def full(shop_url: str) -> AsyncIterator[Shop]:
    """A catalogue to look at: coats below clothes, a cup in no category, and an old coat that is archived."""
    async with opened(shop_url) as shop:
        await _fill(shop)
        yield shop


async def _fill(shop: Shop) -> None:
    clothes = await shop.category("clothes")
    coats = await shop.category("coats", parent_id=clothes["id"])
    rain = await shop.category("rain-coats", parent_id=coats["id"])
    await shop.added(
        "Red rain coat",
        description="Keeps you dry.",
        images=["coat.jpg", "back.jpg"],
        category_id=rain["id"],
        attributes={"colour": "red", "size": 42, "fits": ["men", "women"], "weight": 2.0},
        variants=[variant("COAT-R", NAD=90000, USD=5000), variant(sku(), NAD=70000)],
    )
    await shop.added(
        "Blue wool coat",
        category_id=coats["id"],
        attributes={"colour": "blue", "size": 42, "warm": True},
        variants=[variant(sku(), NAD=120000)],
    )
    socks = {"colour": "red", "size": 39}
    await shop.added("Socks", category_id=clothes["id"], attributes=socks, variants=[variant(sku(), NAD=900)])
    await shop.added("Cup", description="For rain water", variants=[variant(sku(), USD=300)])
    old = {"colour": "grey", "size": 1}
    gone = await shop.added(
        "Old coat", category_id=coats["id"], attributes=old, variants=[variant(sku(), NAD=1)]
    )
    await shop.keeper.delete(f"{PRODUCTS}/{gone['id']}")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("coat", ["Blue wool coat", "Red rain coat"]),
        ("COAT red", ["Red rain coat"]),
        ("rain", ["Cup", "Red rain coat"]),
        ('"rain coat"', ["Red rain coat"]),
        ('"coat rain"', []),
        ("coat -wool", ["Red rain coat"]),
        ("coat-r", ["Red rain coat"]),
        ("women", ["Red rain coat"]),
        ("dry", ["Red rain coat"]),
        ("nothing", []),
        ("   ", ALL),
        ("'; DROP TABLE catalog_product; --", []),
    ],
)
async def test_words_are_searched_as_people_write_them(full: Shop, words: str, found: list[str]) -> None:
    assert sorted(await full.found(q=words)) == found


@pytest.mark.parametrize("words", ['"', '""', "-", "--", "!!! & | :*", "%", "a" * 200, "\\", "\u2003x", "or"])
async def test_no_words_are_too_odd_to_be_searched(full: Shop, words: str) -> None:
    assert (await full.stranger.get(PRODUCTS, params={"q": words})).status_code == 200


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"f_category": "clothes"}, ["Blue wool coat", "Red rain coat", "Socks"]),
        ({"f_category": "coats"}, ["Blue wool coat", "Red rain coat"]),
        ({"f_category": "rain-coats"}, ["Red rain coat"]),
        ({"f_category": "rain-coats,clothes"}, ["Blue wool coat", "Red rain coat", "Socks"]),
        ({"f_category": "unknown"}, []),
        ({"f_currency": "USD"}, ["Cup", "Red rain coat"]),
        ({"f_currency": "NAD,USD"}, ALL),
        ({"f_currency": "NAD", "f_price_from": "70000"}, ["Blue wool coat", "Red rain coat"]),
        ({"f_currency": "NAD", "f_price_to": "70000"}, ["Red rain coat", "Socks"]),
        ({"f_currency": "NAD", "f_price_from": "901", "f_price_to": "119999"}, ["Red rain coat"]),
        ({"f_currency": "USD", "f_price_from": "1000"}, ["Red rain coat"]),
        ({"f_attributes": "colour:red"}, ["Red rain coat", "Socks"]),
        ({"f_attributes": "colour:red,colour:blue"}, ["Blue wool coat", "Red rain coat", "Socks"]),
        ({"f_attributes": "colour:red,size:42"}, ["Red rain coat"]),
        ({"f_attributes": "size:42,colour:red,colour:blue"}, ["Blue wool coat", "Red rain coat"]),
        ({"f_attributes": "fits:women"}, ["Red rain coat"]),
        ({"f_attributes": "weight:2"}, ["Red rain coat"]),
        ({"f_attributes": "warm:true"}, ["Blue wool coat"]),
        ({"f_attributes": "colour:grey"}, []),
        ({"f_status": "archived"}, []),
        ({"f_category": "coats", "q": "coat", "f_attributes": "colour:blue"}, ["Blue wool coat"]),
    ],
)
async def test_filters_narrow_the_list_and_join(full: Shop, query: dict[str, str], found: list[str]) -> None:
    assert sorted(await full.found(**query)) == found
    counted = await full.stranger.get(PRODUCTS, params=named(query))
    assert counted.json()["pagination"]["total_items"] == len(found)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"sort": "price"}, "filter[currency]"),
        ({"f_price_from": "1"}, "filter[currency]"),
        ({"f_price_to": "1", "f_currency": "NAD,USD"}, "filter[currency]"),
        ({"f_price_to": "1.5", "f_currency": "NAD"}, "filter[price_to]"),
        ({"f_price_to": str(2**63), "f_currency": "NAD"}, "filter[price_to]"),
        ({"f_currency": "nad"}, "filter[currency]"),
        ({"f_attributes": "red"}, "filter[attributes]"),
        ({"f_attributes": ",".join(f"a:{i}" for i in range(21))}, "filter[attributes]"),
        ({"f_status": "gone"}, "filter[status]"),
        ({"f_category": "No Slug"}, "filter[category]"),
        ({"q": "x" * 201}, "q"),
        ({"per_page": "101"}, "per_page"),
        ({"page": "10001"}, "page"),
        ({"sort": "stock"}, "sort"),
    ],
)
async def test_what_no_list_can_answer_is_refused(full: Shop, query: dict[str, str], field: str) -> None:
    answer = await full.stranger.get(PRODUCTS, params=named(query))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("name", ["Blue wool coat", "Cup", "Red rain coat", "Socks"]),
        ("-name", ["Socks", "Red rain coat", "Cup", "Blue wool coat"]),
        ("created_at", ["Red rain coat", "Blue wool coat", "Socks", "Cup"]),
        ("price", ["Socks", "Red rain coat", "Blue wool coat"]),
        ("-price", ["Blue wool coat", "Red rain coat", "Socks"]),
    ],
)
async def test_every_order_is_the_same_by_page_and_by_cursor(full: Shop, sort: str, order: list[str]) -> None:
    query = {"sort": sort, "per_page": "1"} | ({"filter[currency]": "NAD"} if "price" in sort else {})
    paged, walked = list[str](), list[str]()
    cursor: str | None = ""
    for number in range(1, len(order) + 1):
        page = (await full.stranger.get(PRODUCTS, params={**query, "page": str(number)})).json()
        paged += [product["name"] for product in page["data"]]
    while cursor is not None:
        page = (await full.stranger.get(PRODUCTS, params={**query, "cursor": cursor})).json()
        walked += [product["name"] for product in page["data"]]
        cursor = page["pagination"]["next_cursor"]
    assert paged == walked == order


async def test_a_listed_product_says_what_its_cheapest_variant_costs(full: Shop) -> None:
    answer = await full.stranger.get(PRODUCTS, params={"q": "rain coat"})
    [coat] = answer.json()["data"]
    assert coat["image"] == "coat.jpg"
    assert coat["prices"] == [
        {"amount": 70000, "currency": "NAD", "exponent": 2},
        {"amount": 5000, "currency": "USD", "exponent": 2},
    ]


async def test_what_is_archived_is_found_by_its_keeper_only(full: Shop) -> None:
    assert sorted(await full.found(full.keeper)) == sorted([*ALL, "Old coat"])
    assert await full.found(full.keeper, f_status="archived") == ["Old coat"]
    assert await leaks(full) == []


async def test_a_list_that_forgets_what_is_archived_is_noticed(
    full: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(asked: ListRequest, actor: Actor | None) -> ListRequest:
        seen = as_seen_by(asked, actor)
        return replace(seen, rule=seen.rule.parts[0]) if len(seen.rule.parts) == 2 else seen  # type: ignore[attr-defined]  # all parts, then what is on sale

    monkeypatch.setattr(queries, "as_seen_by", forgetful)
    assert await leaks(full) == [PRODUCTS]
    monkeypatch.setattr(choices, "as_seen_by", forgetful)
    assert await leaks(full) == [PRODUCTS, f"{PRODUCTS}/facets"]


async def leaks(shop: Shop) -> list[str]:
    """Where somebody who does not manage the catalogue is told of what is archived."""
    found = []
    for path, trace in ((PRODUCTS, "Old coat"), (f"{PRODUCTS}/facets", "grey")):
        for reader in (shop.stranger, shop.customer):
            for query in ({}, {"f_status": "archived"}, {"f_attributes": "colour:grey"}):
                told = (await reader.get(path, params=named(query))).text
                found += [path] if trace in told else []
    return sorted(set(found))


async def facets(shop: Shop, **query: str) -> dict[str, Any]:
    answer = await shop.stranger.get(f"{PRODUCTS}/facets", params=named(query))
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def test_facets_count_what_would_be_left(full: Shop) -> None:
    found = await facets(full)
    assert {(one["slug"], one["count"]) for one in found["categories"]} == {
        ("clothes", 1),
        ("coats", 1),
        ("rain-coats", 1),
    }
    assert found["prices"] == [
        {"currency": "NAD", "price_from": 500, "price_below": 1000, "count": 1},
        {"currency": "NAD", "price_from": 50000, "price_below": 100000, "count": 1},
        {"currency": "NAD", "price_from": 100000, "price_below": 200000, "count": 1},
        {"currency": "USD", "price_from": 200, "price_below": 500, "count": 1},
        {"currency": "USD", "price_from": 5000, "price_below": 10000, "count": 1},
    ]
    by_name = {one["name"]: {v["value"]: v["count"] for v in one["values"]} for one in found["attributes"]}
    assert by_name == {
        "colour": {"red": 2, "blue": 1},
        "fits": {"men": 1, "women": 1},
        "size": {"42": 2, "39": 1},
        "warm": {"true": 1},
        "weight": {"2": 1},
    }


async def test_every_facet_leads_to_as_many_products_as_it_says(full: Shop) -> None:
    for query in (
        {},
        {"q": "coat"},
        {"f_category": "clothes"},
        {"f_currency": "NAD", "f_price_to": "100000"},
    ):
        found = await facets(full, **query)
        for attribute in found["attributes"]:
            for value in attribute["values"]:
                label = f"{attribute['name']}:{value['value']}"
                assert len(await full.found(**query, f_attributes=label)) == value["count"]
        for band in found["prices"]:
            if "f_currency" not in query:
                edges = {"f_currency": band["currency"], "f_price_from": str(band["price_from"])}
                edges |= {"f_price_to": str(band["price_below"] - 1)}
                assert len(await full.found(**query, **edges)) == band["count"]


async def test_facets_know_no_pages(full: Shop) -> None:
    ignored = await full.stranger.get(f"{PRODUCTS}/facets", params={"q": "coat", "filter[nothing]": "x"})
    assert ignored.status_code == 422
    assert await facets(full, q="coat", page="9999999", sort="stock") == await facets(full, q="coat")


MANY = """
INSERT INTO catalog_product
    (id, name, description, images, attributes, status, keywords, created_at, updated_at, version)
SELECT gen_random_uuid(), 'Lantern ' || n, repeat('It gives light. ', 10), '[]', '{}', 'active', 'L-' || n,
    now(), now(), 1
FROM generate_series(1, 10000) AS n
"""


async def test_a_search_among_ten_thousand_products_uses_the_index(postgresql_url: str) -> None:
    async with opened(postgresql_url) as shop:
        server = await asyncpg.connect(postgresql_url)
        try:
            for statement in (MANY, "ANALYZE catalog_product"):
                await server.execute(statement)
            assert await shop.found(q="lantern 4711") == ["Lantern 4711"]
            assert "on ix_catalog_product_search" in await plan(server, "lantern 4711")
            await server.execute("DROP INDEX ix_catalog_product_search")
            assert "on ix_catalog_product_search" not in await plan(server, "lantern 4711")
        finally:
            await server.close()


async def plan(server: asyncpg.Connection, words: str) -> str:
    """How the server would answer a stranger who searches."""
    asked = as_seen_by(LISTING.parse({"q": words, "cursor": ""}), None)
    statement, _ = LISTING._statement(asked, after=False, offset=False)
    compiled = compile_for(POSTGRESQL, statement)
    values = compiled.values({**parameters(asked.rule), "per_page": 21})
    return "\n".join(line for (line,) in await server.fetch(f"EXPLAIN {compiled.sql}", *values))
