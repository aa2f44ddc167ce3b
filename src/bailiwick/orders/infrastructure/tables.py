"""The tables of orders."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table

from bailiwick.kernel.database.columns import Id, Json, UtcDateTime, context_metadata

metadata = context_metadata()

ADDRESS = {"recipient": 100, "street": 200, "city": 100, "region": 100, "postcode": 20, "country": 2}

carts = Table(
    "orders_cart",
    metadata,
    Column("id", Id, primary_key=True),
    Column("customer_id", Id, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("lines", Json, nullable=False),
    Column("coupon", String(40)),
    *(Column(f"address_{part}", String(length)) for part, length in ADDRESS.items()),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False),
)
one_cart_each = Index("uq_orders_cart_customer_id", carts.c.customer_id, unique=True)

orders = Table(
    "orders_order",
    metadata,
    Column("id", Id, primary_key=True),
    Column("number", String(9), nullable=False),
    Column("customer_id", Id, nullable=False),
    Column("status", String(16), nullable=False),
    Column("lines", Json, nullable=False),
    Column("bill_shipping_amount", BigInteger, nullable=False),
    Column("bill_shipping_currency", String(3), nullable=False),
    Column("bill_shipping_tax_amount", BigInteger, nullable=False),
    Column("bill_shipping_tax_currency", String(3), nullable=False),
    *(Column(f"address_{part}", String(length), nullable=False) for part, length in ADDRESS.items()),
    Column("coupon_id", Id),
    Column("coupon", String(40)),
    Column("placed_at", UtcDateTime, nullable=False),
    Column("pay_by", UtcDateTime, nullable=False),
    Column("payment_requested_at", UtcDateTime),
    Column("payment", Id),  # payments' key: no foreign key crosses a context
    Column("reservation", Id),  # catalog's
    Column("refunds", Json, nullable=False),
    Column("history", Json, nullable=False),
    Column("version", Integer, nullable=False),
)
one_number_each = Index("uq_orders_order_number", orders.c.number, unique=True)
Index("ix_orders_order_customer", orders.c.customer_id, orders.c.placed_at, orders.c.id)
Index("ix_orders_order_placed", orders.c.placed_at, orders.c.id)
Index("ix_orders_order_status", orders.c.status, orders.c.placed_at, orders.c.id)

coupons = Table(
    "orders_coupon",
    metadata,
    Column("id", Id, primary_key=True),
    Column("code", String(40), nullable=False),
    Column("percent", Integer),
    Column("terms_off_amount", BigInteger),
    Column("terms_off_currency", String(3)),
    Column("terms_minimum_amount", BigInteger),
    Column("terms_minimum_currency", String(3)),
    Column("most_uses", BigInteger),
    Column("once_per_customer", Boolean, nullable=False),
    Column("valid_from", UtcDateTime),
    Column("valid_until", UtcDateTime),
    Column("active", Boolean, nullable=False),
    Column("used", BigInteger, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False),
)
one_code_each = Index("uq_orders_coupon_code", coupons.c.code, unique=True)
Index("ix_orders_coupon_created", coupons.c.created_at, coupons.c.id)

redemptions = Table(
    "orders_redemption",
    metadata,
    Column("id", Id, primary_key=True),
    Column("coupon_id", Id, nullable=False),
    Column("order_id", Id, nullable=False),
    Column("customer_id", Id, nullable=False),
    Column("once_for", Id),
    Column("redeemed_at", UtcDateTime, nullable=False),
    Column("given_back_at", UtcDateTime),
    Column("version", Integer, nullable=False),
)
# NULL is never equal to NULL: uses that may be repeated do not get into each other's way.
once_each = Index("uq_orders_redemption_once", redemptions.c.coupon_id, redemptions.c.once_for, unique=True)
Index("uq_orders_redemption_order_id", redemptions.c.order_id, unique=True)
