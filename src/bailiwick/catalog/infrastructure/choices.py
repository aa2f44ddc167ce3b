"""What a list can be narrowed by, and how much of it would be left."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, case, func, select

from bailiwick.catalog.infrastructure.queries import PRODUCTS
from bailiwick.catalog.infrastructure.search import COLUMNS, as_seen_by, currency_of
from bailiwick.catalog.infrastructure.tables import categories, facets, prices, products
from bailiwick.kernel.application import Actor
from bailiwick.kernel.database.conditions import condition, parameters, shape_of
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.listing import MOST_SHAPES, ListRequest
from bailiwick.kernel.specification import Specification

MOST_CATEGORIES, MOST_LABELS, MOST_BANDS = 100, 500, 200
BOUNDS = [digit * 10**zeros for zeros in range(13) for digit in (1, 2, 5)]
PAGING = ("page", "per_page", "cursor", "sort")


@dataclass
class CategoryChoice:
    """A category, and how many of the products are in it itself: those of its parts count there."""

    id: UUID
    slug: str
    name: str
    count: int


@dataclass
class PriceBand:
    """So many products cost at least `price_from` and less than `price_below` minor units of the currency."""

    currency: str
    price_from: int
    price_below: int | None
    count: int


@dataclass
class ValueChoice:
    """A value of an attribute, as `filter[attributes]` takes it after the colon."""

    value: str
    count: int


@dataclass
class AttributeChoice:
    """An attribute, its values by how many products have them."""

    name: str
    values: list[ValueChoice]


@dataclass
class FacetsView:
    """What the products that were asked for can be narrowed by: the 100 largest categories, the prices of
    their cheapest variants, and the 500 commonest values of attributes."""

    categories: list[CategoryChoice]
    prices: list[PriceBand]
    attributes: list[AttributeChoice]


class Narrowing:
    """The query of a list of products, without pages and order."""

    def parse(self, query: Mapping[str, str], seal: bytes = b"") -> ListRequest:
        return PRODUCTS.parse({name: text for name, text in query.items() if name not in PAGING}, seal)

    def parameters(self) -> list[dict[str, Any]]:
        return [each for each in PRODUCTS.parameters() if each["name"] not in PAGING]


NARROWING = Narrowing()
_statements: dict[Any, tuple[Select[Any], Select[Any], Select[Any]]] = {}


async def choices(database: Database, asked: ListRequest, actor: Actor | None) -> FacetsView:
    """Raises InvalidListing."""
    rule = as_seen_by(asked, actor).rule
    params = parameters(rule) | {"currency": currency_of(asked)}
    by_category, by_band, by_label = _about(rule)
    values = defaultdict[str, list[ValueChoice]](list)
    for label, count in await database.all(by_label, **params):
        name, _, value = label.partition(":")
        values[name].append(ValueChoice(value, count))
    return FacetsView(
        [CategoryChoice(*row) for row in await database.all(by_category, **params)],
        [_band(*row) for row in await database.all(by_band, **params)],
        [AttributeChoice(name, found) for name, found in sorted(values.items())],
    )


def _band(currency: str, band: int, count: int) -> PriceBand:
    below = BOUNDS[band] if band < len(BOUNDS) else None
    return PriceBand(currency, BOUNDS[band - 1] if band else 0, below, count)


def _about(rule: Specification) -> tuple[Select[Any], Select[Any], Select[Any]]:
    shape = shape_of(rule)
    if shape not in _statements:
        if len(_statements) >= MOST_SHAPES:
            _statements.clear()
        wanted = condition(rule, COLUMNS)
        _statements[shape] = _by_category(wanted), _by_band(wanted), _by_label(wanted)
    return _statements[shape]


def _by_category(wanted: Any) -> Select[Any]:
    count = func.count()
    return (
        select(categories.c.id, categories.c.slug, categories.c.name, count)
        .select_from(products.join(categories, categories.c.id == products.c.category_id))
        .where(wanted)
        .group_by(categories.c.id, categories.c.slug, categories.c.name)
        .order_by(count.desc(), categories.c.slug)
        .limit(MOST_CATEGORIES)
    )


def _by_band(wanted: Any) -> Select[Any]:
    own = prices.alias()
    cheapest = (
        select(own.c.currency, func.min(own.c.amount).label("amount"))
        .select_from(products.join(own, own.c.product_id == products.c.id))
        .where(wanted)
        .group_by(own.c.product_id, own.c.currency)
        .subquery()
    )
    bands = [(cheapest.c.amount < bound, band) for band, bound in enumerate(BOUNDS)]
    banded = select(cheapest.c.currency, case(*bands, else_=len(BOUNDS)).label("band")).subquery()
    return (
        select(banded.c.currency, banded.c.band, func.count())
        .group_by(banded.c.currency, banded.c.band)
        .order_by(banded.c.currency, banded.c.band)
        .limit(MOST_BANDS)
    )


def _by_label(wanted: Any) -> Select[Any]:
    own, count = facets.alias(), func.count()
    return (
        select(own.c.label, count)
        .select_from(products.join(own, own.c.product_id == products.c.id))
        .where(wanted)
        .group_by(own.c.label)
        .order_by(count.desc(), own.c.label)
        .limit(MOST_LABELS)
    )
