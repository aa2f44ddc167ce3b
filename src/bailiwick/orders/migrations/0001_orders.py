"""Carts, orders, coupons."""

import sqlalchemy as sa
from alembic import op

from bailiwick.kernel.database.columns import Id, Json, UtcDateTime

revision = "orders_0001"
down_revision = None

ADDRESS = {"recipient": 100, "street": 200, "city": 100, "region": 100, "postcode": 20, "country": 2}


def upgrade() -> None:
    op.create_table(
        "orders_cart",
        sa.Column("id", Id, primary_key=True),
        sa.Column("customer_id", Id, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("lines", Json, nullable=False),
        sa.Column("coupon", sa.String(40)),
        *(sa.Column(f"address_{part}", sa.String(length)) for part, length in ADDRESS.items()),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("uq_orders_cart_customer_id", "orders_cart", ["customer_id"], unique=True)
    op.create_table(
        "orders_order",
        sa.Column("id", Id, primary_key=True),
        sa.Column("number", sa.String(9), nullable=False),
        sa.Column("customer_id", Id, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("lines", Json, nullable=False),
        sa.Column("bill_shipping_amount", sa.BigInteger, nullable=False),
        sa.Column("bill_shipping_currency", sa.String(3), nullable=False),
        sa.Column("bill_shipping_tax_amount", sa.BigInteger, nullable=False),
        sa.Column("bill_shipping_tax_currency", sa.String(3), nullable=False),
        *(sa.Column(f"address_{part}", sa.String(size), nullable=False) for part, size in ADDRESS.items()),
        sa.Column("coupon_id", Id),
        sa.Column("coupon", sa.String(40)),
        sa.Column("placed_at", UtcDateTime, nullable=False),
        sa.Column("pay_by", UtcDateTime, nullable=False),
        sa.Column("payment_requested_at", UtcDateTime),
        sa.Column("payment", Id),
        sa.Column("reservation", Id),
        sa.Column("refunds", Json, nullable=False),
        sa.Column("history", Json, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("uq_orders_order_number", "orders_order", ["number"], unique=True)
    op.create_index("ix_orders_order_customer", "orders_order", ["customer_id", "placed_at", "id"])
    op.create_index("ix_orders_order_placed", "orders_order", ["placed_at", "id"])
    op.create_index("ix_orders_order_status", "orders_order", ["status", "placed_at", "id"])
    op.create_table(
        "orders_coupon",
        sa.Column("id", Id, primary_key=True),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("percent", sa.Integer),
        sa.Column("terms_off_amount", sa.BigInteger),
        sa.Column("terms_off_currency", sa.String(3)),
        sa.Column("terms_minimum_amount", sa.BigInteger),
        sa.Column("terms_minimum_currency", sa.String(3)),
        sa.Column("most_uses", sa.BigInteger),
        sa.Column("once_per_customer", sa.Boolean, nullable=False),
        sa.Column("valid_from", UtcDateTime),
        sa.Column("valid_until", UtcDateTime),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("used", sa.BigInteger, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("uq_orders_coupon_code", "orders_coupon", ["code"], unique=True)
    op.create_index("ix_orders_coupon_created", "orders_coupon", ["created_at", "id"])
    op.create_table(
        "orders_redemption",
        sa.Column("id", Id, primary_key=True),
        sa.Column("coupon_id", Id, nullable=False),
        sa.Column("order_id", Id, nullable=False),
        sa.Column("customer_id", Id, nullable=False),
        sa.Column("once_for", Id),
        sa.Column("redeemed_at", UtcDateTime, nullable=False),
        sa.Column("given_back_at", UtcDateTime),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("uq_orders_redemption_once", "orders_redemption", ["coupon_id", "once_for"], unique=True)
    op.create_index("uq_orders_redemption_order_id", "orders_redemption", ["order_id"], unique=True)


def downgrade() -> None:
    for name in ("redemption", "coupon", "order", "cart"):
        op.drop_table(f"orders_{name}")
