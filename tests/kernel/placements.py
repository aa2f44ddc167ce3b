"""A process on the sample context: a shelf is ordered, with boards and money from elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from uuid_utils.compat import uuid7

from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.domain import Conflict, Event
from bailiwick.kernel.process_testing import Elsewhere, Trial
from bailiwick.kernel.processes import Ended, On, Process, Step
from tests.kernel.samples import NOON, SampleUnitOfWork, Shelf, ShelfId

MINUTES = timedelta(minutes=15)


class CardDeclined(Conflict):
    """The bank said no."""


@dataclass(frozen=True, kw_only=True)
class PaymentApproved(Event):
    shelf_id: UUID
    receipt: str


@dataclass(frozen=True, kw_only=True)
class PaymentDeclined(Event):
    shelf_id: UUID


@dataclass(frozen=True)
class Placement:
    shelf_id: UUID
    boards: int = 2
    hold_id: UUID | None = None
    receipt: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ports:
    uow: Callable[[], SampleUnitOfWork]
    elsewhere: Elsewhere


async def reserve_boards(state: Placement, ports: Ports, key: UUID) -> None:
    await ports.elsewhere.make("boards", key)


async def release_boards(state: Placement, ports: Ports, key: UUID) -> None:
    await ports.elsewhere.take_back(key)


async def hold_money(state: Placement, ports: Ports, key: UUID) -> Placement:
    await ports.elsewhere.make("money", key)
    return replace(state, hold_id=key)


async def void_hold(state: Placement, ports: Ports, key: UUID) -> None:
    await ports.elsewhere.take_back(key)


def approved(state: Placement, event: PaymentApproved) -> Placement:
    return replace(state, receipt=event.receipt)


def declined(state: Placement, event: PaymentDeclined) -> Placement:
    raise CardDeclined("the bank declined the card")


async def build(state: Placement, ports: Ports, key: UUID) -> Placement:
    async with ports.uow() as uow:
        shelf = await uow.shelves.get(ShelfId(state.shelf_id))
        shelf.count += 1
        return await uow.commit(replace(state, notes=(*state.notes, "built")))


async def dismantle(state: Placement, ports: Ports, key: UUID) -> None:
    async with ports.uow() as uow:
        shelf = await uow.shelves.get(ShelfId(state.shelf_id))
        shelf.count -= 1
        await uow.commit(None)


async def announce(state: Placement, ports: Ports, key: UUID) -> None:
    await ports.elsewhere.make("announced", key)


async def call_off(state: Placement, ports: Ports, key: UUID) -> None:
    await ports.elsewhere.take_back(key)


async def tell_customer(ended: Ended[Placement], ports: Ports) -> None:
    async with ports.uow() as uow:
        shelf = await uow.shelves.get(ShelfId(ended.state.shelf_id))
        shelf.fixed = ended.completed
        shelf.aliases += (ended.refusal or "placed",)
        await uow.commit(None)


PLACEMENT = Process(
    "samples.placement",
    Placement,
    (
        Step("reserve_boards", reserve_boards, release_boards),
        Step("hold_money", hold_money, void_hold),
        Step(
            "payment",
            waits_for=(
                On(PaymentApproved, key=lambda event: str(event.shelf_id), take=approved),
                On(PaymentDeclined, key=lambda event: str(event.shelf_id), take=declined),
            ),
            within=MINUTES,
        ),
        Step("build", build, dismantle, commits=True),
        Step("announce", announce, call_off),
    ),
    within=timedelta(hours=1),
    on_end=tell_customer,
)


def changed(**steps: dict[str, Any]) -> Process[Placement, Ports]:
    """PLACEMENT with other parts in some of its steps."""
    return replace(
        PLACEMENT, steps=tuple(replace(step, **steps.get(step.name, {})) for step in PLACEMENT.steps)
    )


async def ordered(database: Database) -> ShelfId:
    shelf = Shelf(id=ShelfId(uuid7()), name=uuid4().hex)
    async with SampleUnitOfWork(database) as uow:
        uow.shelves.add(shelf)
        return await uow.commit(shelf.id)


async def trial_of(
    process: Process[Placement, Ports], database: Database, mortal: Database, elsewhere: Elsewhere
) -> Trial[Placement, Ports]:
    """A new shelf to be placed by a process that dies with `mortal`, and looked at in `database`."""
    shelf_id = await ordered(database)

    async def observe() -> object:
        async with SampleUnitOfWork(database) as uow:
            shelf = await uow.shelves.get(shelf_id)
            return shelf.count, shelf.fixed, shelf.aliases

    return Trial(
        process,
        Ports(lambda: SampleUnitOfWork(mortal), elsewhere),
        Placement(shelf_id),
        str(shelf_id),
        (PaymentApproved(occurred_at=NOON, shelf_id=shelf_id, receipt="R1"),),
        observe,
    )
