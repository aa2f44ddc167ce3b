"""The use cases of orders: each command stands right above the function that carries it out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bailiwick.catalog.contract import Line, Offer
from bailiwick.kernel.application import Actor, Contention
from bailiwick.kernel.domain import Invalid
from bailiwick.kernel.money import Money
from bailiwick.orders.application.ports import OrdersPorts
from bailiwick.orders.application.processes import REFUND, Placement, Repayment, placement
from bailiwick.orders.contract import OrdersPermission, OrderStatus
from bailiwick.orders.domain.bill import Bill, NothingWanted, added_up, at_the_prices_of_now
from bailiwick.orders.domain.cart import Address, checked
from bailiwick.orders.domain.coupon import Coupon, RedemptionId, code_of
from bailiwick.orders.domain.order import BY_CUSTOMER, BY_SHOP, Order, OrderId, Reason
from bailiwick.orders.domain.refund import Refund, RefundId


class AddressNeeded(Invalid):
    """An order says where the goods shall go: neither the cart nor the request does."""


@dataclass(frozen=True)
class PlaceOrder:
    """Order these lines, or what is in the cart where there are none; the cart is empty then.

    What else is None is taken from the cart, too, together with its lines.
    """

    lines: Sequence[Line] | None
    currency: str | None
    coupon: str | None
    address: Address | None
    pay_now: bool
    by: Actor


async def place_order(command: PlaceOrder, ports: OrdersPorts) -> Order:
    """Raises NotSold, AddressNeeded, NothingWanted, and what a coupon is refused for."""
    command.by.require(OrdersPermission.PLACE)
    wish = await _wish(command, ports)
    offers = await ports.catalog().offers([line.sku for line in wish.lines], wish.currency)
    now = ports.clock()
    async with ports.uow() as uow:
        if wish.cart_version is not None:
            cart = await uow.carts.of(command.by.id)
            if cart is None or cart.version != wish.cart_version:
                raise Contention("the cart has just been changed")
            cart.empty(now)
        coupon = None if wish.coupon is None else await uow.coupons.by_code(wish.coupon)
        order = _order(command, wish, offers, coupon, ports)
        if coupon is not None:
            uow.redemptions.add(coupon.redeem(RedemptionId(ports.new_id()), order.id, command.by.id, now))
        uow.orders.add(order)
        uow.start(placement(ports.payment_time), Placement.of(order, ports.payment_time), key=str(order.id))
        return await uow.commit(order)


@dataclass(frozen=True)
class _Wish:
    """What the customer wants, wherever it is written."""

    lines: tuple[Line, ...]
    currency: str
    coupon: str | None
    address: Address
    cart_version: int | None


async def _wish(command: PlaceOrder, ports: OrdersPorts) -> _Wish:
    lines, version = command.lines, None
    currency, coupon, address = command.currency, command.coupon, command.address
    if lines is None:
        async with ports.uow() as uow:
            cart = await uow.carts.of(command.by.id)
        if cart is None:
            raise NothingWanted("there is nothing in the cart", field="lines")
        lines, version = cart.lines, cart.version
        currency, coupon, address = currency or cart.currency, coupon or cart.coupon, address or cart.address
    if address is None:
        raise AddressNeeded("say where the goods shall go", field="shipping_address")
    if not lines:
        raise NothingWanted("there is nothing to order", field="lines")
    code = None if coupon is None else code_of(coupon)
    return _Wish(checked(lines), Money(0, currency or ports.currency).currency, code, address, version)


def _order(
    command: PlaceOrder, wish: _Wish, offers: Mapping[str, Offer], coupon: Coupon | None, ports: OrdersPorts
) -> Order:
    now = ports.clock()
    order = Order.place(
        OrderId(ports.new_id()),
        ports.new_number(),
        command.by.id,
        _bill(wish, offers, coupon, ports, now),
        wish.address,
        coupon,
        now + ports.payment_time,
        now,
    )
    if command.pay_now:
        order.ask_for_payment(now)
    return order


def _bill(
    wish: _Wish, offers: Mapping[str, Offer], coupon: Coupon | None, ports: OrdersPorts, now: datetime
) -> Bill:
    goods = at_the_prices_of_now(wish.lines, offers, wish.currency)
    subtotal = added_up([line.goods for line in goods], wish.currency)
    discount = Money(0, wish.currency) if coupon is None else coupon.discount_on(subtotal, now)
    shipping = ports.rules.shipping(subtotal - discount, wish.address)
    tax = ports.rules.tax(subtotal - discount + shipping, wish.address)
    return Bill.of(goods, discount, shipping, tax)


@dataclass(frozen=True)
class PayOrder:
    """Pay from the customer's wallet. It happens soon after; asking again changes nothing."""

    order_id: OrderId
    by: Actor


async def pay_order(command: PayOrder, ports: OrdersPorts) -> Order:
    """Raises IllegalOrderMove, PaymentOverdue."""
    command.by.require(OrdersPermission.PLACE)
    async with ports.uow() as uow:
        order = await uow.orders.of(command.by.id, command.order_id)
        order.ask_for_payment(ports.clock())
        return await uow.commit(order)


@dataclass(frozen=True)
class CancelOrder:
    """What was paid, and the goods, go back. `message` tells the customer more."""

    order_id: OrderId
    by: Actor
    message: str | None = None


async def cancel_order(command: CancelOrder, ports: OrdersPorts) -> Order:
    """Raises IllegalOrderMove for an order that is on its way, or cancelled already."""
    if not command.by.may(OrdersPermission.MANAGE):
        command.by.require(OrdersPermission.PLACE)
    now = ports.clock()
    async with ports.uow() as uow:
        order = await uow.orders.shown_to(command.by, command.order_id)
        refund = order.cancel(_reason(command, order), RefundId(ports.new_id()), now)
        if refund is not None:
            uow.start(REFUND, Repayment.of(order, refund), key=str(refund.id))
        elif (redemption := await uow.redemptions.of(order.id)) is not None:
            (await uow.coupons.get(redemption.coupon_id)).take_back(redemption, now)
        return await uow.commit(order)


def _reason(command: CancelOrder, order: Order) -> Reason:
    reason = BY_CUSTOMER if order.customer_id == command.by.id else BY_SHOP
    return Reason(reason.code, command.message or reason.message)


@dataclass(frozen=True)
class FulfilOrder:
    """The goods are on their way."""

    order_id: OrderId
    by: Actor


async def fulfil_order(command: FulfilOrder, ports: OrdersPorts) -> Order:
    """Raises IllegalOrderMove."""
    command.by.require(OrdersPermission.MANAGE)
    async with ports.uow() as uow:
        order = await uow.orders.get(command.order_id)
        order.fulfil(ports.clock())
        return await uow.commit(order)


@dataclass(frozen=True)
class DeliverOrder:
    """The customer has the goods."""

    order_id: OrderId
    by: Actor


async def deliver_order(command: DeliverOrder, ports: OrdersPorts) -> Order:
    """Raises IllegalOrderMove."""
    command.by.require(OrdersPermission.MANAGE)
    async with ports.uow() as uow:
        order = await uow.orders.get(command.order_id)
        order.deliver(ports.clock())
        return await uow.commit(order)


@dataclass(frozen=True)
class MoveOrder:
    """What the shop says of an order: it is fulfilled, delivered or cancelled."""

    order_id: OrderId
    status: OrderStatus
    by: Actor
    message: str | None = None


async def move_order(command: MoveOrder, ports: OrdersPorts) -> Order:
    """Raises IllegalOrderMove, which names the legal moves."""
    command.by.require(OrdersPermission.MANAGE)
    if command.status is OrderStatus.CANCELLED:
        return await cancel_order(CancelOrder(command.order_id, command.by, command.message), ports)
    if command.status is OrderStatus.FULFILLED:
        return await fulfil_order(FulfilOrder(command.order_id, command.by), ports)
    return await deliver_order(DeliverOrder(command.order_id, command.by), ports)


@dataclass(frozen=True)
class RefundOrder:
    """Give an amount back, or what so many pieces have cost; those may go back into stock."""

    order_id: OrderId
    amount: Money | None
    pieces: Sequence[Line]
    goods_back: bool
    by: Actor


async def refund_order(command: RefundOrder, ports: OrdersPorts) -> Refund:
    """Raises NotPaid, MoreThanOrdered, RefundTooHigh, RefundUnclear."""
    command.by.require(OrdersPermission.MANAGE)
    async with ports.uow() as uow:
        order = await uow.orders.get(command.order_id)
        refund = order.refund(
            RefundId(ports.new_id()), command.amount, command.pieces, command.goods_back, ports.clock()
        )
        uow.start(REFUND, Repayment.of(order, refund), key=str(refund.id))
        return await uow.commit(refund)
