"""The tables of categories and products, of stock, what moves it, and what is reserved."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement

from bailiwick.kernel.database.columns import Id, Json, UtcDateTime, context_metadata

metadata = context_metadata()


class _Document(FunctionElement[str]):
    """All the words that a product is found by. They are no language's: names and SKUs are in any."""

    inherit_cache = True


@compiles(_Document)
def _vector(element: _Document, compiler: SQLCompiler, **options: Any) -> str:
    return "to_tsvector('simple'::regconfig, (((name || ' '::text) || description) || ' '::text) || keywords)"


@compiles(_Document, "sqlite")
def _text(element: _Document, compiler: SQLCompiler, **options: Any) -> str:
    return "name || ' ' || description || ' ' || keywords"


categories = Table(
    "catalog_category",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("slug", String(100), nullable=False),
    Column("parent_id", Id, ForeignKey("catalog_category.id")),
    Column("attribute_schema", Json),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("arrangements", Integer, nullable=False),
    Column("version", Integer, nullable=False),
)
one_for_each_slug = Index("uq_catalog_category_slug", categories.c.slug, unique=True)
Index("ix_catalog_category_parent", categories.c.parent_id)

products = Table(
    "catalog_product",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("category_id", Id, ForeignKey("catalog_category.id")),
    Column("images", Json, nullable=False),
    Column("attributes", Json, nullable=False),
    Column("status", String(16), nullable=False),
    Column("keywords", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False),
    Column("search", Text().with_variant(TSVECTOR(), "postgresql"), Computed(_Document(), persisted=True)),
)
Index("ix_catalog_product_status_created", products.c.status, products.c.created_at, products.c.id)
Index("ix_catalog_product_status_name", products.c.status, products.c.name, products.c.id)
Index("ix_catalog_product_category", products.c.category_id)
# SQLite could not use it: there it stays empty.
# On PostgreSQL products are read more than written, so that what is new is put in its place at once.
Index(
    "ix_catalog_product_search",
    products.c.search,
    postgresql_using="gin",
    postgresql_with={"fastupdate": "off"},
    sqlite_where=text("0"),
)

variants = Table(
    "catalog_variant",
    metadata,
    Column("product_id", Id, ForeignKey("catalog_product.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("sku", String(64), nullable=False),
    Column("title", String(200), nullable=False),
    Column("options", Json, nullable=False),
)
one_for_each_sku = Index("uq_catalog_variant_sku", variants.c.sku, unique=True)

prices = Table(
    "catalog_price",
    metadata,
    Column("product_id", Id, ForeignKey("catalog_product.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("sku", String(64), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("amount", BigInteger, nullable=False),
)
Index("ix_catalog_price_product", prices.c.product_id, prices.c.currency, prices.c.amount)
Index("ix_catalog_price_sku", prices.c.sku, prices.c.currency)

facets = Table(
    "catalog_facet",
    metadata,
    Column("product_id", Id, ForeignKey("catalog_product.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("label", String(151), nullable=False),
)
Index("ix_catalog_facet_label", facets.c.label, facets.c.product_id)


stocks = Table(
    "catalog_stock",
    metadata,
    Column("id", Id, primary_key=True),
    Column("sku", String(64), nullable=False),
    Column("on_hand", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    Column("recounted_at", UtcDateTime),
    Column("version", Integer, nullable=False),
    CheckConstraint("0 <= reserved AND reserved <= on_hand", name="never_oversold"),
)
one_stock_for_each_sku = Index("uq_catalog_stock_sku", stocks.c.sku, unique=True)

# Nobody changes or deletes a movement: the database refuses it.
movements = Table(
    "catalog_movement",
    metadata,
    Column("id", Id, primary_key=True),
    Column("sku", String(64), nullable=False),
    Column("move", String(16), nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("reservation_id", Id),
    Column("note", String(500), nullable=False),
    Column("moved_by", Id),
    Column("moved_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False),
)
Index("ix_catalog_movement_sku", movements.c.sku, movements.c.id)

reservations = Table(
    "catalog_reservation",
    metadata,
    Column("id", Id, primary_key=True),
    Column("status", String(16), nullable=False),
    Column("reserved_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("version", Integer, nullable=False),
)
# Few of all that ever were are open: a recount looks at these only.
_held = reservations.c.status == "held"
Index("ix_catalog_reservation_held", reservations.c.id, postgresql_where=_held, sqlite_where=_held)

reservation_lines = Table(
    "catalog_reservation_line",
    metadata,
    Column("reservation_id", Id, ForeignKey("catalog_reservation.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("sku", String(64), nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("given_back", Integer, nullable=False),
    CheckConstraint("0 <= given_back AND given_back <= quantity", name="never_more_back"),
)

returns = Table(
    "catalog_return",
    metadata,
    Column("id", Id, primary_key=True),
    Column("reservation_id", Id, nullable=False),
    Column("lines", Json, nullable=False),
    Column("returned_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False),
)
