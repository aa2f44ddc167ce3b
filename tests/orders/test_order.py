"""The way of an order: no move but the legal ones, and never more given back than was paid."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bailiwick.catalog.contract import Line
from bailiwick.kernel.domain import DomainError, Event
from bailiwick.kernel.money import Money
from bailiwick.orders.contract import (
    OrderCancelled,
    OrderEvent,
    OrderPaid,
    OrderPlaced,
    OrderStatus,
    PaymentRequested,
)
from bailiwick.orders.domain.bill import Bill
from bailiwick.orders.domain.order import (
    ALPHABET,
    BY_CUSTOMER,
    MOST_REFUNDS,
    MOVES,
    IllegalOrderMove,
    Order,
    OrderId,
    PaymentOverdue,
    Reason,
    TooManyRefunds,
    new_number,
)
from bailiwick.orders.domain.refund import Refund, RefundId, RefundStatus
from tests.orders.test_bill import HOME, goods

NOON = datetime(2031, 1, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=10)
PAY_BY = NOON + timedelta(minutes=30)
SKUS = ["SKU-0", "SKU-1", "SKU-9"]
RESERVATION, HOLD = UUID(int=7), UUID(int=8)


def placed(price: int = 1_000, pieces: int = 3, kind: type[Order] = Order) -> Order:
    lines = goods([(price, pieces), (333, 2)])
    bill = Bill.of(lines, Money(100, "NAD"), Money(50, "NAD"), Money(77, "NAD"))
    return kind.place(OrderId(uuid4()), "0000-0000", UUID(int=2), bill, HOME, None, PAY_BY, NOON)


def paid(**more: Any) -> Order:
    order = placed(**more)
    order.pay(HOLD, RESERVATION, LATER)
    return order


def whole(order: Order) -> Refund:
    return order.refund(RefundId(uuid4()), order.account.refundable, [], False, LATER)


DEEDS: dict[OrderStatus, Callable[[Order], object]] = {
    OrderStatus.PAID: lambda order: order.pay(HOLD, RESERVATION, LATER),
    OrderStatus.FULFILLED: lambda order: order.fulfil(LATER),
    OrderStatus.DELIVERED: lambda order: order.deliver(LATER),
    OrderStatus.CANCELLED: lambda order: order.cancel(BY_CUSTOMER, RefundId(uuid4()), LATER),
}


def order_in(status: OrderStatus) -> Order:
    ways = {
        OrderStatus.FULFILLED: [OrderStatus.PAID],
        OrderStatus.DELIVERED: [OrderStatus.PAID, OrderStatus.FULFILLED],
    }
    order = placed()
    for step in (*ways.get(status, []), *([status] if status in DEEDS else [])):
        DEEDS[step](order)
    if status is OrderStatus.REFUNDED:
        order.pay(HOLD, RESERVATION, LATER)
        order.refund_done(whole(order).id, False, LATER)
    assert order.status is status
    return order


@pytest.mark.parametrize("status", OrderStatus)
@pytest.mark.parametrize("wanted", DEEDS)
def test_an_order_moves_only_where_it_may(status: OrderStatus, wanted: OrderStatus) -> None:
    order = order_in(status)
    order.pull_events()
    if wanted in MOVES[status]:
        DEEDS[wanted](order)
        assert (order.status, order.history[-1].status) == (wanted, wanted)
        return
    with pytest.raises(IllegalOrderMove) as refused:
        DEEDS[wanted](order)
    assert refused.value.extra == {"allowed": [move.value for move in MOVES[status]]}
    assert (order.status, order.pull_events()) == (status, [])


def test_an_order_tells_what_happens_to_it() -> None:
    order = placed()
    order.ask_for_payment(LATER)
    order.ask_for_payment(LATER)
    order.pay(HOLD, RESERVATION, LATER)
    refund = order.cancel(Reason("why", "because"), RefundId(uuid4()), LATER)
    events: list[Event] = order.pull_events()
    assert [type(event) for event in events] == [OrderPlaced, PaymentRequested, OrderPaid, OrderCancelled]
    assert all(isinstance(event, OrderEvent) and event.audience() == order.customer_id for event in events)
    assert refund is not None
    assert (refund.amount, refund.goods_back) == (order.bill.total, True)
    assert refund.pieces == (Line("SKU-0", 3), Line("SKU-1", 2))
    assert order.reason == Reason("why", "because")


def test_an_order_can_be_paid_until_its_time_is_over() -> None:
    order = placed()
    with pytest.raises(PaymentOverdue):
        order.ask_for_payment(PAY_BY)
    assert order.payment_requested_at is None


def test_goods_that_came_back_do_not_come_back_again_with_the_rest() -> None:
    order = paid()
    order.refund(RefundId(uuid4()), None, [Line("SKU-0", 2)], True, LATER)
    order.refund(RefundId(uuid4()), None, [Line("SKU-1", 1)], False, LATER)
    refund = order.cancel(BY_CUSTOMER, RefundId(uuid4()), LATER)
    assert refund is not None
    assert refund.pieces == (Line("SKU-0", 1), Line("SKU-1", 2))
    assert order.account.refundable.amount == 0


def test_refunds_of_one_order_have_an_end() -> None:
    order = paid()
    for _ in range(MOST_REFUNDS):
        order.refund(RefundId(uuid4()), Money(1, "NAD"), [], False, LATER)
    with pytest.raises(TooManyRefunds):
        order.refund(RefundId(uuid4()), Money(1, "NAD"), [], False, LATER)


def test_numbers_say_nothing_and_do_not_repeat() -> None:
    numbers = {new_number() for _ in range(1000)}
    assert len(numbers) == 1000
    assert all(len(n) == 9 and n[4] == "-" and {*n} <= {*ALPHABET, "-"} for n in numbers)


class OrderLife(RuleBasedStateMachine):
    """Anybody does anything to an order, in any sequence; a plain model says what must hold."""

    kind: type[Order] = Order

    def __init__(self) -> None:
        super().__init__()
        self.order, self.paid_back, self.was_paid = placed(kind=self.kind), 0, False

    def _try(self, deed: Callable[[], object]) -> bool:
        before = self.order.status
        try:
            deed()
        except DomainError:
            assert self.order.status is before
            return False
        assert self.order.status is before or self.order.status in MOVES[before], "an illegal move"
        return True

    @rule()
    def ask_for_payment(self) -> None:
        self._try(lambda: self.order.ask_for_payment(LATER))

    @rule()
    def pay(self) -> None:
        if self._try(lambda: self.order.pay(HOLD, RESERVATION, LATER)):
            self.was_paid = True

    @rule()
    def fulfil(self) -> None:
        self._try(lambda: self.order.fulfil(LATER))

    @rule()
    def deliver(self) -> None:
        self._try(lambda: self.order.deliver(LATER))

    @rule()
    def cancel(self) -> None:
        self._try(lambda: self.order.cancel(BY_CUSTOMER, RefundId(uuid4()), LATER))

    @rule(amount=st.integers(0, 5_000), goods_back=st.booleans())
    def refund_an_amount(self, amount: int, goods_back: bool) -> None:
        money = Money(amount, "NAD")
        self._try(lambda: self.order.refund(RefundId(uuid4()), money, [], goods_back, LATER))

    @rule(
        pieces=st.integers(1, 4), sku=st.sampled_from(["SKU-0", "SKU-1", "SKU-9"]), goods_back=st.booleans()
    )
    def refund_pieces(self, pieces: int, sku: str, goods_back: bool) -> None:
        lines = [Line(sku, pieces)]
        self._try(lambda: self.order.refund(RefundId(uuid4()), None, lines, goods_back, LATER))

    @precondition(lambda self: self._promised())
    @rule(done=st.booleans())
    def end_a_refund(self, done: bool) -> None:
        refund = self._promised()[0]
        if done:
            self.order.refund_done(refund.id, refund.goods_back, LATER)
            self.paid_back += refund.amount.amount
        else:
            self.order.refund_refused(refund.id, "not_today", False, LATER)

    def _promised(self) -> list[Refund]:
        return [refund for refund in self.order.refunds if refund.status is RefundStatus.REQUESTED]

    @invariant()
    def no_more_is_given_back_than_was_paid(self) -> None:
        order = self.order
        total = order.bill.total.amount
        promised = sum(refund.amount.amount for refund in order.refunds if refund.stands)
        assert order.account.paid_back.amount == self.paid_back <= promised <= (total if self.was_paid else 0)
        if order.status is OrderStatus.REFUNDED:
            assert self.paid_back == total

    @invariant()
    def no_more_goods_come_back_than_were_ordered(self) -> None:
        for line in self.order.bill.lines:
            pieces = [
                piece.quantity
                for refund in self.order.refunds
                if refund.stands and refund.goods_back
                for piece in refund.pieces
                if piece.sku == line.sku
            ]
            assert sum(pieces) <= line.quantity

    @invariant()
    def its_history_is_a_walk_along_the_moves(self) -> None:
        walked = [moved.status for moved in self.order.history]
        assert walked[-1] is self.order.status
        assert all(there in MOVES[here] for here, there in pairwise(walked))


TestOrderLife = OrderLife.TestCase
TestOrderLife.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)


class OverwritingOrder(Order):
    """The planted defect: a cancel that overwrites whatever the status is."""

    def _move(self, status: OrderStatus, now: datetime, reason: Reason | None = None) -> None:
        self.status = status


class GenerousOrder(Order):
    """The planted defect: a refund that does not look at the refunds before it."""

    def refund(
        self, id: RefundId, amount: Money | None, pieces: Any, goods_back: bool, now: datetime
    ) -> Refund:
        return self._promise(id, amount or self.bill.total, tuple(pieces), goods_back, now)


@pytest.mark.parametrize("kind", [OverwritingOrder, GenerousOrder])
def test_an_order_that_breaks_the_rules_is_found(kind: type[Order]) -> None:
    broken = type("Broken", (OrderLife,), {"kind": kind})
    quick = settings(
        max_examples=200,
        stateful_step_count=20,
        deadline=None,
        database=None,
        print_blob=False,
        report_multiple_bugs=False,
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(broken, settings=quick)
