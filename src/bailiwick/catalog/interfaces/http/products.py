"""The routes of products and categories."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bailiwick.catalog.application.ports import CatalogPorts
from bailiwick.catalog.application.products import (
    AddProduct,
    ArchiveProduct,
    ChangeCategory,
    ChangeProduct,
    OpenCategory,
    RestoreProduct,
    add_product,
    archive_product,
    change_category,
    change_product,
    open_category,
    restore_product,
)
from bailiwick.catalog.domain.category import (
    LONGEST_CATEGORY_NAME,
    LONGEST_SLUG,
    SLUG,
    Category,
    CategoryDetails,
    CategoryId,
)
from bailiwick.catalog.domain.product import (
    ATTRIBUTE,
    LONGEST_DESCRIPTION,
    LONGEST_IMAGE,
    LONGEST_NAME,
    LONGEST_OPTION,
    LONGEST_SKU,
    LONGEST_VALUE,
    MOST_ATTRIBUTES,
    MOST_CURRENCIES,
    MOST_IMAGES,
    MOST_OPTIONS,
    MOST_VALUES,
    MOST_VARIANTS,
    SKU,
    Assortment,
    Price,
    Product,
    ProductDetails,
    ProductId,
    Variant,
)
from bailiwick.catalog.infrastructure.choices import NARROWING, FacetsView, choices
from bailiwick.catalog.infrastructure.queries import (
    CATEGORIES,
    PRODUCTS,
    CategoryView,
    ListedCategory,
    ListedProduct,
    ProductView,
    one_category,
    one_product,
    products_page,
)
from bailiwick.kernel.application import Actor, Page
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.listing import ListRequest
from bailiwick.kernel.http.examples import money
from bailiwick.kernel.http.money import MoneyBody
from bailiwick.kernel.http.requests import ExpectedVersion
from bailiwick.kernel.http.routing import Router

router = Router(
    "catalog",
    prefix="/api/v1",
    examples={
        "name": "Enamel mug",
        "CategoryBody.name": "Kitchen",
        "CategoryChanges.name": "Kitchen",
        "CategoryView.name": "Kitchen",
        "ListedCategory.name": "Kitchen",
        "CategoryChoice.name": "Kitchen",
        "slug": "kitchen",
        "parent_id": None,
        "attribute_schema": {"type": "object", "properties": {"material": {"type": "string"}}},
        "description": "Holds 350 ml, and does not break.",
        "image": "https://example.com/mug.jpg",
        "images": ["https://example.com/mug.jpg"],
        "attributes": {"material": "enamel", "millilitres": 350},
        "sku": "MUG-BLUE",
        "title": "Blue",
        "options": {"colour": "blue"},
        "prices": [money(8900)],
        "AttributeChoice.name": "material",
        "value": "enamel",
        "count": 12,
        "price_from": 5000,
        "price_below": 10_000,
        "move": "receive",
        "quantity": 40,
        "note": "Delivered by the pottery",
        "on_hand": 40,
        "reserved": 2,
        "available": 38,
        "recounted_at": None,
        "reservation_id": None,
        "ReservedLineView.quantity": 2,
        "given_back": 0,
        "seconds_left": 840,
    },
)

Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME, pattern=r"\S")]
Description = Annotated[str, StringConstraints(max_length=LONGEST_DESCRIPTION)]
Image = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_IMAGE)]
Images = Annotated[list[Image], Field(max_length=MOST_IMAGES)]
Text = Annotated[str, StringConstraints(max_length=LONGEST_VALUE)]
Values = Annotated[list[Text | int | float | bool], Field(max_length=MOST_VALUES)]
AttributeName = Annotated[str, StringConstraints(pattern=ATTRIBUTE)]
Attributes = Annotated[
    dict[AttributeName, Text | int | float | bool | Values], Field(max_length=MOST_ATTRIBUTES)
]
Option = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_OPTION)]
CategoryName = Annotated[
    str, StringConstraints(min_length=1, max_length=LONGEST_CATEGORY_NAME, pattern=r"\S")
]
Slug = Annotated[str, StringConstraints(max_length=LONGEST_SLUG, pattern=SLUG)]


class VariantBody(BaseModel):
    """What is put into a parcel. No other variant of any product may have its SKU."""

    model_config = ConfigDict(extra="forbid")

    sku: Annotated[str, StringConstraints(max_length=LONGEST_SKU, pattern=SKU)]
    title: Annotated[str, StringConstraints(max_length=LONGEST_NAME)] = ""
    options: Annotated[dict[Option, Option], Field(max_length=MOST_OPTIONS)] = {}
    prices: Annotated[list[MoneyBody], Field(max_length=MOST_CURRENCIES)] = []


Variants = Annotated[list[VariantBody], Field(min_length=1, max_length=MOST_VARIANTS)]


def assortment(bodies: list[VariantBody]) -> Assortment:
    return Assortment(
        variants=tuple(Variant(sku=each.sku, title=each.title, options=each.options) for each in bodies),
        prices=tuple(Price(each.sku, price.money()) for each in bodies for price in each.prices),
    )


class ProductBody(BaseModel):
    """A whole product. What is left out is reset; only the status stays as it is."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    description: Description = ""
    category_id: CategoryId | None = None
    images: Images = []
    attributes: Attributes = {}
    variants: Variants

    def details(self) -> dict[str, Any]:
        return _details(self.model_dump(exclude={"variants"}))


class ProductChanges(BaseModel):
    """Some fields of a product: what is left out stays (RFC 7396). Variants are replaced as a whole, and so
    are attributes."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(default_factory=str)
    description: Description = Field(default_factory=str)
    category_id: CategoryId | None = None
    images: Images = Field(default_factory=list)
    attributes: Attributes = Field(default_factory=dict)
    variants: Variants = Field(default_factory=list)

    def changes(self) -> dict[str, Any]:
        return _details(self.model_dump(exclude={"variants"}, exclude_unset=True))

    def assortment(self) -> Assortment | None:
        return assortment(self.variants) if "variants" in self.model_fields_set else None


def _details(sent: dict[str, Any]) -> dict[str, Any]:
    return sent | ({"images": tuple(sent["images"])} if "images" in sent else {})


class CategoryBody(BaseModel):
    """A category. `attribute_schema` is a JSON schema (draft 2020-12, at most 20,000 bytes, no references)
    for the attributes of the products in it and in its parts."""

    model_config = ConfigDict(extra="forbid")

    name: CategoryName
    slug: Slug
    parent_id: CategoryId | None = None
    attribute_schema: dict[str, Any] | None = None


class CategoryChanges(BaseModel):
    """Some fields of a category: what is left out stays; a schema is replaced as a whole."""

    model_config = ConfigDict(extra="forbid")

    name: CategoryName = Field(default_factory=str)
    slug: Slug = Field(default_factory=str)
    parent_id: CategoryId | None = None
    attribute_schema: dict[str, Any] | None = None


@router.get("/products", public=True, listing=PRODUCTS)
async def list_products(asked: ListRequest, actor: Actor | None, database: Database) -> Page[ListedProduct]:
    """What is sold: searched by words, filtered, sorted. `filter[category]` takes a slug and finds the parts
    of the category, too; `filter[attributes]` takes `colour:red,colour:blue,size:42`; prices are compared in
    `filter[currency]`. Who may `catalog.manage` also sees what is archived."""
    return await products_page(database, asked, actor)


@router.get("/products/facets", public=True, listing=NARROWING)
async def read_facets(asked: ListRequest, actor: Actor | None, database: Database) -> FacetsView:
    """What the list of products can be narrowed by, and how many products would be left."""
    return await choices(database, asked, actor)


@router.post(
    "/products", status=201, view=ProductView.of, location="/api/v1/products/{id}", idempotent="required"
)
async def add(body: ProductBody, actor: Actor, ports: CatalogPorts) -> Product:
    """Add a product. It is sold from now on. Needs the permission `catalog.manage`, as every change does."""
    command = AddProduct(ProductDetails(**body.details()), assortment(body.variants), by=actor)
    return await add_product(command, ports)


@router.get("/products/{product_id}", public=True)
async def read(product_id: ProductId, actor: Actor | None, database: Database) -> ProductView:
    """One product with all its variants. An archived one is there only for who may `catalog.manage`."""
    return await one_product(database, product_id, actor)


@router.put("/products/{product_id}", view=ProductView.of)
async def replace(
    product_id: ProductId, body: ProductBody, version: ExpectedVersion, actor: Actor, ports: CatalogPorts
) -> Product:
    """Replace a product. Each price that is another one then is told to who listens."""
    variants = assortment(body.variants)
    return await change_product(ChangeProduct(product_id, body.details(), variants, actor, version), ports)


@router.patch("/products/{product_id}", view=ProductView.of)
async def change(
    product_id: ProductId, body: ProductChanges, version: ExpectedVersion, actor: Actor, ports: CatalogPorts
) -> Product:
    """Change some fields of a product."""
    command = ChangeProduct(product_id, body.changes(), body.assortment(), actor, version)
    return await change_product(command, ports)


@router.delete("/products/{product_id}")
async def archive(product_id: ProductId, version: ExpectedVersion, actor: Actor, ports: CatalogPorts) -> None:
    """Archive a product: it is sold no more, and can be restored."""
    await archive_product(ArchiveProduct(product_id, actor, version), ports)


@router.post("/products/{product_id}/restore", view=ProductView.of, idempotent=True)
async def restore(product_id: ProductId, actor: Actor, ports: CatalogPorts) -> Product:
    """Sell an archived product again."""
    return await restore_product(RestoreProduct(product_id, actor), ports)


@router.get("/categories", public=True, listing=CATEGORIES)
async def list_categories(asked: ListRequest, database: Database) -> Page[ListedCategory]:
    """All categories. They make a tree by `parent_id`."""
    return await CATEGORIES.page(database, asked)


@router.post(
    "/categories",
    status=201,
    view=CategoryView.of,
    location="/api/v1/categories/{id}",
    idempotent="required",
)
async def open_new_category(body: CategoryBody, actor: Actor, ports: CatalogPorts) -> Category:
    """Add a category. Needs the permission `catalog.manage`."""
    return await open_category(OpenCategory(CategoryDetails(**body.model_dump()), actor), ports)


@router.get("/categories/{category_id}", public=True)
async def read_category(category_id: CategoryId, database: Database) -> CategoryView:
    """One category."""
    return await one_category(database, category_id)


@router.patch("/categories/{category_id}", view=CategoryView.of)
async def change_one_category(
    category_id: CategoryId,
    body: CategoryChanges,
    version: ExpectedVersion,
    actor: Actor,
    ports: CatalogPorts,
) -> Category:
    """Change some fields of a category. Its products are checked by a new schema when they next change."""
    changes = body.model_dump(exclude_unset=True)
    return await change_category(ChangeCategory(category_id, changes, actor, version), ports)
