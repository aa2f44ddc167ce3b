"""Jobs: enqueued with the change that wants them, run later, with one effect and a result."""

import asyncio
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar
from uuid import uuid4

from sqlalchemy import select, update

from bailiwick.kernel.application import Contention, Unavailable
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.jobs import Job, Priority, report
from bailiwick.kernel.messaging.handlers import JobHandler
from bailiwick.kernel.messaging.queue import LEASE
from bailiwick.kernel.messaging.tables import finished, work
from bailiwick.kernel.messaging.worker import Worker
from tests.kernel.messages import Watch, copies, ended, left, until, working
from tests.kernel.samples import NameTaken, SampleUnitOfWork, Shelf, ShelfId


@dataclass(frozen=True)
class Paint(Job):
    colour: str


@dataclass(frozen=True)
class Restock(Job):
    """Commits after every shelf."""

    shelves: int

    queue: ClassVar[str] = "slow"
    one_commit: ClassVar[bool] = False


@dataclass(frozen=True)
class Painted:
    colour: str
    coats: int


async def enqueue(database: Database, *jobs: Job, **options: Any) -> None:
    async with SampleUnitOfWork(database) as uow:
        for job in jobs:
            uow.enqueue(job, **options)
        await uow.commit(None)


def painting(done: list[str]) -> JobHandler:
    async def paint(command: Paint) -> Painted:
        done.append(command.colour)
        return Painted(command.colour, coats=2)

    return JobHandler(Paint, paint)


async def test_a_job_runs_after_its_commit_and_keeps_its_result(database: Database) -> None:
    done: list[str] = []
    worker = working(database, Watch(), painting(done))
    async with SampleUnitOfWork(database) as uow:
        uow.enqueue(Paint("blue"))
        assert await worker.until_idle() == 0
        await uow.commit(None)
    await worker.until_idle()
    assert done == ["blue"]
    assert await ended(database) == [("kernel.Paint", "succeeded", 1, None, {"colour": "blue", "coats": 2})]


async def test_a_unit_of_work_that_stores_nothing_enqueues_nothing(database: Database) -> None:
    with suppress(NameTaken):
        async with SampleUnitOfWork(database) as uow:
            uow.enqueue(Paint("blue"))
            raise NameTaken("no")
    assert await left(database) == 0


async def test_a_job_and_what_it_stores_end_together(database: Database) -> None:
    calls: Counter[str] = Counter()

    async def paint(command: Paint) -> None:
        calls["run"] += 1
        async with SampleUnitOfWork(database) as uow:
            uow.shelves.add(Shelf(id=ShelfId(uuid4()), name=f"copy {command.colour}"))
            await uow.commit(None)
        raise OSError  # after the commit, it is too late to fail

    worker = working(database, Watch(), JobHandler(Paint, paint))
    await enqueue(database, Paint("blue"))
    await worker.until_idle()
    assert (calls["run"], await copies(database), await left(database)) == (1, 1, 0)
    assert [row[1] for row in await ended(database)] == ["succeeded"]


async def test_a_plain_function_gets_a_thread(database: Database) -> None:
    threads: list[str] = []

    def paint(command: Paint) -> str:
        threads.append(threading.current_thread().name)
        return command.colour

    worker = working(database, Watch(), JobHandler(Paint, paint))
    await enqueue(database, Paint("blue"))
    await worker.until_idle()
    assert [row[4] for row in await ended(database)] == ["blue"]
    assert threads != [threading.main_thread().name]


async def test_a_delayed_job_waits(database: Database) -> None:
    done: list[str] = []
    watch = Watch()
    worker = working(database, watch, painting(done))
    await enqueue(database, Paint("later"), delay=timedelta(minutes=5))
    await enqueue(database, Paint("now"))
    await worker.until_idle()
    assert done == ["now"]
    watch.ahead = timedelta(minutes=6)
    await worker.until_idle()
    assert done == ["now", "later"]


async def test_what_is_urgent_runs_first(database: Database) -> None:
    @dataclass(frozen=True)
    class One(Job):
        colour: str

        queue: ClassVar[str] = "single"
        at_once: ClassVar[int] = 1

    done: list[str] = []

    async def paint(command: One) -> None:
        done.append(command.colour)

    worker = working(database, Watch(), JobHandler(One, paint))
    for colour, priority in (("low", Priority.LOW), ("normal", Priority.NORMAL), ("high", Priority.HIGH)):
        await enqueue(database, One(colour), priority=priority)
    await worker.until_idle()
    assert done == ["high", "normal", "low"]


async def test_jobs_with_one_key_run_one_after_the_other_in_their_order(database: Database) -> None:
    running: Counter[str] = Counter()
    done: list[str] = []

    async def paint(command: Paint) -> None:
        running["now"] += 1
        assert running["now"] == 1
        await asyncio.sleep(0.01)
        running["now"] -= 1
        done.append(command.colour)

    workers = [working(database, Watch(), JobHandler(Paint, paint)) for _ in range(2)]
    for colour in "abcdef":
        await enqueue(database, Paint(colour), key="one wall")
    while await left(database):
        await asyncio.gather(*(worker.until_idle() for worker in workers))
    assert done == list("abcdef")


async def test_while_a_unique_job_waits_or_runs_there_is_no_second(database: Database) -> None:
    done: list[str] = []
    worker = working(database, Watch(), painting(done))
    for colour in ("first", "second"):
        await enqueue(database, Paint(colour), unique="the wall")
    await worker.until_idle()
    await enqueue(database, Paint("third"), unique="the wall")
    await worker.until_idle()
    assert done == ["first", "third"]


async def test_of_a_unique_job_that_many_want_at_once_there_is_one(database: Database) -> None:
    async def want(colour: str) -> None:
        try:
            await enqueue(database, Paint(colour), unique="the wall")
        except Contention:
            await enqueue(database, Paint(colour), unique="the wall")

    await asyncio.gather(*(want(str(i)) for i in range(20)))
    assert await left(database) == 1


async def test_a_job_of_several_steps_commits_as_often_as_it_wants_while_it_is_its_own(
    database: Database,
) -> None:
    calls: Counter[str] = Counter()

    async def restock(command: Restock) -> int:
        calls["run"] += 1
        for i in range(command.shelves):
            if i == 2 and calls["run"] == 1:
                # Somebody else has taken over, for we stood still.
                await database.write([Write(update(work).values(leased_by=uuid4()), {})])
            async with SampleUnitOfWork(database) as uow:
                uow.shelves.add(Shelf(id=ShelfId(uuid4()), name=f"copy {calls['run']}.{i}"))
                await uow.commit(None)
        return command.shelves

    watch = Watch()
    worker = working(database, watch, JobHandler(Restock, restock))
    await enqueue(database, Restock(4))
    await worker.until_idle()
    assert (await copies(database), await left(database)) == (2, 1)
    watch.ahead = LEASE * 2
    await worker.until_idle()
    assert (calls["run"], await copies(database), await left(database)) == (2, 6, 0)
    assert [row[1] for row in await ended(database)] == ["succeeded"]


async def test_a_job_that_takes_too_long_is_ended_and_tried_again(database: Database) -> None:
    @dataclass(frozen=True)
    class Hang(Job):
        time_limit: ClassVar[timedelta] = timedelta(seconds=0.05)

    async def hang(command: Hang) -> None:
        await asyncio.sleep(10)

    worker = working(database, Watch(), JobHandler(Hang, hang))
    await enqueue(database, Hang())
    await worker.until_idle()
    [(attempts, error)] = await database.all(select(work.c.attempts, work.c.last_error))
    assert (attempts, error) == (1, "TimeoutError")


async def test_a_running_job_tells_how_far_it_is(database: Database) -> None:
    told, go_on = asyncio.Event(), asyncio.Event()

    async def paint(command: Paint) -> None:
        await report(0.5, "one side")
        told.set()
        await go_on.wait()

    worker = working(database, Watch(), JobHandler(Paint, paint))
    await enqueue(database, Paint("blue"))
    running = asyncio.ensure_future(worker.until_idle())
    await told.wait()
    assert await database.all(select(work.c.progress)) == [({"done": 0.5, "note": "one side"},)]
    go_on.set()
    await running


async def test_a_running_job_that_an_operator_cancels_ends_with_the_next_heartbeat(
    database: Database,
) -> None:
    begun = asyncio.Event()

    async def paint(command: Paint) -> None:
        begun.set()
        await asyncio.sleep(60)

    watch = Watch()
    worker = working(database, watch, JobHandler(Paint, paint))
    await enqueue(database, Paint("blue"))
    await worker.claim()
    await begun.wait()
    await database.write([Write(update(work).values(cancelled=True), {})])
    watch.ahead = LEASE / 2
    await worker.beat()
    await until(lambda: not worker.running)
    assert [row[1] for row in await ended(database)] == ["cancelled"]
    assert await left(database) == 0


async def test_a_job_fails_into_the_dead_letters_with_its_reason(database: Database) -> None:
    @dataclass(frozen=True)
    class Once(Job):
        most_attempts: ClassVar[int] = 1

    async def fail(command: Once) -> None:
        raise Unavailable("the printer is out of paper")

    worker = working(database, Watch(), JobHandler(Once, fail))
    await enqueue(database, Once())
    await worker.until_idle()
    assert await ended(database) == [
        ("kernel.Once", "dead", 1, "Unavailable: the printer is out of paper", None)
    ]


async def test_a_worker_without_handlers_has_nothing_to_do(database: Database) -> None:
    await Worker(database, [], Watch()).run()
    assert await database.all(select(finished.c.id)) == []
