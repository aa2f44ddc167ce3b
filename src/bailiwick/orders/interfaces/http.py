"""The routes of carts, orders, refunds and coupons."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bailiwick.catalog.contract import MOST_LINES, Line
from bailiwick.kernel.application import Actor, Page
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.listing import ListRequest
from bailiwick.kernel.http.examples import money
from bailiwick.kernel.http.money import Currency, MoneyBody
from bailiwick.kernel.http.requests import ExpectedVersion
from bailiwick.kernel.http.routing import Router
from bailiwick.kernel.times import Instant
from bailiwick.orders.application.carts import EmptyCart, FillCart, empty_cart, fill_cart
from bailiwick.orders.application.coupons import ChangeCoupon, IssueCoupon, change_coupon, issue_coupon
from bailiwick.orders.application.orders import (
    CancelOrder,
    MoveOrder,
    PayOrder,
    PlaceOrder,
    RefundOrder,
    cancel_order,
    move_order,
    pay_order,
    place_order,
    refund_order,
)
from bailiwick.orders.application.ports import OrdersPorts
from bailiwick.orders.contract import OrderStatus
from bailiwick.orders.domain.cart import LONGEST, LONGEST_SKU, MOST_PIECES, Address, Cart
from bailiwick.orders.domain.coupon import MOST_USES, Coupon, CouponId, Terms
from bailiwick.orders.domain.order import Order, OrderId
from bailiwick.orders.domain.refund import Refund
from bailiwick.orders.infrastructure.queries import (
    COUPONS_LIST,
    EVERY_ORDER,
    CartView,
    CouponView,
    OrderView,
    RefundView,
    all_coupons,
    cart_of,
    one_coupon,
    one_order,
    orders_shown_to,
    refunds_of,
)

cart = Router("orders", prefix="/api/v1/cart")
orders = Router(
    "orders",
    prefix="/api/v1/orders",
    examples={
        "recipient": "Ada Lovelace",
        "street": "12 Independence Avenue",
        "city": "Windhoek",
        "region": "Khomas",
        "postcode": "10005",
        "country": "NA",
        "sku": "MUG-BLUE",
        "quantity": 2,
        "title": "Enamel mug, blue",
        "number": "7K2M-X9QF",
        "status": "placed",
        "StatusBody.status": "fulfilled",
        "message": None,
        "status_reason": None,
        "status_message": None,
        "next_statuses": ["paid", "cancelled"],
        "price": money(8900),
        "subtotal": money(17_800),
        "discount": money(1780),
        "shipping": money(5000),
        "tax": money(2403),
        "total": money(23_423),
        "OrderLineView.total": money(18_423),
        "refunded": money(0),
        "coupon": "SPRING-31",
        "OrderBody.coupon": None,
        "code": "SPRING-31",
        "percent": 10,
        "off": None,
        "minimum": money(10_000),
        "most_uses": 100,
        "valid_from": "2031-01-01T00:00:00Z",
        "valid_until": "2031-04-01T00:00:00Z",
        "active": True,
        "used": 7,
        "pay_by": "2031-01-15T10:00:00Z",
        "payment_requested_at": None,
        "RefundBody.amount": None,
        "goods_back": True,
        "reason": None,
    },
)
coupons = Router("orders", prefix="/api/v1/coupons")
routers = (cart, orders, coupons)


def _text(part: str, at_least: int = 1) -> Any:
    return StringConstraints(
        min_length=at_least, max_length=LONGEST[part], pattern=r"\S" if at_least else None
    )


CouponCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{2,39}$")]
Message = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"\S")]
Uses = Annotated[int, Field(ge=0, le=MOST_USES)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LineBody(_Body):
    """So many pieces of one SKU."""

    sku: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_SKU)]
    quantity: int = Field(ge=1, le=MOST_PIECES)


class AddressBody(_Body):
    """Where goods go. `country` is its ISO 3166 code, such as `NA`."""

    recipient: Annotated[str, _text("recipient")]
    street: Annotated[str, _text("street")]
    city: Annotated[str, _text("city")]
    region: Annotated[str, _text("region", 0)] = ""
    postcode: Annotated[str, _text("postcode", 0)] = ""
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]


Lines = Annotated[list[LineBody], Field(max_length=MOST_LINES)]


def _lines(body: list[LineBody]) -> list[Line]:
    return [Line(line.sku, line.quantity) for line in body]


def _address(body: AddressBody | None) -> Address | None:
    return None if body is None else Address(**body.model_dump())


class CartBody(_Body):
    """A whole cart: what is left out is not in it."""

    lines: Lines = Field(default_factory=list)
    currency: Currency | None = None
    coupon: CouponCode | None = None
    shipping_address: AddressBody | None = None

    def command(self, by: Actor, version: int | None) -> FillCart:
        address = _address(self.shipping_address)
        return FillCart(_lines(self.lines), self.currency, self.coupon, address, by, version)


class OrderBody(_Body):
    """What to order, and where to. Without `lines`, what is in the cart; then what else is left out, too."""

    lines: Lines | None = None
    currency: Currency | None = None
    coupon: CouponCode | None = None
    shipping_address: AddressBody | None = None
    pay: Literal["now", "later"] = "later"

    def command(self, by: Actor) -> PlaceOrder:
        lines = None if self.lines is None else _lines(self.lines)
        address = _address(self.shipping_address)
        return PlaceOrder(lines, self.currency, self.coupon, address, self.pay == "now", by)


class ShopStatus(StrEnum):
    """What the shop may say of an order. The other statuses follow from payments and refunds."""

    FULFILLED = "fulfilled"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


class StatusBody(_Body):
    """`message` tells the customer why an order is cancelled."""

    status: ShopStatus
    message: Message | None = None


class RefundBody(_Body):
    """An amount, or the lines that are refunded at what they have cost; with both, the amount counts."""

    amount: MoneyBody | None = None
    lines: Lines = Field(default_factory=list)
    goods_back: bool = False

    def command(self, id: OrderId, by: Actor) -> RefundOrder:
        amount = None if self.amount is None else self.amount.money()
        return RefundOrder(id, amount, _lines(self.lines), self.goods_back, by)


class CouponBody(_Body):
    """Either `percent` off the goods or an amount `off`."""

    code: CouponCode
    percent: int | None = Field(default=None, ge=1, le=100)
    off: MoneyBody | None = None
    minimum: MoneyBody | None = None
    most_uses: Uses | None = None
    once_per_customer: bool = True
    valid_from: Instant | None = None
    valid_until: Instant | None = None

    def terms(self) -> Terms:
        return Terms(
            percent=self.percent,
            off=None if self.off is None else self.off.money(),
            minimum=None if self.minimum is None else self.minimum.money(),
            most_uses=self.most_uses,
            once_per_customer=self.once_per_customer,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
        )


class CouponChanges(_Body):
    """Some terms of a coupon: what is left out stays (RFC 7396). What it takes off never changes."""

    most_uses: Uses | None = None
    valid_from: Instant | None = None
    valid_until: Instant | None = None
    active: bool = Field(default_factory=lambda: True)

    def changes(self) -> dict[str, object]:
        return self.model_dump(exclude_unset=True)


@cart.get()
async def read_cart(actor: Actor, database: Database, ports: OrdersPorts) -> CartView:
    """The caller's cart."""
    return await cart_of(database, actor, ports.currency)


@cart.put(view=CartView.of)
async def put_cart(body: CartBody, version: ExpectedVersion, actor: Actor, ports: OrdersPorts) -> Cart:
    """Have exactly this in the cart."""
    return await fill_cart(body.command(actor, version), ports)


@cart.delete()
async def delete_cart(actor: Actor, ports: OrdersPorts) -> None:
    """Take everything out of the cart. The address stays."""
    await empty_cart(EmptyCart(actor), ports)


@orders.get(listing=EVERY_ORDER)
async def list_orders(asked: ListRequest, actor: Actor, database: Database) -> Page[OrderView]:
    """The caller's orders; all orders for who manages them."""
    return await orders_shown_to(database, actor, asked)


@orders.post(status=201, view=OrderView.of, location="/api/v1/orders/{id}", idempotent="required")
async def place(body: OrderBody, actor: Actor, ports: OrdersPorts) -> Order:
    """Order at the prices of now. The goods are set aside, and cancelled if the order is not paid in time."""
    return await place_order(body.command(actor), ports)


@orders.get("/{order_id}")
async def read_order(order_id: OrderId, actor: Actor, database: Database) -> OrderView:
    """One order."""
    return await one_order(database, order_id, actor)


@orders.post("/{order_id}/payment", view=OrderView.of, idempotent="required")
async def pay(order_id: OrderId, actor: Actor, ports: OrdersPorts) -> Order:
    """Pay from the wallet in the order's currency. The order is paid, or cancelled, soon after."""
    return await pay_order(PayOrder(order_id, actor), ports)


@orders.post("/{order_id}/cancel", view=OrderView.of, idempotent="required")
async def cancel(order_id: OrderId, actor: Actor, ports: OrdersPorts) -> Order:
    """Cancel an order that is not on its way yet. What was paid goes back."""
    return await cancel_order(CancelOrder(order_id, actor), ports)


@orders.put("/{order_id}/status", view=OrderView.of)
async def put_status(order_id: OrderId, body: StatusBody, actor: Actor, ports: OrdersPorts) -> Order:
    """Fulfil, deliver or cancel an order. Where it cannot go there, `allowed` says where it can."""
    command = MoveOrder(order_id, OrderStatus(body.status), actor, body.message)
    return await move_order(command, ports)


@orders.get("/{order_id}/refunds")
async def list_refunds(order_id: OrderId, actor: Actor, database: Database) -> list[RefundView]:
    """The refunds of one order, the oldest first."""
    return await refunds_of(database, order_id, actor)


@orders.post("/{order_id}/refunds", status=201, view=RefundView.of, idempotent="required")
async def refund(order_id: OrderId, body: RefundBody, actor: Actor, ports: OrdersPorts) -> Refund:
    """Give money back, with or without the goods. It happens soon after."""
    return await refund_order(body.command(order_id, actor), ports)


@coupons.get(listing=COUPONS_LIST)
async def list_coupons(asked: ListRequest, actor: Actor, database: Database) -> Page[CouponView]:
    """All coupons."""
    return await all_coupons(database, actor, asked)


@coupons.post(status=201, view=CouponView.of, location="/api/v1/coupons/{id}", idempotent="required")
async def issue(body: CouponBody, actor: Actor, ports: OrdersPorts) -> Coupon:
    """Make a coupon."""
    return await issue_coupon(IssueCoupon(body.code, body.terms(), actor), ports)


@coupons.get("/{coupon_id}")
async def read_coupon(coupon_id: CouponId, actor: Actor, database: Database) -> CouponView:
    """One coupon."""
    return await one_coupon(database, coupon_id, actor)


@coupons.patch("/{coupon_id}", view=CouponView.of)
async def patch_coupon(
    coupon_id: CouponId, body: CouponChanges, version: ExpectedVersion, actor: Actor, ports: OrdersPorts
) -> Coupon:
    """Change when and how often a coupon can be used. Orders that have used it keep their discount."""
    return await change_coupon(ChangeCoupon(coupon_id, body.changes(), actor, version), ports)
