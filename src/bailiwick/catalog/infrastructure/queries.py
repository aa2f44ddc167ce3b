"""What readers of the catalogue see: SQL straight into a view, and what things cost for other contexts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, bindparam, func, select

from bailiwick.catalog.contract import CatalogPermission, Offer
from bailiwick.catalog.domain.category import Category, CategoryId
from bailiwick.catalog.domain.product import Attribute, Product, ProductId, ProductStatus
from bailiwick.catalog.infrastructure.search import FILTERS, SEARCHED, SORTS, as_seen_by, currency_of
from bailiwick.catalog.infrastructure.tables import categories, prices, products, variants
from bailiwick.kernel.application import Actor, Page
from bailiwick.kernel.database.batches import one_of, room_for, these
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.listing import Listing, ListRequest, columns_of
from bailiwick.kernel.domain import NotFound
from bailiwick.kernel.http.money import MoneyView
from bailiwick.kernel.money import Money


@dataclass
class VariantView:
    """What is put into a parcel, and what one piece of it costs in each currency."""

    sku: str
    title: str
    options: dict[str, str]
    prices: list[MoneyView]


@dataclass
class ProductView:
    """A product with all its variants."""

    id: UUID
    name: str
    description: str
    status: ProductStatus
    category_id: UUID | None
    images: list[str]
    attributes: dict[str, Attribute]
    created_at: datetime
    updated_at: datetime
    version: int
    variants: list[VariantView] = field(default_factory=list)

    @classmethod
    def of(cls, product: Product) -> "ProductView":
        costs: dict[str, list[MoneyView]] = {variant.sku: [] for variant in product.variants}
        for price in product.prices:
            costs[price.sku].append(MoneyView.of(price.money))
        return cls(
            id=product.id,
            name=product.details.name,
            description=product.details.description,
            status=product.status,
            category_id=product.details.category_id,
            images=list(product.details.images),
            attributes=product.details.attributes,
            created_at=product.created_at,
            updated_at=product.updated_at,
            version=product.version,
            variants=[VariantView(v.sku, v.title, v.options, costs[v.sku]) for v in product.variants],
        )


@dataclass
class ListedProduct:
    """A product in a list. `prices` are those of its cheapest variant in each currency, `image` the first."""

    id: UUID
    name: str
    status: ProductStatus
    category_id: UUID | None
    image: str | None
    created_at: datetime
    updated_at: datetime
    version: int
    prices: list[MoneyView] = field(default_factory=list)


@dataclass
class ListedCategory:
    """A category in a list. `parent_id` is the larger one that it is part of."""

    id: UUID
    name: str
    slug: str
    parent_id: UUID | None
    created_at: datetime
    updated_at: datetime
    version: int


@dataclass
class CategoryView:
    """A category. `parent_id` is the larger one that it is part of."""

    id: UUID
    name: str
    slug: str
    parent_id: UUID | None
    attribute_schema: dict[str, object] | None
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def of(cls, category: Category) -> "CategoryView":
        return cls(
            id=category.id,
            name=category.details.name,
            slug=category.details.slug,
            parent_id=category.details.parent_id,
            attribute_schema=category.details.attribute_schema,
            created_at=category.created_at,
            updated_at=category.updated_at,
            version=category.version,
        )


_HEAD = [products.c[name] for name in ("id", "name", "status", "category_id")]
_TAIL = [products.c[name] for name in ("created_at", "updated_at", "version")]
PRODUCTS = Listing(
    ListedProduct,
    select(*_HEAD, products.c.images[0].as_string().label("image"), *_TAIL),
    key=products.c.id,
    sorts=SORTS,
    default_sort="-created_at",
    filters=FILTERS,
    search=[SEARCHED],
)
CATEGORIES = Listing(
    ListedCategory,
    select(*columns_of(ListedCategory, categories)),
    key=categories.c.id,
    sorts={"name": categories.c.name, "slug": categories.c.slug, "created_at": categories.c.created_at},
    default_sort="name",
    search=[categories.c.name],
)

_PRODUCT = select(
    *(products.c[name] for name in ("id", "name", "description", "status", "category_id", "images")),
    *(products.c[name] for name in ("attributes", "created_at", "updated_at", "version")),
).where(products.c.id == bindparam("id"))
_priced = and_(prices.c.product_id == variants.c.product_id, prices.c.sku == variants.c.sku)
_VARIANTS = (
    select(variants.c.sku, variants.c.title, variants.c.options, prices.c.amount, prices.c.currency)
    .select_from(variants.outerjoin(prices, _priced))
    .where(variants.c.product_id == bindparam("id"))
    .order_by(variants.c.position, prices.c.position)
)
_CATEGORY = select(*columns_of(CategoryView, categories)).where(categories.c.id == bindparam("id"))


@lru_cache
def _lowest(most: int) -> Select[Any]:
    cheapest = func.min(prices.c.amount)
    return (
        select(prices.c.product_id, cheapest, prices.c.currency)
        .where(one_of(prices.c.product_id, most))
        .group_by(prices.c.product_id, prices.c.currency)
        .order_by(prices.c.currency)
    )


@lru_cache
def _offers(most: int) -> Select[Any]:
    return (
        select(variants.c.sku, products.c.id, products.c.name, variants.c.title, prices.c.amount)
        .select_from(variants.join(products, products.c.id == variants.c.product_id).join(prices, _priced))
        .where(
            one_of(variants.c.sku, most),
            prices.c.currency == bindparam("currency"),
            products.c.status == ProductStatus.ACTIVE.value,
        )
    )


async def products_page(database: Database, asked: ListRequest, actor: Actor | None) -> Page[ListedProduct]:
    """Raises InvalidListing."""
    visible = as_seen_by(asked, actor)
    page = await PRODUCTS.page(database, visible, currency=currency_of(asked))
    by_id = {each.id: each for each in page.items}
    if by_id:
        room = room_for(len(by_id))
        for product_id, amount, currency in await database.all(_lowest(room), **these([*by_id], room)):
            by_id[product_id].prices.append(MoneyView.of(Money(amount, currency)))
    return page


async def one_product(database: Database, product_id: ProductId, actor: Actor | None) -> ProductView:
    """Raises NotFound, also for an archived one where the caller does not manage the catalogue."""
    row = await database.first(_PRODUCT, id=product_id)
    manages = actor is not None and actor.may(CatalogPermission.MANAGE)
    if row is None or not (manages or row[3] == ProductStatus.ACTIVE):
        raise NotFound("no such product")
    view = ProductView(*row)
    for sku, title, options, amount, currency in await database.all(_VARIANTS, id=product_id):
        if not view.variants or view.variants[-1].sku != sku:
            view.variants.append(VariantView(sku, title, options, []))
        if currency is not None:
            view.variants[-1].prices.append(MoneyView.of(Money(amount, currency)))
    return view


async def one_category(database: Database, category_id: CategoryId) -> CategoryView:
    """Raises NotFound."""
    row = await database.first(_CATEGORY, id=category_id)
    if row is None:
        raise NotFound("no such category")
    return CategoryView(*row)


@dataclass(frozen=True)
class SqlOffers:
    """What things cost now."""

    database: Database

    async def __call__(self, skus: Sequence[str], currency: str) -> dict[str, Offer]:
        if not skus:
            return {}
        room = room_for(len(skus))
        rows = await self.database.all(_offers(room), **these(skus, room), currency=currency)
        return {
            sku: Offer(sku, product_id, f"{name}, {title}" if title else name, Money(amount, currency))
            for sku, product_id, name, title, amount in rows
        }
