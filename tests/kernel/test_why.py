"""Why has this not run? Every obstacle is made real, named, taken away, and then it runs."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update
from uuid_utils.compat import uuid7

from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.domain import NotFound
from bailiwick.kernel.jobs import GiveUp, Job, report
from bailiwick.kernel.messaging.handlers import JobHandler, Subscription, job, readers_of
from bailiwick.kernel.messaging.queue import LEASE
from bailiwick.kernel.messaging.readers import Readers
from bailiwick.kernel.messaging.tables import work
from bailiwick.kernel.messaging.worker import Worker
from bailiwick.kernel.operations import commands, why
from bailiwick.kernel.operations.console import Console
from bailiwick.kernel.operations.lists import Kind
from bailiwick.kernel.operations.queues import SEEN_WITHIN
from bailiwick.kernel.operations.why import PATIENCE, Explanation, explain
from tests.kernel.messages import Watch, publish, subscribe
from tests.kernel.samples import SampleUnitOfWork, Shelf, ShelfBuilt, ShelfId

LATER = timedelta(minutes=10)


@dataclass(frozen=True)
class Paint(Job):
    colour: str

    queue: ClassVar[str] = "paint"
    at_once: ClassVar[int] = 1


@dataclass(frozen=True)
class Sand(Paint):
    """Nobody handles it."""


class Shop:
    """A console, a worker that paints, and a gate through which each coat has to go."""

    def __init__(self, database: Database) -> None:
        self.database, self.watch, self.painted = database, Watch(), list[str]()
        self.open, self.coated, self.fails = asyncio.Event(), asyncio.Event(), dict[str, Exception]()
        self.open.set()
        self.handlers = [job(JobHandler(Paint, self._paint))]
        self.console = Console(database, self.watch, self.handlers)
        self.worker = Worker(database, self.handlers, self.watch, drain_seconds=0.2)

    async def _paint(self, command: Paint) -> str:
        if command.colour in self.fails:
            raise self.fails[command.colour]
        await report(0.5, "first coat")
        self.coated.set()
        await self.open.wait()
        self.painted.append(command.colour)
        return command.colour

    async def wants(self, command: Job, **options: Any) -> UUID:
        async with SampleUnitOfWork(self.database) as uow:
            id = uow.enqueue(command, **options)
            await uow.commit(None)
        return id

    async def starts(self) -> None:
        """Let the worker take what it can, and leave it running, with its first coat."""
        await self.worker.claim()
        async with asyncio.timeout(10):
            await self.coated.wait()

    async def asked(self, id: UUID, kind: Kind = Kind.JOB) -> Explanation:
        return await explain(self.console, kind, id)

    async def codes(self, id: UUID, kind: Kind = Kind.JOB) -> list[str]:
        return [each.code for each in (await self.asked(id, kind)).reasons]

    async def change(self, **values: Any) -> None:
        await self.database.write([Write(update(work).values(**values), {})])

    async def closes(self) -> None:
        self.open.set()
        await asyncio.wait([task for _, task in self.worker.running.values()])


@pytest.fixture
def shop(database: Database) -> Shop:
    return Shop(database)


async def test_what_is_due_says_so_and_runs(shop: Shop) -> None:
    id = await shop.wants(Paint("red"))
    assert await shop.codes(id) == ["due"]
    await shop.worker.until_idle()
    told = await shop.asked(id)
    assert (told.state, [each.code for each in told.reasons]) == ("succeeded", ["succeeded"])
    assert "at attempt 1" in told.answer


async def test_what_is_not_due_says_until_when(shop: Shop) -> None:
    id = await shop.wants(Paint("red"), delay=LATER)
    assert await shop.worker.until_idle() == 0
    told = await shop.asked(id)
    assert [each.code for each in told.reasons] == ["not_due"]
    assert told.reasons[0].facts["due_at"] > shop.watch() + LATER / 2
    shop.watch.ahead = LATER
    assert await shop.codes(id) != ["not_due"]
    assert await shop.worker.until_idle() == 1


async def test_what_failed_says_why_and_when_it_is_tried_again(shop: Shop) -> None:
    shop.fails["red"] = OSError()
    id = await shop.wants(Paint("red"))
    await shop.worker.until_idle()
    told = await shop.asked(id)
    assert (told.state, [each.code for each in told.reasons]) == ("retrying", ["retrying"])
    assert "failed at 1 attempt, last because of OSError; it is tried again at" in told.answer


async def test_what_was_given_up_says_why_and_what_to_do(shop: Shop) -> None:
    shop.fails["red"] = GiveUp("no such colour")
    id = await shop.wants(Paint("red"))
    await shop.worker.until_idle()
    told = await shop.asked(id)
    assert (told.state, [each.code for each in told.reasons]) == ("dead", ["dead"])
    assert "after 1 attempt, because of GiveUp: no such colour. Replay it" in told.answer


async def test_what_was_cancelled_says_when(shop: Shop) -> None:
    id = await shop.wants(Paint("red"))
    await commands.cancel(shop.console, Kind.JOB, id)
    assert await shop.codes(id) == ["cancelled"]
    assert await shop.worker.until_idle() == 0


async def stopped_for(shop: Shop) -> list[str]:
    """What is said about a job in a paused queue, which no worker takes; once it goes on, it runs."""
    id = await shop.wants(Paint("red"))
    await commands.pause(shop.console, "paint", "ada", "the floor is wet")
    shop.watch.ahead = PATIENCE * 2
    assert await shop.worker.until_idle() == 0
    told = await shop.asked(id)
    await commands.resume(shop.console, "paint")
    assert await shop.worker.until_idle() == 1
    return [
        f"{each.code}: {each.facts.get('paused_by')}, {each.facts.get('reason')}" for each in told.reasons
    ]


async def test_a_paused_queue_is_named_with_who_paused_it_and_why(shop: Shop) -> None:
    assert await stopped_for(shop) == ["paused: ada, the floor is wet"]


async def test_an_explanation_that_overlooks_pauses_is_noticed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def overlooked(*_: object) -> None:
        return None

    monkeypatch.setattr(why, "_paused", overlooked)
    assert await stopped_for(shop) == ["no_worker: None, None"]


async def test_what_waits_behind_another_of_its_key_is_told_about_that_one(shop: Shop) -> None:
    shop.fails["red"] = OSError()
    first = await shop.wants(Paint("red"), key="wall")
    second = await shop.wants(Paint("blue"), key="wall")
    third = await shop.wants(Paint("green"), key="wall")
    other = await shop.wants(Paint("white"), key="ceiling")
    await shop.worker.until_idle()
    assert shop.painted == ["white"]
    assert await shop.codes(other) == ["succeeded"]
    told = await shop.asked(third)
    [behind] = told.reasons
    assert (behind.code, behind.facts["first"], behind.facts["ahead"]) == ("behind", first, 2)
    assert [each.code for each in behind.facts["first_reasons"]] == ["retrying"]
    assert f"behind 2 others of the same key, wall. The first is {first}: It has failed" in told.answer
    shop.fails.clear()
    await commands.retry(shop.console, Kind.JOB, first)
    await shop.worker.until_idle()
    assert shop.painted == ["white", "red", "blue", "green"]
    assert await shop.codes(second) == ["succeeded"]


async def test_what_runs_says_where_how_far_and_until_when(shop: Shop) -> None:
    shop.open.clear()
    id = await shop.wants(Paint("red"))
    await shop.starts()
    told = await shop.asked(id)
    [running] = told.reasons
    assert (told.state, running.code, running.facts["worker"]) == ("running", "running", shop.worker.id)
    assert running.facts["progress"] == {"done": 0.5, "note": "first coat"}
    assert running.facts["leased_until"] <= shop.watch() + LEASE
    await commands.cancel(shop.console, Kind.JOB, id)
    assert await shop.codes(id) == ["being_cancelled"]
    shop.watch.ahead = LEASE / 4
    await shop.worker.beat()
    await shop.closes()
    assert (await shop.codes(id), shop.painted) == (["cancelled"], [])


async def test_where_all_places_are_taken_the_number_is_told(shop: Shop) -> None:
    shop.open.clear()
    await shop.wants(Paint("red"))
    second = await shop.wants(Paint("blue"))
    await shop.starts()
    told = await shop.asked(second)
    assert [each.code for each in told.reasons] == ["no_free_place"]
    assert "All 1 places of the queue paint are taken, in 1 worker" in told.answer
    await shop.closes()
    assert await shop.codes(second) == ["due"]
    assert await shop.worker.until_idle() == 1


async def test_what_a_dead_worker_had_says_that_its_lease_ran_out(shop: Shop) -> None:
    id = await shop.wants(Paint("red"))
    gone = uuid7()
    await shop.change(leased_by=gone, leased_until=shop.watch(), attempts=1)
    shop.watch.ahead = timedelta(seconds=1)
    told = await shop.asked(id)
    assert [each.code for each in told.reasons] == ["lease_ran_out", "due"]
    assert f"Worker {gone} had it, at attempt 1, and is gone" in told.answer
    assert await shop.worker.until_idle() == 1


async def test_where_no_worker_runs_that_is_said(shop: Shop) -> None:
    id = await shop.wants(Paint("red"))
    shop.watch.ahead = PATIENCE * 2
    told = await shop.asked(id)
    assert [each.code for each in told.reasons] == ["no_worker"]
    assert "bailiwick worker" in told.answer


async def test_a_job_without_a_handler_here_says_so(shop: Shop) -> None:
    id = await shop.wants(Sand("red"))
    assert await shop.codes(id) == ["no_handler"]
    await shop.worker.until_idle()
    told = await shop.asked(id)
    assert [each.code for each in told.reasons] == ["retrying", "no_handler"]
    assert "no handler for kernel.Sand in the queue paint" in told.answer


async def test_several_obstacles_are_all_told(shop: Shop) -> None:
    await shop.wants(Paint("red"), key="wall", delay=LATER)
    id = await shop.wants(Paint("blue"), key="wall", delay=LATER)
    await commands.pause(shop.console, "paint", "ada", "wet")
    assert await shop.codes(id) == ["paused", "behind", "not_due"]


async def ignore(event: ShelfBuilt) -> None: ...


async def fail(event: ShelfBuilt) -> None:
    raise OSError


async def message_of(database: Database) -> UUID:
    row = await database.first(select(work.c.id).order_by(work.c.sequence.desc(), work.c.id))
    assert row is not None
    id: UUID = row[0]
    return id


async def test_a_message_waits_behind_the_earlier_events_of_its_aggregate(shop: Shop) -> None:
    database = shop.database
    handlers = subscribe(database, hear=fail)
    await Readers(
        database, readers_of([Subscription("samples.hear", ShelfBuilt, fail)]), shop.watch
    ).register()
    shelf = Shelf.build(ShelfId(uuid4()), "oak", shop.watch())
    shelf.announce(ShelfBuilt(occurred_at=shop.watch(), shelf_id=shelf.id, name="again"))
    async with SampleUnitOfWork(database) as uow:
        uow.shelves.add(shelf)
        await uow.commit(None)
    await Worker(database, handlers, shop.watch).until_idle()
    told = await shop.asked(await message_of(database), Kind.MESSAGE)
    assert [each.code for each in told.reasons] == ["behind"]
    assert (told.reasons[0].facts["key"], told.queue) == (str(shelf.id), "samples")


async def test_a_message_for_a_reader_that_no_worker_knows_says_so(shop: Shop) -> None:
    database, name = shop.database, "samples.hear"
    handlers = subscribe(database, hear=ignore)
    register = Readers(database, readers_of([Subscription(name, ShelfBuilt, ignore)]), shop.watch)
    await register.register()
    await publish(database)
    id = await message_of(database)
    assert await shop.codes(id, Kind.MESSAGE) == ["due"]
    shop.watch.ahead = SEEN_WITHIN + timedelta(seconds=1)
    assert await shop.codes(id, Kind.MESSAGE) == ["reader_not_seen"]
    await register.seen()
    assert await shop.codes(id, Kind.MESSAGE) == ["no_worker"]
    await commands.forget_reader(shop.console, name)
    assert await shop.codes(id, Kind.MESSAGE) == ["no_reader"]
    assert await Worker(database, handlers, shop.watch).until_idle() == 1
    with pytest.raises(NotFound, match="one that was delivered is not kept"):
        await shop.asked(id, Kind.MESSAGE)


async def test_a_job_is_no_message_and_what_is_not_there_is_not_found(shop: Shop) -> None:
    id = await shop.wants(Paint("red"))
    for wrong, kind in ((id, Kind.MESSAGE), (uuid7(), Kind.JOB)):
        with pytest.raises(NotFound):
            await shop.asked(wrong, kind)
