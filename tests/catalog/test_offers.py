"""What other contexts are told of prices: what is sold now, in the currency that they ask for."""

import pytest

from bailiwick.catalog.contract import MOST_LINES, Catalog, Offer
from bailiwick.kernel.domain import Invalid
from bailiwick.kernel.http.contracts import questions_of
from bailiwick.kernel.money import Money
from tests.catalog.shop import PRODUCTS, Shop, sku, variant


def catalog_of(shop: Shop) -> Catalog:
    [module] = shop.backend.modules
    catalog: Catalog = module.contracts[Catalog]
    return catalog


async def test_offers_are_of_what_is_sold_now_in_the_currency(shop: Shop) -> None:
    large, small, gone = sku(), sku(), sku()
    coat = await shop.added(
        "Coat", variants=[variant(large, NAD=900, USD=50) | {"title": "Large"}, variant(small, USD=40)]
    )
    old = await shop.added("Old", variants=[variant(gone, NAD=1)])
    catalog = catalog_of(shop)
    assert set(await catalog.offers([large, small, gone, "UNKNOWN"], "NAD")) == {large, gone}
    await shop.keeper.delete(f"{PRODUCTS}/{old['id']}")
    offers = await catalog.offers([large, small, gone], "NAD")
    assert {code: (str(o.product_id), o.title, o.price) for code, o in offers.items()} == {
        large: (coat["id"], "Coat, Large", Money(900, "NAD"))
    }
    [offer] = (await catalog.offers([small], "USD")).values()
    assert (type(offer), offer.sku, offer.title, offer.price) == (Offer, small, "Coat", Money(40, "USD"))
    assert await catalog.offers([small], "EUR") == {}


async def test_offers_are_asked_for_a_hundred_skus_and_for_none(shop: Shop) -> None:
    catalog, code = catalog_of(shop), sku()
    await shop.added(variants=[variant(code, NAD=1)])
    assert await catalog.offers([], "NAD") == {}
    assert set(await catalog.offers([code, *(f"X{i}" for i in range(MOST_LINES - 1))], "NAD")) == {code}
    with pytest.raises(Invalid):
        await catalog.offers(["X"] * (MOST_LINES + 1), "NAD")


def test_the_whole_contract_can_be_asked_over_http() -> None:
    asked = {question.name for question in questions_of(Catalog)}
    assert asked == {"offers", "reserve", "release", "commit", "give_back"}
