"""Categories, products, what is searched of them; stock, its movements, and reservations."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

from bailiwick.kernel.database.columns import Id, Json, UtcDateTime

revision = "catalog_0001"
down_revision = None

DOCUMENT = {
    "postgresql": (
        "to_tsvector('simple'::regconfig, (((name || ' '::text) || description) || ' '::text) || keywords)"
    ),
    "sqlite": "name || ' ' || description || ' ' || keywords",
}


def upgrade() -> None:
    _categories()
    _products()
    _children()
    _stock()
    _movements()
    _reservations()
    for statement in GUARDS[op.get_context().dialect.name]:
        op.execute(sa.text(statement))


def _categories() -> None:
    op.create_table(
        "catalog_category",
        sa.Column("id", Id, primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("slug", sa.String(100), nullable=False),
        sa.Column("parent_id", Id, sa.ForeignKey("catalog_category.id")),
        sa.Column("attribute_schema", Json),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.Column("arrangements", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("uq_catalog_category_slug", "catalog_category", ["slug"], unique=True)
    op.create_index("ix_catalog_category_parent", "catalog_category", ["parent_id"])


def _products() -> None:
    dialect = op.get_context().dialect.name
    op.create_table(
        "catalog_product",
        sa.Column("id", Id, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("category_id", Id, sa.ForeignKey("catalog_category.id")),
        sa.Column("images", Json, nullable=False),
        sa.Column("attributes", Json, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("keywords", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column(
            "search",
            sa.Text().with_variant(TSVECTOR(), "postgresql"),
            sa.Computed(DOCUMENT[dialect], persisted=True),
        ),
    )
    op.create_index("ix_catalog_product_status_created", "catalog_product", ["status", "created_at", "id"])
    op.create_index("ix_catalog_product_status_name", "catalog_product", ["status", "name", "id"])
    op.create_index("ix_catalog_product_category", "catalog_product", ["category_id"])
    op.create_index(
        "ix_catalog_product_search",
        "catalog_product",
        ["search"],
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
        sqlite_where=sa.text("0"),
    )


def _children() -> None:
    op.create_table(
        "catalog_variant",
        sa.Column("product_id", Id, sa.ForeignKey("catalog_product.id"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sku", sa.String(64), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("options", Json, nullable=False),
    )
    op.create_index("uq_catalog_variant_sku", "catalog_variant", ["sku"], unique=True)
    op.create_table(
        "catalog_price",
        sa.Column("product_id", Id, sa.ForeignKey("catalog_product.id"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sku", sa.String(64), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_catalog_price_product", "catalog_price", ["product_id", "currency", "amount"])
    op.create_index("ix_catalog_price_sku", "catalog_price", ["sku", "currency"])
    op.create_table(
        "catalog_facet",
        sa.Column("product_id", Id, sa.ForeignKey("catalog_product.id"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("label", sa.String(151), nullable=False),
    )
    op.create_index("ix_catalog_facet_label", "catalog_facet", ["label", "product_id"])


def _stock() -> None:
    op.create_table(
        "catalog_stock",
        sa.Column("id", Id, nullable=False),
        sa.Column("sku", sa.String(64), nullable=False),
        sa.Column("on_hand", sa.BigInteger, nullable=False),
        sa.Column("reserved", sa.BigInteger, nullable=False),
        sa.Column("recounted_at", UtcDateTime),
        sa.Column("version", sa.Integer, nullable=False),
        sa.CheckConstraint("0 <= reserved AND reserved <= on_hand", name="ck_catalog_stock_never_oversold"),
        sa.PrimaryKeyConstraint("id", name="pk_catalog_stock"),
    )
    op.create_index("uq_catalog_stock_sku", "catalog_stock", ["sku"], unique=True)


def _movements() -> None:
    op.create_table(
        "catalog_movement",
        sa.Column("id", Id, nullable=False),
        sa.Column("sku", sa.String(64), nullable=False),
        sa.Column("move", sa.String(16), nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("reservation_id", Id),
        sa.Column("note", sa.String(500), nullable=False),
        sa.Column("moved_by", Id),
        sa.Column("moved_at", UtcDateTime, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_catalog_movement"),
    )
    op.create_index("ix_catalog_movement_sku", "catalog_movement", ["sku", "id"])


def _reservations() -> None:
    op.create_table(
        "catalog_reservation",
        sa.Column("id", Id, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reserved_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("ended_at", UtcDateTime),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_catalog_reservation"),
    )
    held = sa.text("status = 'held'")
    op.create_index(
        "ix_catalog_reservation_held",
        "catalog_reservation",
        ["id"],
        postgresql_where=held,
        sqlite_where=held,
    )
    op.create_table(
        "catalog_reservation_line",
        sa.Column("reservation_id", Id, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("sku", sa.String(64), nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("given_back", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("reservation_id", "position", name="pk_catalog_reservation_line"),
        sa.ForeignKeyConstraint(
            ["reservation_id"], ["catalog_reservation.id"], name="fk_catalog_reservation_line_reservation_id"
        ),
        sa.CheckConstraint(
            "0 <= given_back AND given_back <= quantity", name="ck_catalog_reservation_line_never_more_back"
        ),
    )
    op.create_table(
        "catalog_return",
        sa.Column("id", Id, nullable=False),
        sa.Column("reservation_id", Id, nullable=False),
        sa.Column("lines", Json, nullable=False),
        sa.Column("returned_at", UtcDateTime, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_catalog_return"),
    )


def _refusing(event: str, refusal: str) -> str:
    return (
        f"CREATE TRIGGER catalog_movement_no_{event.lower()} BEFORE {event} ON catalog_movement "
        f"BEGIN SELECT RAISE(ABORT, {refusal}; END"
    )


# Triggers for deletion do not fire where INSERT OR REPLACE deletes; its words are those of the index.
GUARDS = {
    "postgresql": (
        """
        CREATE FUNCTION catalog_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
        END $$
        """,
        """
        CREATE TRIGGER catalog_movement_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON catalog_movement
        FOR EACH STATEMENT EXECUTE FUNCTION catalog_refuse_change()
        """,
    ),
    "sqlite": (
        _refusing("UPDATE", "'catalog_movement is append-only')"),
        _refusing("DELETE", "'catalog_movement is append-only')"),
        _refusing(
            "INSERT",
            "'UNIQUE constraint failed: catalog_movement.id') FROM catalog_movement WHERE id = NEW.id",
        ),
    ),
}


def downgrade() -> None:
    for table in ("return", "reservation_line", "reservation", "movement", "stock"):
        op.drop_table(f"catalog_{table}")
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION catalog_refuse_change")
    for table in ("facet", "price", "variant", "product", "category"):
        op.drop_table(f"catalog_{table}")
