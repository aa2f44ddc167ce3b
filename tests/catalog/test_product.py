"""The rules of products and categories, without a database."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.catalog.contract import PriceChanged, ProductActivated, ProductAdded, ProductArchived
from bailiwick.catalog.domain.category import Category, CategoryDetails, CategoryId
from bailiwick.catalog.domain.product import (
    Assortment,
    Facet,
    Price,
    Product,
    ProductDetails,
    ProductId,
    Variant,
)
from bailiwick.kernel.domain import Invalid
from bailiwick.kernel.money import Money

NOON = datetime(2031, 1, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
ID = ProductId(UUID(int=1))

SKUS = st.sampled_from(["A", "B", "C"])
TAGS = st.dictionaries(st.tuples(SKUS, st.sampled_from(["NAD", "USD"])), st.integers(0, 3))


def wares(tags: dict[tuple[str, str], int]) -> Assortment:
    """An assortment with these prices: those SKUs, and A in any case."""
    skus = sorted({"A", *(sku for sku, _ in tags)})
    prices = tuple(Price(sku, Money(amount, currency)) for (sku, currency), amount in tags.items())
    return Assortment(variants=tuple(Variant(sku=sku) for sku in skus), prices=prices)


def product(**details: Any) -> Product:
    made = Product.add(ID, ProductDetails(**{"name": "Cup", **details}), wares({}), NOON)
    made.pull_events()
    return made


def test_a_new_product_is_sold_and_says_that_it_was_added() -> None:
    made = Product.add(ID, ProductDetails(name="Cup"), wares({("A", "NAD"): 5}), NOON)
    assert made.pull_events() == [ProductAdded(occurred_at=NOON, product_id=ID, name="Cup")]
    assert made.status == "active"


@given(TAGS, TAGS)
def test_whoever_replays_the_changes_of_prices_knows_the_prices(
    old: dict[tuple[str, str], int], new: dict[tuple[str, str], int]
) -> None:
    changing = Product.add(ID, ProductDetails(name="Cup"), wares(old), NOON)
    changing.pull_events()
    changing.change(changing.details, wares(new), LATER)
    known: dict[tuple[str, str], int | None] = dict(old)
    for event in changing.pull_events():
        assert isinstance(event, PriceChanged)
        assert event.old != event.new
        assert known.get((event.sku, event.currency)) == event.old
        known[event.sku, event.currency] = event.new
    assert {tag: amount for tag, amount in known.items() if amount is not None} == new
    changed = (wares(old).variants, wares(old).tags()) != (wares(new).variants, wares(new).tags())
    assert not changed or changing.updated_at == LATER


def test_a_product_is_archived_and_restored_once() -> None:
    made = product()
    made.archive(LATER)
    made.archive(LATER)
    assert [type(event) for event in made.pull_events()] == [ProductArchived]
    made.restore(LATER)
    made.restore(LATER)
    assert [type(event) for event in made.pull_events()] == [ProductActivated]


def test_a_product_is_found_by_every_plain_value_of_its_attributes() -> None:
    made = product(
        attributes={"a": "x", "b": 2.0, "c": 0.5, "d": False, "e": ["y", 1], "f": "z" * 101, "g": ""}
    )
    assert [facet.label for facet in made.facets] == ["a:x", "b:2", "c:0.5", "d:false", "e:1", "e:y"]
    assert "z" * 101 in made.keywords
    made.change(ProductDetails(name="Cup"), made.assortment, LATER)
    assert (made.facets, made.keywords) == ([], "A")
    assert Facet.of("a", True) == Facet("a:true")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Variant(sku=""),
        lambda: Variant(sku="a"),
        lambda: Variant(sku="A\n"),
        lambda: Variant(sku="A" * 65),
        lambda: Variant(sku="A", title="x" * 201),
        lambda: Variant(sku="A", options={str(i): "x" for i in range(11)}),
        lambda: Variant(sku="A", options={"": "x"}),
        lambda: Price("A", Money(-1, "NAD")),
        lambda: Assortment(variants=()),
        lambda: Assortment(variants=tuple(Variant(sku=f"A{i}") for i in range(101))),
        lambda: Assortment(variants=(Variant(sku="A"), Variant(sku="A"))),
        lambda: Assortment(variants=(Variant(sku="A"),), prices=(Price("B", Money(1, "NAD")),)),
        lambda: Assortment(variants=(Variant(sku="A"),), prices=(Price("A", Money(1, "NAD")),) * 2),
        lambda: ProductDetails(name=" "),
        lambda: ProductDetails(name="x", images=("x",) * 21),
        lambda: ProductDetails(name="x", images=("",)),
        lambda: ProductDetails(name="x", attributes={"1a": 1}),
        lambda: ProductDetails(name="x", attributes={"a": float("nan")}),
        lambda: ProductDetails(name="x", attributes={"a": float("inf")}),
        lambda: ProductDetails(name="x", attributes={"a": -(2**53) - 1}),
        lambda: ProductDetails(name="x", attributes={"a": "x" * 1001}),
        lambda: ProductDetails(name="x", attributes={"a": ["x" * 1000] * 11}),
        lambda: CategoryDetails(name="", slug="a"),
        lambda: CategoryDetails(name="a", slug="a--b"),
        lambda: CategoryDetails(name="a", slug="a\n"),
    ],
)
def test_what_makes_no_sense_cannot_be_made(make: Any) -> None:
    with pytest.raises(Invalid):
        make()


def test_a_category_counts_what_becomes_part_of_it() -> None:
    """So that it is stored, and guarded by its version, whenever something moves below it."""
    top = Category.open(CategoryId(UUID(int=1)), CategoryDetails(name="a", slug="a"), [], NOON)
    low = Category.open(CategoryId(UUID(int=2)), CategoryDetails(name="b", slug="b"), [top], NOON)
    assert (top.arrangements, low.arrangements) == (1, 0)
    low.change(low.details, [top], LATER)
    assert (top.arrangements, low.updated_at) == (1, NOON)
