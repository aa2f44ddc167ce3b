"""An order: placed, paid, fulfilled and delivered; or cancelled; or refunded."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NewType, Self
from uuid import UUID

from bailiwick.catalog.contract import Line
from bailiwick.kernel.domain import Aggregate, Conflict
from bailiwick.kernel.money import Money
from bailiwick.orders.contract import (
    OrderCancelled,
    OrderDelivered,
    OrderFulfilled,
    OrderPaid,
    OrderPlaced,
    OrderRefunded,
    OrderStatus,
    PaymentRequested,
)
from bailiwick.orders.domain.bill import Bill
from bailiwick.orders.domain.cart import Address, checked
from bailiwick.orders.domain.coupon import Coupon, CouponId
from bailiwick.orders.domain.refund import Account, Refund, RefundId, RefundStatus, RefundUnclear

OrderId = NewType("OrderId", UUID)

MOVES: dict[OrderStatus, tuple[OrderStatus, ...]] = {
    OrderStatus.PLACED: (OrderStatus.PAID, OrderStatus.CANCELLED),
    OrderStatus.PAID: (OrderStatus.FULFILLED, OrderStatus.CANCELLED, OrderStatus.REFUNDED),
    OrderStatus.FULFILLED: (OrderStatus.DELIVERED, OrderStatus.REFUNDED),
    OrderStatus.DELIVERED: (OrderStatus.REFUNDED,),
    OrderStatus.CANCELLED: (),
    OrderStatus.REFUNDED: (),
}
"""Where an order can go from where it is. Whoever asks, there is no other way."""

MOST_REFUNDS = 100

# Crockford's: no letter that is taken for a digit, and none that makes words with the others.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class IllegalOrderMove(Conflict):
    """The order cannot go from its status to the one asked for. `allowed` lists where it can go."""


class PaymentOverdue(Conflict):
    """The time to pay is over; the goods are free again. Order anew."""


class NotPaid(Conflict):
    """Nothing was paid, so nothing can be refunded."""


class TooManyRefunds(Conflict):
    """An order can be refunded in at most 100 parts."""


def new_number() -> str:
    """A number to name an order by, such as `7K2M-X9QF`. It says nothing about how many there are."""
    text = "".join(secrets.choice(ALPHABET) for _ in range(8))
    return f"{text[:4]}-{text[4:]}"


@dataclass(frozen=True)
class Reason:
    """Why an order came to nothing: a code for programs, a sentence for the customer."""

    code: str
    message: str


BY_CUSTOMER = Reason("cancelled_by_customer", "you have cancelled the order")
BY_SHOP = Reason("cancelled_by_shop", "the shop has cancelled the order")
NOT_PAID_IN_TIME = Reason("not_paid_in_time", "the order was not paid in time")


@dataclass(frozen=True)
class Moved:
    """One line of an order's history."""

    status: OrderStatus
    at: datetime
    reason: Reason | None = None


@dataclass(eq=False, kw_only=True)
class Order(Aggregate):
    """Prices and address are what they were when it was placed. `payment` and `reservation` are what the
    customer's money and the goods go by in payments and in catalog."""

    id: OrderId
    number: str
    customer_id: UUID
    status: OrderStatus
    bill: Bill
    address: Address
    coupon_id: CouponId | None
    coupon: str | None
    placed_at: datetime
    pay_by: datetime
    payment_requested_at: datetime | None = None
    payment: UUID | None = None
    reservation: UUID | None = None
    refunds: tuple[Refund, ...] = ()
    history: tuple[Moved, ...] = ()

    @classmethod
    def place(
        cls,
        id: OrderId,
        number: str,
        customer_id: UUID,
        bill: Bill,
        address: Address,
        coupon: Coupon | None,
        pay_by: datetime,
        now: datetime,
    ) -> Self:
        """The customer wants it. What costs nothing is paid for without being asked."""
        order = cls(
            id=id,
            number=number,
            customer_id=customer_id,
            status=OrderStatus.PLACED,
            bill=bill,
            address=address,
            coupon_id=None if coupon is None else coupon.id,
            coupon=None if coupon is None else coupon.code,
            placed_at=now,
            pay_by=pay_by,
            history=(Moved(OrderStatus.PLACED, now),),
        )
        order._tell_of_total(OrderPlaced, now)
        if not bill.total.amount:
            order.ask_for_payment(now)
        return order

    def ask_for_payment(self, now: datetime) -> None:
        """Pay from the customer's wallet, which happens soon after. Asking again changes nothing.

        Raises IllegalOrderMove, PaymentOverdue.
        """
        self._must_reach(OrderStatus.PAID)
        if self.payment_requested_at is not None:
            return
        if now >= self.pay_by:
            raise PaymentOverdue("the time to pay is over")
        self.payment_requested_at = now
        self._tell(PaymentRequested, now)

    def pay(self, payment: UUID | None, reservation: UUID, now: datetime) -> None:
        """The goods are the customer's and the money the shop's. Raises IllegalOrderMove."""
        self._move(OrderStatus.PAID, now)
        self.payment, self.reservation = payment, reservation
        self._tell_of_total(OrderPaid, now)

    def fulfil(self, now: datetime) -> None:
        """The goods are on their way. Raises IllegalOrderMove."""
        self._move(OrderStatus.FULFILLED, now)
        self._tell(OrderFulfilled, now)

    def deliver(self, now: datetime) -> None:
        """The customer has the goods. Raises IllegalOrderMove."""
        self._move(OrderStatus.DELIVERED, now)
        self._tell(OrderDelivered, now)

    def cancel(self, reason: Reason, refund_id: RefundId, now: datetime) -> Refund | None:
        """It will not happen. What was paid, and the goods, go back: the refund. Raises IllegalOrderMove."""
        paid = self.was_paid
        self._move(OrderStatus.CANCELLED, now, reason)
        self._record(
            OrderCancelled(
                occurred_at=now,
                order_id=self.id,
                number=self.number,
                customer_id=self.customer_id,
                reason=reason.code,
            )
        )
        if not paid:
            return None
        return self._promise(refund_id, self.account.refundable, self.account.kept, True, now)

    def refund(
        self, id: RefundId, amount: Money | None, pieces: Sequence[Line], goods_back: bool, now: datetime
    ) -> Refund:
        """Promise an amount, or what these pieces have cost; never more than was paid, in all together.

        Raises NotPaid, MoreThanOrdered, RefundTooHigh, RefundUnclear.
        """
        if not self.was_paid:
            raise NotPaid("nothing was paid, so nothing can be refunded")
        if goods_back and not pieces:
            raise RefundUnclear("say which goods come back", field="lines")
        if len(self.refunds) >= MOST_REFUNDS:
            raise TooManyRefunds(f"an order can be refunded in at most {MOST_REFUNDS} parts")
        worth = self.account.amount_of(amount, checked(pieces))
        if not worth.amount and not goods_back:
            raise RefundUnclear("there is nothing in this refund", field="amount")
        return self._promise(id, worth, tuple(pieces), goods_back, now)

    def refund_done(self, id: RefundId, goods_returned: bool, now: datetime) -> None:
        """The money is back with the customer. When all of it is, the order is refunded."""
        done = self._end(id, RefundStatus.DONE, None, goods_returned, now)
        wholly = self.account.paid_back == self.bill.total
        if wholly and OrderStatus.REFUNDED in MOVES[self.status]:
            self._move(OrderStatus.REFUNDED, now)
        self._record(
            OrderRefunded(
                occurred_at=now,
                order_id=self.id,
                number=self.number,
                customer_id=self.customer_id,
                amount=done.amount.amount,
                currency=done.amount.currency,
                wholly=wholly,
            )
        )

    def refund_refused(self, id: RefundId, reason: str, goods_returned: bool, now: datetime) -> None:
        """The money could not be given back: it can be refunded again."""
        self._end(id, RefundStatus.REFUSED, reason, goods_returned, now)

    @property
    def account(self) -> Account:
        return Account(self.bill, self.refunds)

    @property
    def was_paid(self) -> bool:
        return any(moved.status is OrderStatus.PAID for moved in self.history)

    @property
    def reason(self) -> Reason | None:
        """Why it came to nothing, if it did."""
        return next((moved.reason for moved in reversed(self.history) if moved.reason), None)

    def _must_reach(self, status: OrderStatus) -> None:
        if status not in MOVES[self.status]:
            allowed = [move.value for move in MOVES[self.status]]
            raise IllegalOrderMove(f"a {self.status} order cannot become {status}", allowed=allowed)

    def _move(self, status: OrderStatus, now: datetime, reason: Reason | None = None) -> None:
        self._must_reach(status)
        self.status = status
        self.history += (Moved(status, now, reason),)

    def _promise(
        self, id: RefundId, amount: Money, pieces: tuple[Line, ...], goods_back: bool, now: datetime
    ) -> Refund:
        refund = Refund(id=id, amount=amount, pieces=pieces, goods_back=goods_back, requested_at=now)
        self.refunds += (refund,)
        return refund

    def _end(
        self, id: RefundId, status: RefundStatus, reason: str | None, goods_returned: bool, now: datetime
    ) -> Refund:
        [promised] = [refund for refund in self.refunds if refund.id == id]
        ended = replace(promised, status=status, reason=reason, goods_returned=goods_returned, ended_at=now)
        self.refunds = tuple(ended if refund.id == id else refund for refund in self.refunds)
        return ended

    def _tell(
        self,
        kind: type[PaymentRequested] | type[OrderFulfilled] | type[OrderDelivered],
        now: datetime,
    ) -> None:
        told = kind(occurred_at=now, order_id=self.id, number=self.number, customer_id=self.customer_id)
        self._record(told)

    def _tell_of_total(self, kind: type[OrderPlaced] | type[OrderPaid], now: datetime) -> None:
        total = self.bill.total
        self._record(
            kind(
                occurred_at=now,
                order_id=self.id,
                number=self.number,
                customer_id=self.customer_id,
                total=total.amount,
                currency=total.currency,
            )
        )
