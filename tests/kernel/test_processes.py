"""Process managers: carried through or taken back, whatever comes late, twice, or not at all."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update
from uuid_utils.compat import uuid7

from bailiwick.backend import Backend
from bailiwick.kernel.application import Cause, Contention, TooMany, Unavailable, cause
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.domain import Event, NotFound
from bailiwick.kernel.jobs import GiveUp
from bailiwick.kernel.messaging.handlers import delivery, readers_of
from bailiwick.kernel.messaging.housekeeping import Retention, forget_old
from bailiwick.kernel.messaging.processes import Conductor, ProcessHandler, RunsUnitOfWork
from bailiwick.kernel.messaging.queue import LEASE
from bailiwick.kernel.messaging.runs import Run, Status
from bailiwick.kernel.messaging.tables import processes, work
from bailiwick.kernel.messaging.worker import Worker
from bailiwick.kernel.operations.console import Console
from bailiwick.kernel.operations.processes import ProcessStateForbids, one_process, retry
from bailiwick.kernel.process_testing import Clock, Elsewhere, Fate, MortalDatabase, killed
from bailiwick.kernel.processes import AlreadyStarted, On, Process, Step
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Database as DatabaseSettings
from tests.kernel.messages import until
from tests.kernel.placements import (
    MINUTES,
    PLACEMENT,
    CardDeclined,
    PaymentApproved,
    PaymentDeclined,
    Placement,
    Ports,
    changed,
    hold_money,
    ordered,
)
from tests.kernel.samples import NOON, SampleUnitOfWork, Shelf, ShelfId

SHORT = timedelta(milliseconds=1)


class Shop:
    """Processes of one kind on a database, and who works on them."""

    def __init__(
        self,
        database: Database,
        process: Process[Placement, Ports] = PLACEMENT,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self.database, self.process = database, process
        self.elsewhere, self.clock = elsewhere or Elsewhere(), Clock()
        self.ports = Ports(lambda: SampleUnitOfWork(database), self.elsewhere)
        conductor = Conductor(ProcessHandler(process, self.ports), database, self.clock)
        subscriptions = conductor.subscriptions()
        database.readers = readers_of(subscriptions)
        self.worker = Worker(database, [*map(delivery, subscriptions), *conductor.handlers()], self.clock)
        self.console = Console(database, self.clock)

    async def place(self, **state: Any) -> ShelfId:
        shelf_id = await ordered(self.database)
        async with SampleUnitOfWork(self.database) as uow:
            uow.start(self.process, Placement(shelf_id, **state), key=str(shelf_id))
            return await uow.commit(shelf_id)

    async def publish(self, event: Event) -> None:
        shelf = Shelf(id=ShelfId(uuid7()), name=uuid4().hex)
        shelf.announce(event)
        async with SampleUnitOfWork(self.database) as uow:
            uow.shelves.add(shelf)
            await uow.commit(None)

    async def approve(self, shelf_id: ShelfId) -> None:
        await self.publish(PaymentApproved(occurred_at=NOON, shelf_id=shelf_id, receipt="R1"))

    async def run(self, shelf_id: ShelfId) -> Run:
        async with RunsUnitOfWork(self.database) as uow:
            found = await uow.runs.of(self.process.name, str(shelf_id))
            assert found is not None
            return found

    async def shelf(self, shelf_id: ShelfId) -> Shelf:
        async with SampleUnitOfWork(self.database) as uow:
            return await uow.shelves.get(shelf_id)

    async def until_over(self, shelf_id: ShelfId) -> Run:
        """Work, leaping over every pause, until nothing is left to be done."""
        for _ in range(200):
            await self.worker.until_idle()
            row = await self.database.first(select(func.min(work.c.available_at)))
            if row is None or row[0] is None:
                return await self.run(shelf_id)
            self.clock.leap_to(row[0] + SHORT)
        raise AssertionError("it does not end")


def moments(run: Run) -> list[str]:
    return [f"{each.step} {each.what}" for each in run.history]


async def test_a_process_does_its_steps_in_order_and_tells_of_its_end(database: Database) -> None:
    shop = Shop(database)
    shelf_id = await shop.place()
    await shop.worker.until_idle()
    waiting = await shop.run(shelf_id)
    assert (waiting.status, waiting.step, waiting.done) == (
        Status.WAITING,
        "payment",
        ("reserve_boards", "hold_money"),
    )
    await shop.approve(shelf_id)
    await shop.worker.until_idle()
    run = await shop.run(shelf_id)
    assert (run.status, run.refusal, run.state["receipt"], run.state["notes"]) == (
        Status.COMPLETED,
        None,
        "R1",
        ["built"],
    )
    assert moments(run) == [
        "reserve_boards done",
        "hold_money done",
        "payment heard",
        "build done",
        "announce done",
        "None completed",
    ]
    shelf = await shop.shelf(shelf_id)
    assert (shelf.count, shelf.fixed, shelf.aliases) == (1, True, ("placed",))
    assert shop.elsewhere.standing == {"boards": 1, "money": 1, "announced": 1}


@pytest.mark.parametrize("refused", range(5))
async def test_a_refusal_at_any_step_takes_back_the_steps_before_it_in_reverse(
    database: Database, refused: int
) -> None:
    name = PLACEMENT.steps[refused].name

    async def refuse(state: Placement, ports: Ports, key: UUID) -> None:
        raise CardDeclined("the bank declined the card")

    shop = Shop(database, PLACEMENT if name == "payment" else changed(**{name: {"do": refuse}}))
    shelf_id = await shop.place()
    await shop.worker.until_idle()
    await shop.publish(
        PaymentDeclined(occurred_at=NOON, shelf_id=shelf_id)
        if name == "payment"
        else PaymentApproved(occurred_at=NOON, shelf_id=shelf_id, receipt="R1")
    )
    run = await shop.until_over(shelf_id)
    assert (run.status, run.refusal, run.reason) == (
        Status.COMPENSATED,
        "card_declined",
        "the bank declined the card",
    )
    undone = [each.step for each in run.history if each.what == "undone"]
    assert undone == [step.name for step in PLACEMENT.steps[:refused][::-1] if step.undo]
    shelf = await shop.shelf(shelf_id)
    assert (shelf.count, shelf.fixed, shelf.aliases) == (0, False, ("card_declined",))
    assert not shop.elsewhere.standing


async def test_a_wait_that_takes_too_long_takes_the_process_back(database: Database) -> None:
    shop = Shop(database)
    shelf_id = await shop.place()
    await shop.worker.until_idle()
    shop.clock.leap_to(shop.clock() + MINUTES - timedelta(minutes=1))
    assert await shop.worker.until_idle() == 0
    shop.clock.leap_to(shop.clock() + timedelta(minutes=1))
    await shop.worker.until_idle()
    run = await shop.run(shelf_id)
    assert (run.status, run.refusal, run.reason) == (
        Status.COMPENSATED,
        "timed_out",
        "payment took too long",
    )
    await shop.approve(shelf_id)
    assert (await shop.until_over(shelf_id)).version == run.version
    assert not shop.elsewhere.standing


async def test_the_whole_process_takes_no_longer_than_it_may(database: Database) -> None:
    async def unavailable(state: Placement, ports: Ports, key: UUID) -> None:
        raise Unavailable("no answer")

    shop = Shop(database, replace(changed(build={"do": unavailable}), most_attempts=10_000))
    shelf_id = await shop.place()
    await shop.approve(shelf_id)
    run = await shop.until_over(shelf_id)
    assert (run.status, run.refusal, run.reason) == (Status.COMPENSATED, "timed_out", "build took too long")
    assert run.ended_at is not None
    assert timedelta(0) <= run.ended_at - run.expires_at < timedelta(seconds=30)
    assert (await shop.shelf(shelf_id)).count == 0  # a step that commits is never in doubt


async def test_a_step_in_doubt_is_taken_back_too(database: Database) -> None:
    async def answer_is_lost(state: Placement, ports: Ports, key: UUID) -> None:
        await hold_money(state, ports, key)
        raise TimeoutError

    shop = Shop(database, replace(changed(hold_money={"do": answer_is_lost}), most_attempts=3))
    shelf_id = await shop.place()
    run = await shop.until_over(shelf_id)
    assert moments(run) == [
        "reserve_boards done",
        "hold_money refused",
        "hold_money undone",
        "reserve_boards undone",
        "hold_money compensated",
    ]
    assert (run.refusal, run.reason) == ("gave_up", "hold money could not be done")
    assert not shop.elsewhere.standing


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        (Contention("busy"), None),
        (TooMany("slower", retry_after=1), None),
        (Unavailable("no answer"), None),
        (ZeroDivisionError(), None),
        (NotFound("no such board"), "not_found"),
        (GiveUp("pointless"), "gave_up"),
    ],
)
async def test_only_a_refusal_takes_back_and_all_else_is_tried_again(
    database: Database, error: Exception, refusal: str | None
) -> None:
    keys: list[UUID] = []

    async def fail_twice(state: Placement, ports: Ports, key: UUID) -> None:
        keys.append(key)
        if len(keys) <= 2:
            raise error

    shop = Shop(database, changed(reserve_boards={"do": fail_twice}))
    shelf_id = await shop.place()
    await shop.approve(shelf_id)
    run = await shop.until_over(shelf_id)
    assert run.refusal == refusal
    assert len(set(keys)) == 1
    assert len(keys) == (3 if refusal is None else 1)


async def test_early_events_are_kept_and_repeated_ones_have_no_effect(database: Database) -> None:
    shop = Shop(database)
    shelf_id = await shop.place()
    for _ in range(3):
        await shop.approve(shelf_id)
    await shop.approve(ShelfId(uuid4()))
    await shop.worker.until_idle()
    run = await shop.run(shelf_id)
    assert run.status is Status.COMPLETED
    assert [each.what for each in run.history].count("heard") == 1
    await shop.approve(shelf_id)
    await shop.worker.until_idle()
    assert (await shop.run(shelf_id)).version == run.version


@dataclass(frozen=True, kw_only=True)
class LetterReceived(Event):
    name: str
    text: str


@dataclass(frozen=True)
class Letters:
    texts: tuple[str, ...] = ()


def read(state: Letters, event: LetterReceived) -> Letters:
    return Letters((*state.texts, event.text))


LETTER = On(LetterReceived, key=lambda event: event.name or None, take=read)


async def test_each_event_is_taken_by_one_step_and_a_process_may_only_wait(database: Database) -> None:
    letters: Process[Letters, None] = Process(
        "samples.letters",
        Letters,
        (Step("first", waits_for=(LETTER,)), Step("second", waits_for=(LETTER,))),
        within=timedelta(days=1),
    )
    shop = Shop(database)
    conductor = Conductor(ProcessHandler(letters, None), database, shop.clock)
    database.readers = readers_of(conductor.subscriptions())
    worker = Worker(database, [*map(delivery, conductor.subscriptions()), *conductor.handlers()], shop.clock)
    async with SampleUnitOfWork(database) as uow:
        id = await uow.commit(uow.start(letters, Letters(), key="ann"))
    for name, text in (("ann", "a"), ("", "for nobody"), ("bob", "x"), ("ann", "b")):
        await shop.publish(LetterReceived(occurred_at=NOON, name=name, text=text))
        await worker.until_idle()
    found = await one_process(database, id)
    assert (found.status, found.state) == (Status.COMPLETED, {"texts": ["a", "b"]})


async def test_a_process_starts_with_its_transaction_or_not_at_all(database: Database) -> None:
    shop = Shop(database)
    async with SampleUnitOfWork(database) as uow:
        uow.start(PLACEMENT, Placement(uuid4()), key="never")
    assert await shop.worker.until_idle() == 0
    shelf_id = await shop.place()
    async with SampleUnitOfWork(database) as uow:
        uow.shelves.add(Shelf(id=ShelfId(uuid4()), name="not stored"))
        uow.start(PLACEMENT, Placement(shelf_id), key=str(shelf_id))
        with pytest.raises(AlreadyStarted):
            await uow.commit(None)
    rows = await database.all(select(processes.c.key))
    assert rows == [(str(shelf_id),)]


async def test_the_actor_and_the_request_at_the_root_are_carried_along(database: Database) -> None:
    causes: list[Cause] = []

    async def look(state: Placement, ports: Ports, key: UUID) -> None:
        causes.append(cause.get())

    shop, actor = Shop(database, changed(reserve_boards={"do": look})), uuid4()
    token = cause.set(Cause("the request", actor))
    try:
        await shop.place()
    finally:
        cause.reset(token)
    await shop.worker.until_idle()
    assert [(each.correlation_id, each.actor_id) for each in causes] == [("the request", actor)]


async def test_a_failing_undo_is_shown_and_an_operator_has_it_tried_again(database: Database) -> None:
    shop = Shop(database, replace(PLACEMENT, most_attempts=3), Elsewhere(failures=3))
    shelf_id = await shop.place()
    await shop.worker.until_idle()
    await shop.publish(PaymentDeclined(occurred_at=NOON, shelf_id=shelf_id))
    run = await shop.until_over(shelf_id)
    assert (run.status, run.done, run.last_error) == (
        Status.STUCK,
        ("reserve_boards", "hold_money"),
        "Unavailable: elsewhere does not answer",
    )
    assert shop.elsewhere.standing == {"boards": 1, "money": 1}
    assert (await shop.shelf(shelf_id)).aliases == ()
    shown = await one_process(database, run.id)
    assert (shown.status, shown.history[-1].what, shown.history[-1].detail) == (
        Status.STUCK,
        "stuck",
        "Unavailable: elsewhere does not answer",
    )
    await retry(shop.console, run.id)
    run = await shop.until_over(shelf_id)
    assert run.status is Status.STUCK  # now on the boards
    await retry(shop.console, run.id)
    run = await shop.until_over(shelf_id)
    assert (run.status, run.refusal) == (Status.COMPENSATED, "card_declined")
    assert not shop.elsewhere.standing
    with pytest.raises(ProcessStateForbids):
        await retry(shop.console, run.id)


async def test_a_process_that_cannot_tell_of_its_end_is_stuck_and_not_undone(database: Database) -> None:
    deaf = True

    async def tell(ended: object, ports: Ports) -> None:
        if deaf:
            raise NotFound("no such order")

    shop = Shop(database, replace(PLACEMENT, on_end=tell, most_attempts=3))
    shelf_id = await shop.place()
    await shop.approve(shelf_id)
    run = await shop.until_over(shelf_id)
    assert (run.status, run.step, run.refusal) == (Status.STUCK, None, None)
    deaf = False
    await retry(shop.console, run.id)
    assert (await shop.until_over(shelf_id)).status is Status.COMPLETED


async def test_one_whose_work_was_cancelled_goes_on_and_one_that_goes_on_by_itself_is_left_alone(
    database: Database,
) -> None:
    shop = Shop(database)
    shelf_id = await shop.place()
    run = await shop.run(shelf_id)
    with pytest.raises(ProcessStateForbids):
        await retry(shop.console, run.id)
    await database.write([Write(update(work).values(cancelled=True), {})])
    await shop.worker.until_idle()
    assert (await shop.run(shelf_id)).status is Status.RUNNING
    await retry(shop.console, run.id)
    await shop.worker.until_idle()
    assert (await shop.run(shelf_id)).status is Status.WAITING


async def test_a_step_may_ask_a_context_of_the_same_process_which_commits_by_itself(
    database: Database,
) -> None:
    async def reserve_twice(state: Placement, ports: Ports, key: UUID) -> None:
        for part in ("left", "right"):
            async with SampleUnitOfWork(database) as uow:
                uow.shelves.add(Shelf(id=ShelfId(uuid4()), name=f"{part} {key}"))
                await uow.commit(None)

    shop = Shop(database, changed(reserve_boards={"do": reserve_twice}))
    shelf_id = await shop.place()
    await shop.approve(shelf_id)
    assert (await shop.until_over(shelf_id)).status is Status.COMPLETED


async def test_ended_processes_are_forgotten_some_time_after_and_others_never(database: Database) -> None:
    shop = Shop(database)
    over, waiting = await shop.place(), await shop.place()
    await shop.approve(over)
    await shop.worker.until_idle()
    days = timedelta(days=30)
    await forget_old(database, shop.clock(), Retention(events=None, finished=days, dead=days))
    assert (await shop.run(over)).status is Status.COMPLETED
    await forget_old(database, shop.clock() + days, Retention(events=None, finished=days, dead=days))
    assert await database.all(select(processes.c.key)) == [(str(waiting),)]


async def test_a_worker_that_lost_its_lease_changes_nothing_any_more(database: Database) -> None:
    calls, slow = Counter[str](), asyncio.Event()

    async def dawdle(state: Placement, ports: Ports, key: UUID) -> None:
        calls["done"] += 1
        await ports.elsewhere.make("boards", key)
        if calls["done"] == 1:
            await slow.wait()

    shop = Shop(database, changed(reserve_boards={"do": dawdle}))
    shelf_id = await shop.place()
    await shop.worker.claim()
    [(_, zombie)] = shop.worker.running.values()
    await until(lambda: bool(calls))
    shop.clock.leap_to(shop.clock() + LEASE)
    other = Shop(database, shop.process, shop.elsewhere)
    other.clock.leap_to(shop.clock())
    await other.worker.until_idle()
    before = await shop.run(shelf_id)
    assert (before.status, calls["done"]) == (Status.WAITING, 2)
    slow.set()
    await zombie
    assert (await shop.run(shelf_id)).version == before.version
    assert shop.elsewhere.standing == {"boards": 1, "money": 1}


async def work_among_kills(shop: Shop, elsewhere: Elsewhere, kills: int) -> int:
    """One worker after the other until all is done, the first of them killed. Returns how many were."""
    chance, done = random.Random(7), 0
    while True:
        fate = Fate(chance.randint(1, 10) if done < kills else None)
        life = Shop(MortalDatabase(shop.database, fate), elsewhere=elsewhere)
        life.clock.leap_to(shop.clock())
        done += await killed(life.worker, fate)
        row = await shop.database.first(select(func.min(work.c.available_at)))
        if row is None or row[0] is None:
            return done
        shop.clock.leap_to(max(shop.clock() + LEASE, row[0] + SHORT))


async def test_many_processes_at_once_survive_any_number_of_kills(database: Database) -> None:
    elsewhere, shop = Elsewhere(), Shop(database)
    placed = [await shop.place() for _ in range(120)]
    declined, silent = set(placed[::4]), set(placed[1::8])
    for shelf_id in placed:
        if shelf_id in declined:
            await shop.publish(PaymentDeclined(occurred_at=NOON, shelf_id=shelf_id))
        elif shelf_id not in silent:
            await shop.approve(shelf_id)
    assert await work_among_kills(shop, elsewhere, kills=60) > 10
    for shelf_id in placed:
        run, shelf = await shop.run(shelf_id), await shop.shelf(shelf_id)
        refusal = "card_declined" if shelf_id in declined else "timed_out" if shelf_id in silent else None
        assert run.refusal == refusal
        assert run.status is (Status.COMPLETED if refusal is None else Status.COMPENSATED)
        assert (shelf.count, shelf.aliases) == (int(refusal is None), (refusal or "placed",))
    completed = len(placed) - len(declined) - len(silent)
    assert elsewhere.standing == dict.fromkeys(("boards", "money", "announced"), completed)


async def nothing(state: Letters, ports: None, key: UUID) -> None: ...


@pytest.mark.parametrize(
    "make",
    [
        lambda: Step[Letters, None]("idle"),
        lambda: Step[Letters, None]("undo only", undo=nothing),
        lambda: Step[Letters, None]("commits nothing", commits=True, waits_for=(LETTER,)),
        lambda: Process("letters", Letters, (Step("a", nothing),), within=SHORT),
        lambda: Process[Letters, None]("samples.letters", Letters, (), within=SHORT),
        lambda: Process("samples.letters", Letters, (Step("a", nothing), Step("a", nothing)), within=SHORT),
        lambda: Process("samples.letters", Shelf, (), within=SHORT),
    ],
)
def test_a_process_that_makes_no_sense_is_refused(make: Any) -> None:
    with pytest.raises(TypeError):
        make()


def test_the_product_works_on_the_processes_of_its_contexts_and_hears_their_events(sqlite_url: str) -> None:
    built = Backend.build(Settings(database=DatabaseSettings(url=sqlite_url)))
    first, *rest = built.modules
    backend = Backend(built.platform, (replace(first, processes=(ProcessHandler(PLACEMENT, None),)), *rest))
    names = {handler.name for handler in backend.messaging.handlers}
    assert {f"samples.placement.{what}" for what in ("advance", "expire", "hear")} <= names
    assert "samples.placement.PaymentApproved" in names & {
        each.name for each in backend.messaging.subscriptions
    }
