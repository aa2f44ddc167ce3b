"""The dispatcher: what it hands over, and when; and that what was handed over is taken once."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import bindparam, delete, insert, select, update
from structlog.testing import capture_logs

from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.jobs import Priority
from bailiwick.kernel.messaging import worker as worker_module
from bailiwick.kernel.messaging.celery_broker import queues_of
from bailiwick.kernel.messaging.dispatching import BrokerDown, Dispatcher, Message
from bailiwick.kernel.messaging.handlers import JobHandler, Subscription, delivery, job
from bailiwick.kernel.messaging.queue import CLAIMED, HANDED_OVER, LEASE
from bailiwick.kernel.messaging.tables import CANCELLED, SUCCEEDED, pauses, work
from bailiwick.kernel.messaging.worker import GONE, Worker
from bailiwick.kernel.operations.commands import cancel
from bailiwick.kernel.operations.console import Console
from bailiwick.kernel.operations.lists import Kind
from bailiwick.kernel.operations.why import explain
from bailiwick.kernel.settings.sections import Celery
from tests.kernel.messages import Watch, copies, copying, ended, left, until, working
from tests.kernel.samples import NOON, ShelfBuilt, ShelfId
from tests.kernel.test_jobs import Paint, Restock, enqueue

RESEND = timedelta(minutes=3)
REPAINT = work.c.name == "kernel.Paint"


class Box:
    """A broker that keeps what it is sent, until it is taken out; or is down."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.down = False
        self.looks = 0

    def waiting(self, queues: Sequence[str]) -> list[int]:
        self.looks += 1
        if self.down:
            raise BrokerDown("the box is shut")
        return [sum(message[2] == queue for message in self.messages) for queue in queues]

    def send(self, messages: Sequence[Message]) -> None:
        if self.down:
            raise BrokerDown("the box is shut")
        self.messages += messages

    def empty(self) -> list[UUID]:
        ids = [id for id, _, _ in self.messages]
        self.messages.clear()
        return ids


class ShutWhileSending(Box):
    def send(self, messages: Sequence[Message]) -> None:
        super().send(messages[:1])
        raise BrokerDown("the box was shut")


def dispatcher(database: Database, box: Box, watch: Watch, most_waiting: int = 100) -> Dispatcher:
    return Dispatcher(database, box, [Paint.queue], watch, most_waiting, RESEND)


def painting(database: Database, calls: Counter[str]) -> JobHandler:
    copy = copying(database, calls)

    async def paint(command: Paint) -> None:
        await copy(ShelfBuilt(occurred_at=NOON, shelf_id=ShelfId(UUID(int=1)), name=command.colour))

    return JobHandler(Paint, paint)


async def test_what_is_due_is_sent_once_and_taken_once(database: Database) -> None:
    box, watch, calls = Box(), Watch(), Counter[str]()
    sender, worker = dispatcher(database, box, watch), working(database, watch, painting(database, calls))
    await enqueue(database, Paint("red"), Paint("blue"), Restock(1))
    assert await sender.hand_over() == 2
    assert await sender.hand_over() == 0
    assert (
        await database.all(select(work.c.leased_by, work.c.attempts).where(REPAINT)) == [(HANDED_OVER, 0)] * 2
    )
    assert [message[1:] for message in box.messages] == [("kernel.Paint", "default")] * 2
    assert await worker.claim() == 0, "it is for others"
    assert [await worker.take(id) for id in box.empty() * 2] == [SUCCEEDED, SUCCEEDED, GONE, GONE]
    assert (calls["copied"], await copies(database), await left(database)) == (2, 2, 1)
    assert [row[1:3] for row in await ended(database)] == [(SUCCEEDED, 1)] * 2


async def taken_by_two_at_once(database: Database, patience: float) -> Counter[str]:
    """What two workers say that get the same message at the same time, and how often the job was begun.

    Who has begun it waits so many seconds for the other one to begin it, too.
    """
    box, watch, calls = Box(), Watch(), Counter[str]()
    both_begun = asyncio.Event()

    async def paint(command: Paint) -> None:
        calls["begun"] += 1
        if calls["begun"] == 2:
            both_begun.set()
        try:
            async with asyncio.timeout(patience):
                await both_begun.wait()
        except TimeoutError:
            pass

    await enqueue(database, Paint("red"))
    await dispatcher(database, box, watch).hand_over()
    [id] = box.empty()
    workers = [working(database, watch, JobHandler(Paint, paint)) for _ in range(2)]
    calls.update(await asyncio.gather(*(worker.take(id) for worker in workers)))
    return calls


async def test_of_two_workers_with_the_same_message_one_begins(database: Database) -> None:
    assert await taken_by_two_at_once(database, 0.3) == {"begun": 1, SUCCEEDED: 1, GONE: 1}


async def test_a_taking_that_does_not_look_who_has_it_is_noticed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    careless = (
        update(work)
        .where(work.c.id == bindparam("which", type_=work.c.id.type))
        .values(leased_by=bindparam("holder"), leased_until=bindparam("lease"))
        .returning(*CLAIMED)
    )
    monkeypatch.setattr(worker_module, "TAKE", careless)
    assert (await taken_by_two_at_once(database, 10))["begun"] == 2


async def test_what_nobody_began_in_time_is_sent_again(database: Database) -> None:
    box, watch, calls = Box(), Watch(), Counter[str]()
    sender, worker = dispatcher(database, box, watch), working(database, watch, painting(database, calls))
    await enqueue(database, Paint("red"))
    await sender.hand_over()
    lost = box.empty()
    watch.ahead = RESEND - timedelta(seconds=5)
    assert await sender.hand_over() == 0
    watch.ahead = RESEND + timedelta(seconds=5)
    assert await sender.hand_over() == 1
    assert box.messages[0][0] == lost[0]
    # The first message was only slow: whichever comes first is good.
    assert [await worker.take(id) for id in lost + box.empty()] == [SUCCEEDED, GONE]


async def test_what_a_dead_worker_took_is_sent_again_after_its_lease(database: Database) -> None:
    box, watch, calls = Box(), Watch(), Counter[str]()
    sender, worker = dispatcher(database, box, watch), working(database, watch, painting(database, calls))
    await enqueue(database, Paint("red"))
    await sender.hand_over()
    await database.write(
        [Write(update(work).values(leased_by=UUID(int=7), leased_until=watch() + LEASE), {})]
    )
    assert await worker.take(box.empty()[0]) == GONE
    watch.ahead = LEASE + timedelta(seconds=1)
    assert await sender.hand_over() == 1
    assert await worker.take(box.empty()[0]) == SUCCEEDED


async def test_the_backlog_stays_in_the_database(database: Database) -> None:
    box, watch = Box(), Watch()
    sender = dispatcher(database, box, watch, most_waiting=3)
    await enqueue(database, *(Paint(str(number)) for number in range(5)))
    await enqueue(database, Paint("urgent"), priority=Priority.HIGH)
    assert [await sender.hand_over(), await sender.hand_over()] == [3, 0]
    [urgent] = await database.all(select(work.c.id).where(work.c.priority == int(Priority.HIGH)))
    assert urgent[0] in box.empty()[:1]
    assert await sender.hand_over() == 3


async def test_of_one_key_one_is_handed_over_at_a_time(database: Database) -> None:
    box, watch, calls = Box(), Watch(), Counter[str]()
    sender, worker = dispatcher(database, box, watch), working(database, watch, painting(database, calls))
    for colour in "abc":
        await enqueue(database, Paint(colour), key="one wall")
    for _ in range(3):
        assert await sender.hand_over() == 1
        assert await sender.hand_over() == 0
        assert await worker.take(box.empty()[0]) == SUCCEEDED


async def test_what_was_sent_before_its_queue_was_paused_goes_back(database: Database) -> None:
    box, watch, calls = Box(), Watch(), Counter[str]()
    sender, worker = dispatcher(database, box, watch), working(database, watch, painting(database, calls))
    await enqueue(database, Paint("red"))
    await sender.hand_over()
    row = {"queue": Paint.queue, "paused_at": NOON, "paused_by": "ada", "reason": "rain"}
    await database.write([Write(insert(pauses), row)])
    assert await worker.take(box.empty()[0]) == GONE
    assert await sender.hand_over() == 0
    await database.write([Write(delete(pauses), {})])
    assert await sender.hand_over() == 1
    assert await worker.take(box.empty()[0]) == SUCCEEDED


async def test_what_was_cancelled_meanwhile_is_not_begun(database: Database) -> None:
    box, watch, calls = Box(), Watch(), Counter[str]()
    await enqueue(database, Paint("red"))
    await dispatcher(database, box, watch).hand_over()
    await database.write([Write(update(work).values(cancelled=True), {})])
    assert await working(database, watch, painting(database, calls)).take(box.empty()[0]) == CANCELLED
    assert not calls


async def test_what_fails_says_why_and_is_sent_again_when_it_is_due(database: Database) -> None:
    box, watch, calls = Box(), Watch(), Counter[str]()

    async def fail(command: Paint) -> None:
        calls["begun"] += 1
        raise KeyError

    sender, worker = dispatcher(database, box, watch), working(database, watch, JobHandler(Paint, fail))
    await enqueue(database, Paint("red"))
    await sender.hand_over()
    [id] = box.empty()
    assert await worker.take(id) == "retrying: KeyError"
    assert await worker.take(id) == GONE, "it is not due"
    assert await sender.hand_over() == 0
    watch.ahead = timedelta(seconds=5)
    assert await sender.hand_over() == 1


async def test_what_could_not_be_sent_goes_back(database: Database) -> None:
    box, watch = ShutWhileSending(), Watch()
    await enqueue(database, Paint("red"), Paint("blue"))
    with pytest.raises(BrokerDown):
        await dispatcher(database, box, watch).hand_over()
    assert await database.all(select(work.c.leased_by, work.c.attempts)) == [(None, 0)] * 2
    assert len(box.messages) == 1, "it finds nothing to take, until it is sent again"


async def test_a_broker_that_is_away_is_told_of_once_and_found_again(database: Database) -> None:
    box, watch = Box(), Watch()
    box.down = True
    with capture_logs() as logs:
        running = asyncio.ensure_future(dispatcher(database, box, watch).run())
        await enqueue(database, Paint("red"))
        await until(lambda: box.looks >= 3)
        box.down = False
        await until(lambda: bool(box.messages))
        await asyncio.sleep(0.05)
        running.cancel()
    assert [line["event"] for line in logs] == ["broker_down", "broker_up"]


async def test_a_dispatcher_that_many_commits_wake_for_nothing_takes_its_time(database: Database) -> None:
    box, watch = Box(), Watch()
    running = asyncio.ensure_future(dispatcher(database, box, watch).run())
    database.work_added.set()
    await asyncio.sleep(0.5)
    running.cancel()
    assert 2 <= box.looks <= 25


def test_jobs_that_share_a_queue_with_something_else_stay_with_our_worker() -> None:
    async def nothing(message: Any) -> None: ...

    jobs = [job(JobHandler(Paint, nothing)), job(JobHandler(Restock, nothing))]
    options = Celery(url="redis://127.0.0.1:1/0")
    assert queues_of(options, jobs) == {"default", "slow"}
    beside = delivery(Subscription("slow.reader", ShelfBuilt, nothing))
    assert queues_of(options, [*jobs, beside]) == {"default"}
    assert queues_of(Celery(), jobs) == frozenset()


async def test_operators_see_and_cancel_what_was_handed_over(database: Database) -> None:
    box, watch, calls = Box(), Watch(), Counter[str]()
    handler = job(painting(database, calls))
    await enqueue(database, Paint("red"))
    await dispatcher(database, box, watch).hand_over()
    [id] = box.empty()
    console = Console(database, watch, [handler])
    explained = await explain(console, Kind.JOB, id)
    assert ([reason.code for reason in explained.reasons], explained.state) == (["handed_over"], "waiting")
    await cancel(console, Kind.JOB, id)
    assert await Worker(database, [handler], watch).take(id) == GONE
    assert [row[1] for row in await ended(database)] == [CANCELLED]
