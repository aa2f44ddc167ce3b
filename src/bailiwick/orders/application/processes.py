"""The placing of an order, and a refund: goods and money go together, whatever happens in between."""

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from uuid import UUID, uuid5

from bailiwick.catalog.contract import Line
from bailiwick.kernel.application import Contention, TooMany
from bailiwick.kernel.domain import Conflict, DomainError
from bailiwick.kernel.money import Money
from bailiwick.kernel.processes import TIMED_OUT, Ended, On, Process, Step
from bailiwick.orders.application.ports import OrdersPorts
from bailiwick.orders.contract import OrderCancelled, OrderEvent, OrderStatus, PaymentRequested
from bailiwick.orders.domain.order import NOT_PAID_IN_TIME, Order, OrderId, Reason
from bailiwick.orders.domain.refund import Refund, RefundId

ASKED_AGAIN = (Contention, TooMany)
"""No answers, though they are said in the words of a refusal: whoever asks tries again."""

AFTER_PAYMENT = timedelta(hours=1)
"""So long everything that follows the customer's wish to pay may take, with all repetitions."""

KEPT_SECONDS = int(timedelta(hours=2).total_seconds())
"""Money is held for longer than that, and goods for longer than the whole."""

SPARE_SECONDS = int(timedelta(minutes=75).total_seconds())


class OrderWasCancelled(Conflict):
    """The order was cancelled while it was being paid."""


@dataclass(frozen=True)
class Placement:
    """What is to be had for the order, and what it goes by once it is."""

    order_id: UUID
    number: str
    customer_id: UUID
    lines: tuple[Line, ...]
    total: Money
    goods_seconds: int
    reservation: UUID | None = None
    payment: UUID | None = None

    @classmethod
    def of(cls, order: Order, payment_time: timedelta) -> "Placement":
        return cls(
            order_id=order.id,
            number=order.number,
            customer_id=order.customer_id,
            lines=tuple(Line(line.sku, line.quantity) for line in order.bill.lines),
            total=order.bill.total,
            goods_seconds=int(payment_time.total_seconds()) + SPARE_SECONDS,
        )


async def reserve_goods(state: Placement, ports: OrdersPorts, key: UUID) -> Placement:
    await ports.catalog().reserve(key, state.lines, state.goods_seconds)
    return replace(state, reservation=key)


async def put_goods_back(state: Placement, ports: OrdersPorts, key: UUID) -> None:
    """Whether they were only reserved or have left already."""
    await ports.catalog().release(key)


def order_of(event: OrderEvent) -> str:
    return str(event.order_id)


def cancelled(state: Placement, event: OrderCancelled) -> Placement:
    raise OrderWasCancelled("the order was cancelled")


async def hold_money(state: Placement, ports: OrdersPorts, key: UUID) -> Placement:
    if not state.total.amount:
        return state
    await ports.payments().hold(key, state.customer_id, state.total, _reference(state.number), KEPT_SECONDS)
    return replace(state, payment=key)


async def give_money_back(state: Placement, ports: OrdersPorts, key: UUID) -> None:
    """Whether it was only held or has been taken already."""
    if not state.total.amount:
        return
    try:
        await ports.payments().release(key)
    except ASKED_AGAIN:
        raise
    except Conflict:
        await ports.payments().refund(uuid5(key, "refund"), key, state.total, _reference(state.number))


async def take_money(state: Placement, ports: OrdersPorts, key: UUID) -> None:
    if state.payment is not None:
        await ports.payments().capture(state.payment)


async def hand_goods_over(state: Placement, ports: OrdersPorts, key: UUID) -> None:
    assert state.reservation is not None
    await ports.catalog().commit(state.reservation)


async def confirm(state: Placement, ports: OrdersPorts, key: UUID) -> Placement:
    """Refused where the customer, or the shop, has cancelled the order meanwhile."""
    assert state.reservation is not None
    async with ports.uow() as uow:
        order = await uow.orders.get(OrderId(state.order_id))
        order.pay(state.payment, state.reservation, ports.clock())
        return await uow.commit(state)


async def tell_why(ended: Ended[Placement], ports: OrdersPorts) -> None:
    """What came to nothing is cancelled, unless that is why it came to nothing."""
    if ended.completed:
        return
    async with ports.uow() as uow:
        order = await uow.orders.get(OrderId(ended.state.order_id))
        if order.status is OrderStatus.PLACED:
            order.cancel(_why(ended, order), RefundId(ports.new_id()), ports.clock())
            redemption = await uow.redemptions.of(order.id)
            if redemption is not None:
                (await uow.coupons.get(redemption.coupon_id)).take_back(redemption, ports.clock())
        await uow.commit(None)


def _why(ended: Ended[Placement], order: Order) -> Reason:
    if ended.refusal == TIMED_OUT and order.payment_requested_at is None:
        return NOT_PAID_IN_TIME
    return Reason(ended.refusal or "", ended.reason)


def _reference(number: str) -> str:
    return f"Order {number}"


@lru_cache
def placement(payment_time: timedelta) -> Process[Placement, OrdersPorts]:
    """The customer has `payment_time` to pay. What takes money or goods is taken back by the step that has
    set them aside, so those steps need no way back of their own."""
    return Process(
        "orders.placement",
        Placement,
        (
            Step("reserve_goods", reserve_goods, undo=put_goods_back),
            Step(
                "payment",
                waits_for=(
                    On(PaymentRequested, key=order_of),
                    On(OrderCancelled, key=order_of, take=cancelled),
                ),
                within=payment_time,
            ),
            Step("hold_money", hold_money, undo=give_money_back),
            Step("take_money", take_money),
            Step("hand_goods_over", hand_goods_over),
            Step("confirm", confirm, commits=True),
        ),
        within=payment_time + AFTER_PAYMENT,
        on_end=tell_why,
    )


@dataclass(frozen=True)
class Repayment:
    """What is to be given back, and what is known of it."""

    order_id: UUID
    refund_id: UUID
    number: str
    amount: Money
    pieces: tuple[Line, ...]
    payment: UUID | None
    reservation: UUID | None
    money_returned: bool = False
    goods_returned: bool = False
    refusal: str | None = None

    @classmethod
    def of(cls, order: Order, refund: Refund) -> "Repayment":
        return cls(
            order_id=order.id,
            refund_id=refund.id,
            number=order.number,
            amount=refund.amount,
            pieces=refund.pieces if refund.goods_back else (),
            payment=order.payment,
            reservation=order.reservation,
        )


async def return_money(state: Repayment, ports: OrdersPorts, key: UUID) -> Repayment:
    if state.amount.amount and state.payment is not None:
        await ports.payments().refund(key, state.payment, state.amount, _reference(state.number))
    return replace(state, money_returned=True)


async def find_out_about_money(state: Repayment, ports: OrdersPorts, key: UUID) -> Repayment:
    """Nobody takes a refund back. Whether it was made is asked until it is known, so it is not made twice."""
    try:
        return await return_money(state, ports, key)
    except ASKED_AGAIN:
        raise
    except DomainError as refusal:
        return replace(state, refusal=refusal.code)


async def return_goods(state: Repayment, ports: OrdersPorts, key: UUID) -> Repayment:
    """The customer's money is back whatever becomes of the goods. Asked again, it finds out what did."""
    if not state.pieces or state.reservation is None:
        return state
    try:
        await ports.catalog().give_back(key, state.reservation, state.pieces)
    except ASKED_AGAIN:
        raise
    except DomainError as refusal:
        return replace(state, refusal=refusal.code)
    return replace(state, goods_returned=True)


async def write_down(ended: Ended[Repayment], ports: OrdersPorts) -> None:
    state, now = ended.state, ports.clock()
    async with ports.uow() as uow:
        order = await uow.orders.get(OrderId(state.order_id))
        if state.money_returned:
            order.refund_done(RefundId(state.refund_id), state.goods_returned, now)
        else:
            reason = state.refusal or ended.refusal or ""
            order.refund_refused(RefundId(state.refund_id), reason, state.goods_returned, now)
        await uow.commit(None)


REFUND = Process(
    "orders.refund",
    Repayment,
    (
        Step("return_money", return_money, undo=find_out_about_money),
        Step("return_goods", return_goods, undo=return_goods),
    ),
    within=timedelta(days=30),
    on_end=write_down,
)
