"""The placing of an order and a refund end well, wherever they are refused, interrupted or killed."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from uuid_utils.compat import uuid7

from bailiwick.catalog.contract import Line
from bailiwick.kernel.application import Unavailable
from bailiwick.kernel.database import migrations
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.domain import Conflict
from bailiwick.kernel.money import Money
from bailiwick.kernel.process_testing import Elsewhere, Trial, prove
from bailiwick.kernel.processes import Process
from bailiwick.orders.application.ports import OrdersPorts
from bailiwick.orders.application.processes import REFUND, Placement, Repayment, placement
from bailiwick.orders.contract import OrderStatus, PaymentRequested
from bailiwick.orders.domain.bill import Bill, at_the_prices_of_now
from bailiwick.orders.domain.order import BY_CUSTOMER, Order, OrderId, new_number
from bailiwick.orders.domain.refund import RefundId
from bailiwick.orders.infrastructure.rules import SettingsTaxAndShipping
from bailiwick.orders.infrastructure.unit_of_work import SqlOrdersUnitOfWork
from tests.kernel.samples import database_at
from tests.orders.house import Bank, Warehouse
from tests.orders.test_bill import HOME
from tests.orders.town import CUP, RULES, TEAPOT

PAYMENT_TIME = timedelta(minutes=30)
RICH = 1_000_000
WANTED = (Line(TEAPOT, 2), Line(CUP, 3))
FULL_SHELVES = {TEAPOT: 10, CUP: 100}
PLACEMENT = placement(PAYMENT_TIME)


@dataclass
class FarWarehouse(Warehouse):
    """Reached over a line that may be cut before and after all that is done there."""

    elsewhere: Elsewhere | None = None

    async def reserve(self, key: UUID, lines: Any, expires_in: int) -> None:
        await there(self.elsewhere).make("goods are set aside", key)
        await super().reserve(key, lines, expires_in)

    async def release(self, key: UUID) -> None:
        await there(self.elsewhere).take_back(key)
        await super().release(key)

    async def commit(self, key: UUID) -> None:
        passing(self.elsewhere)
        await super().commit(key)
        passing(self.elsewhere)

    async def give_back(self, key: UUID, reservation: UUID, lines: Any) -> None:
        passing(self.elsewhere)
        await super().give_back(key, reservation, lines)
        passing(self.elsewhere)


@dataclass
class FarBank(Bank):
    """As far away. It does not always answer who asks for the same refund again."""

    elsewhere: Elsewhere | None = None

    async def hold(self, key: UUID, payer_id: UUID, amount: Money, reference: str, expires_in: int) -> None:
        await there(self.elsewhere).make("money is set aside", key)
        await super().hold(key, payer_id, amount, reference, expires_in)

    async def release(self, key: UUID) -> None:
        await there(self.elsewhere).take_back(key)
        await super().release(key)

    async def capture(self, key: UUID) -> None:
        passing(self.elsewhere)
        await super().capture(key)
        passing(self.elsewhere)

    async def refund(self, key: UUID, hold: UUID, amount: Money, reference: str) -> None:
        if key in self.refunds:
            await there(self.elsewhere).take_back(key)
        passing(self.elsewhere)
        await super().refund(key, hold, amount, reference)
        passing(self.elsewhere)


def there(elsewhere: Elsewhere | None) -> Elsewhere:
    assert elsewhere is not None
    return elsewhere


def passing(elsewhere: Elsewhere | None) -> None:
    """A point at which the process may be killed, and nothing else."""
    there(elsewhere)._fate.point()


@dataclass
class Scene:
    """A shop and a customer, seen from outside: what became of goods and money?"""

    database: Database
    warehouse: FarWarehouse
    bank: FarBank
    ports: OrdersPorts
    customer: UUID

    @classmethod
    def of(cls, database: Database, mortal: Database, elsewhere: Elsewhere) -> "Scene":
        warehouse, bank = FarWarehouse(elsewhere=elsewhere), FarBank(elsewhere=elsewhere)
        warehouse.sell(TEAPOT, Money(10_000, "NAD"), 10)
        warehouse.sell(CUP, Money(2_550, "NAD"), 100)
        customer = uuid4()
        bank.purses[customer] = RICH
        ports = OrdersPorts(
            uow=lambda: SqlOrdersUnitOfWork(mortal),
            catalog=lambda: warehouse,
            payments=lambda: bank,
            rules=SettingsTaxAndShipping(RULES),
            payment_time=PAYMENT_TIME,
            currency="NAD",
            clock=lambda: datetime.now(UTC),
            new_id=uuid7,
            new_number=new_number,
        )
        return cls(database, warehouse, bank, ports, customer)

    async def placed(self) -> Order:
        now, offers = self.ports.clock(), await self.warehouse.offers([TEAPOT, CUP], "NAD")
        shipping, tax = Money(5_000, "NAD"), Money(4_898, "NAD")
        bill = Bill.of(at_the_prices_of_now(WANTED, offers, "NAD"), Money(0, "NAD"), shipping, tax)
        order = Order.place(
            OrderId(uuid7()), new_number(), self.customer, bill, HOME, None, now + PAYMENT_TIME, now
        )
        return await self.stored(order)

    async def stored(self, order: Order) -> Order:
        async with SqlOrdersUnitOfWork(self.database) as uow:
            uow.orders.add(order)
            return await uow.commit(order)

    async def order(self, id: OrderId) -> Order:
        async with SqlOrdersUnitOfWork(self.database) as uow:
            return await uow.orders.get(id)

    def moved(self) -> tuple[dict[str, int], int, int]:
        """What is not on the shelves any more, what is missing in the purse, and what is in the till."""
        gone = {sku: FULL_SHELVES[sku] - left for sku, left in self.warehouse.stock.items()}
        return gone, RICH - self.bank.purses[self.customer], self.bank.till


NOTHING_MOVED = ({TEAPOT: 0, CUP: 0}, 0, 0)


def placing(database: Database, process: Process[Placement, OrdersPorts]) -> Any:
    """Trials of an order: its books must agree with what the order says, at the end of whatever day."""

    async def make(mortal: Database, elsewhere: Elsewhere) -> Trial[Placement, OrdersPorts]:
        scene = Scene.of(database, mortal, elsewhere)
        order = await scene.placed()
        total = order.bill.total.amount

        async def observe() -> object:
            found = await scene.order(order.id)
            gone = {TEAPOT: 2, CUP: 3}
            assert scene.moved() == ((gone, total, total) if found.was_paid else NOTHING_MOVED), (
                "off the books"
            )
            assert found.was_paid == (found.status is OrderStatus.PAID), "paid and cancelled"
            return found.status, None if found.reason is None else found.reason.code

        told: dict[str, Any] = {
            "order_id": order.id,
            "number": order.number,
            "customer_id": order.customer_id,
        }
        asked = PaymentRequested(occurred_at=order.placed_at, **told)
        state = Placement.of(order, PAYMENT_TIME)
        return Trial(process, scene.ports, state, str(order.id), (asked,), observe)

    return make


def repaying(database: Database, process: Process[Repayment, OrdersPorts]) -> Any:
    """Trials of the cancelling of a paid order."""

    async def make(mortal: Database, elsewhere: Elsewhere) -> Trial[Repayment, OrdersPorts]:
        scene = Scene.of(database, mortal, elsewhere)
        order = await scene.placed()
        total, hold, reservation = order.bill.total, uuid4(), uuid4()
        await Warehouse.reserve(scene.warehouse, reservation, WANTED, 60)
        await Warehouse.commit(scene.warehouse, reservation)
        await Bank.hold(scene.bank, hold, scene.customer, total, "", 60)
        await Bank.capture(scene.bank, hold)
        async with SqlOrdersUnitOfWork(database) as uow:
            order = await uow.orders.get(order.id)
            order.pay(hold, reservation, scene.ports.clock())
            refund = order.cancel(BY_CUSTOMER, RefundId(uuid7()), scene.ports.clock())
            await uow.commit(None)
        assert refund is not None

        async def observe() -> object:
            found = await scene.order(order.id)
            [written] = found.refunds
            gone, _, till = scene.moved()
            assert till == total.amount - found.account.paid_back.amount, "the till and the order differ"
            assert any(gone.values()) != written.goods_returned, "the shelves and the order differ"
            return written.status, written.goods_returned

        return Trial(process, scene.ports, Repayment.of(order, refund), str(refund.id), (), observe)

    return make


@pytest.fixture
async def database(database_url: str) -> Any:
    await migrations.upgrade_async(database_url, ["orders"])
    opened = database_at(database_url)
    await opened.open()
    yield opened
    await opened.close()


async def test_an_order_is_placed_or_nothing_is_left_of_it_wherever_it_is_killed(database: Database) -> None:
    assert await prove(database, placing(database, PLACEMENT)) > 200


async def test_a_refund_is_made_once_and_written_down_wherever_it_is_killed(database: Database) -> None:
    assert await prove(database, repaying(database, REFUND)) > 50


def changed(process: Process[Any, Any], **steps: dict[str, Any]) -> Process[Any, Any]:
    return replace(process, steps=tuple(replace(step, **steps.get(step.name, {})) for step in process.steps))


async def swallowing(state: Placement, ports: OrdersPorts, key: UUID) -> None:
    """The planted defect: what cannot be taken back now is forgotten."""
    try:
        await ports.payments().release(key)
    except (Conflict, Unavailable):
        return


async def with_a_new_key(state: Repayment, ports: OrdersPorts, key: UUID) -> Repayment:
    """The planted defect: each try is another refund."""
    assert state.payment is not None
    await ports.payments().refund(uuid4(), state.payment, Money(state.amount.amount // 4, "NAD"), "")
    return replace(state, money_returned=True)


@pytest.mark.parametrize(
    "steps",
    [
        {"reserve_goods": {"undo": None}},
        {"hold_money": {"undo": None}},
        {"hold_money": {"undo": swallowing}},
    ],
)
async def test_a_placement_that_does_not_take_everything_back_is_found(
    database: Database, steps: dict[str, dict[str, Any]]
) -> None:
    with pytest.raises(AssertionError, match=r"off the books|not taken back|nobody was told"):
        await prove(database, placing(database, changed(PLACEMENT, **steps)))


@pytest.mark.parametrize(
    "steps", [{"return_money": {"undo": None}}, {"return_money": {"do": with_a_new_key}}]
)
async def test_a_refund_that_is_forgotten_or_made_twice_is_found(
    database: Database, steps: dict[str, dict[str, Any]]
) -> None:
    with pytest.raises(AssertionError):
        await prove(database, repaying(database, changed(REFUND, **steps)))
