"""What customers and the shop see of carts, orders and coupons."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select

from bailiwick.catalog.contract import Line
from bailiwick.kernel.application import Actor, Page
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.listing import Filter, Listing, ListRequest
from bailiwick.kernel.domain import NotFound
from bailiwick.kernel.http.money import MoneyView
from bailiwick.kernel.money import Money
from bailiwick.kernel.specification import Relation
from bailiwick.orders.contract import OrdersPermission, OrderStatus
from bailiwick.orders.domain.bill import OrderLine
from bailiwick.orders.domain.cart import Address, Cart
from bailiwick.orders.domain.coupon import Coupon, CouponId, Terms
from bailiwick.orders.domain.order import MOVES, Moved, Order, OrderId
from bailiwick.orders.domain.refund import Refund, RefundStatus
from bailiwick.orders.infrastructure.tables import carts, coupons, orders
from bailiwick.orders.infrastructure.unit_of_work import CARTS, COUPONS, ORDERS


@dataclass
class CartView:
    """What is in the cart. What it costs, and whether it is there, is seen when it is ordered."""

    currency: str
    lines: list[Line]
    coupon: str | None
    shipping_address: Address | None
    updated_at: datetime | None
    version: int

    @classmethod
    def of(cls, cart: Cart) -> "CartView":
        return cls(cart.currency, [*cart.lines], cart.coupon, cart.address, cart.updated_at, cart.version)


@dataclass
class OrderLineView:
    """Some pieces of one thing. `price` is for one; `total` for all, with discount and tax."""

    sku: str
    product_id: UUID
    title: str
    quantity: int
    price: MoneyView
    discount: MoneyView
    tax: MoneyView
    total: MoneyView

    @classmethod
    def of(cls, line: OrderLine) -> "OrderLineView":
        money = map(MoneyView.of, (line.price, line.discount, line.tax, line.total))
        return cls(line.sku, line.product_id, line.title, line.quantity, *money)


@dataclass
class MovedView:
    """When an order came into a status."""

    status: OrderStatus
    at: datetime

    @classmethod
    def of(cls, moved: Moved) -> "MovedView":
        return cls(moved.status, moved.at)


@dataclass
class OrderView:
    """An order as its customer and the shop see it. `status_reason` is a code, `status_message` says it to
    people; `next_statuses` are those that it can go to."""

    id: UUID
    number: str
    customer_id: UUID
    status: OrderStatus
    status_reason: str | None
    status_message: str | None
    next_statuses: list[OrderStatus]
    lines: list[OrderLineView]
    subtotal: MoneyView
    discount: MoneyView
    shipping: MoneyView
    tax: MoneyView
    total: MoneyView
    refunded: MoneyView
    coupon: str | None
    shipping_address: Address
    placed_at: datetime
    pay_by: datetime
    payment_requested_at: datetime | None
    history: list[MovedView]
    version: int

    @classmethod
    def of(cls, order: Order) -> "OrderView":
        bill, reason = order.bill, order.reason
        return cls(
            id=order.id,
            number=order.number,
            customer_id=order.customer_id,
            status=order.status,
            status_reason=reason.code if reason else None,
            status_message=reason.message if reason else None,
            next_statuses=[*MOVES[order.status]],
            lines=[*map(OrderLineView.of, bill.lines)],
            subtotal=MoneyView.of(bill.subtotal),
            discount=MoneyView.of(bill.discount),
            shipping=MoneyView.of(bill.shipping),
            tax=MoneyView.of(bill.tax),
            total=MoneyView.of(bill.total),
            refunded=MoneyView.of(order.account.paid_back),
            coupon=order.coupon,
            shipping_address=order.address,
            placed_at=order.placed_at,
            pay_by=order.pay_by,
            payment_requested_at=order.payment_requested_at,
            history=[*map(MovedView.of, order.history)],
            version=order.version,
        )


@dataclass
class RefundView:
    """A refund. `reason` is the code of the refusal; `goods_returned`: the goods are in stock again."""

    id: UUID
    status: RefundStatus
    amount: MoneyView
    lines: list[Line]
    goods_back: bool
    goods_returned: bool
    reason: str | None
    requested_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, refund: Refund) -> "RefundView":
        return cls(
            id=refund.id,
            status=refund.status,
            amount=MoneyView.of(refund.amount),
            lines=[*refund.pieces],
            goods_back=refund.goods_back,
            goods_returned=refund.goods_returned,
            reason=refund.reason,
            requested_at=refund.requested_at,
            ended_at=refund.ended_at,
        )


@dataclass
class CouponView:
    """A coupon: `percent` off the goods, or the amount `off`, on these conditions. `used` counts its uses."""

    id: UUID
    code: str
    percent: int | None
    off: MoneyView | None
    minimum: MoneyView | None
    most_uses: int | None
    once_per_customer: bool
    valid_from: datetime | None
    valid_until: datetime | None
    active: bool
    used: int
    created_at: datetime
    version: int

    @classmethod
    def of(cls, coupon: Coupon) -> "CouponView":
        terms = {field.name: _shown(getattr(coupon.terms, field.name)) for field in fields(Terms)}
        return cls(
            id=coupon.id,
            code=coupon.code,
            used=coupon.used,
            created_at=coupon.created_at,
            version=coupon.version,
            **terms,
        )


def _shown(value: Any) -> Any:
    return MoneyView.of(value) if isinstance(value, Money) else value


def _order_view(*row: Any) -> OrderView:
    return OrderView.of(ORDERS.load(row))


def _coupon_view(*row: Any) -> CouponView:
    return CouponView.of(COUPONS.load(row))


_CART = select(carts).where(carts.c.customer_id == bindparam("customer"))
_COUPON = select(coupons).where(coupons.c.id == bindparam("id"))
_ALL = select(orders)
_OWN = _ALL.where(orders.c.customer_id == bindparam("customer"))
_ONE, _OWN_ONE = (rows.where(orders.c.id == bindparam("id")) for rows in (_ALL, _OWN))


def _listing(rows: Any) -> Listing[OrderView]:
    return Listing(
        OrderView,
        rows,
        key=orders.c.id,
        sorts={"placed_at": orders.c.placed_at, "number": orders.c.number, "status": orders.c.status},
        default_sort="-placed_at",
        filters={
            "status": Filter(orders.c.status, OrderStatus),
            "customer": Filter(orders.c.customer_id, UUID),
            "number": Filter(orders.c.number, str),
            "placed_before": Filter(orders.c.placed_at, datetime, Relation.BEFORE),
            "placed_after": Filter(orders.c.placed_at, datetime, Relation.AFTER),
        },
        make=_order_view,
    )


EVERY_ORDER, OWN_ORDERS = _listing(_ALL), _listing(_OWN)

COUPONS_LIST = Listing(
    CouponView,
    select(coupons),
    key=coupons.c.id,
    sorts={"created_at": coupons.c.created_at, "code": coupons.c.code},
    default_sort="-created_at",
    filters={"active": Filter(coupons.c.active, bool), "code": Filter(coupons.c.code, str)},
    make=_coupon_view,
)


async def cart_of(database: Database, actor: Actor, currency: str) -> CartView:
    actor.require(OrdersPermission.PLACE)
    row = await database.first(_CART, customer=actor.id)
    return CartView(currency, [], None, None, None, 0) if row is None else CartView.of(CARTS.load(row))


async def orders_shown_to(database: Database, actor: Actor, asked: ListRequest) -> Page[OrderView]:
    """Their own; all of them for who manages orders."""
    if actor.may(OrdersPermission.MANAGE):
        return await EVERY_ORDER.page(database, asked)
    actor.require(OrdersPermission.PLACE)
    return await OWN_ORDERS.page(database, asked, customer=actor.id)


async def one_order(database: Database, id: OrderId, actor: Actor) -> OrderView:
    """Raises NotFound, also for somebody else's."""
    return OrderView.of(await _order(database, id, actor))


async def refunds_of(database: Database, id: OrderId, actor: Actor) -> list[RefundView]:
    """The oldest first. Raises NotFound."""
    return [RefundView.of(refund) for refund in (await _order(database, id, actor)).refunds]


async def _order(database: Database, id: OrderId, actor: Actor) -> Order:
    if actor.may(OrdersPermission.MANAGE):
        row = await database.first(_ONE, id=id)
    else:
        actor.require(OrdersPermission.PLACE)
        row = await database.first(_OWN_ONE, id=id, customer=actor.id)
    if row is None:
        raise NotFound("no such order")
    return ORDERS.load(row)


async def all_coupons(database: Database, actor: Actor, asked: ListRequest) -> Page[CouponView]:
    actor.require(OrdersPermission.MANAGE)
    return await COUPONS_LIST.page(database, asked)


async def one_coupon(database: Database, id: CouponId, actor: Actor) -> CouponView:
    actor.require(OrdersPermission.MANAGE)
    row = await database.first(_COUPON, id=id)
    if row is None:
        raise NotFound("no such coupon")
    return _coupon_view(*row)
