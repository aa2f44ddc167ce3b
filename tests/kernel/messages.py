"""Workers on the sample context, and short ways to give them something to do."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from bailiwick.kernel.application import Cause, cause
from bailiwick.kernel.database.connections import Database, Row
from bailiwick.kernel.messaging.handlers import Handler, JobHandler, Subscription, delivery, job, readers_of
from bailiwick.kernel.messaging.tables import finished, work
from bailiwick.kernel.messaging.worker import Worker
from tests.kernel.samples import SampleUnitOfWork, Shelf, ShelfBuilt, ShelfId, shelves

React = Callable[[Any], Awaitable[None]]

WAITING = select(work.c.name, work.c.attempts, work.c.available_at, work.c.last_error).order_by(work.c.id)
ENDED = select(finished.c.name, finished.c.outcome, finished.c.attempts, finished.c.error, finished.c.result)


class Watch:
    """A clock that is ahead of the real one by as much as it was told."""

    def __init__(self) -> None:
        self.ahead = datetime.now(UTC) - datetime.now(UTC)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@contextmanager
def caused(why: Cause) -> Iterator[None]:
    """What is done in the block is done for this reason."""
    token = cause.set(why)
    try:
        yield
    finally:
        cause.reset(token)


def subscribe(database: Database, **reacts: React) -> list[Handler]:
    """Handlers for subscribers of ShelfBuilt, and a database that knows them."""
    subscriptions = [Subscription(f"samples.{name}", ShelfBuilt, react) for name, react in reacts.items()]
    database.readers = readers_of(subscriptions)
    return [delivery(subscription) for subscription in subscriptions]


def subscribed(database: Database, watch: Callable[[], datetime], **reacts: React) -> Worker:
    return Worker(database, subscribe(database, **reacts), watch, drain_seconds=0.5)


def working(database: Database, watch: Callable[[], datetime], *jobs: JobHandler) -> Worker:
    return Worker(database, [job(each) for each in jobs], watch, drain_seconds=0.5)


async def publish(database: Database, name: str = "") -> ShelfId:
    shelf = Shelf.build(ShelfId(uuid7()), name or uuid4().hex, datetime.now(UTC))
    async with SampleUnitOfWork(database) as uow:
        uow.shelves.add(shelf)
        return await uow.commit(shelf.id)


def copying(database: Database, calls: Counter[str]) -> React:
    """A subscriber with an effect that can be counted: a second shelf for each one that is built."""

    async def react(event: ShelfBuilt) -> None:
        calls["copied"] += 1
        async with SampleUnitOfWork(database) as uow:
            uow.shelves.add(Shelf(id=ShelfId(uuid4()), name=f"copy {uuid4().hex} of {event.name}"))
            await uow.commit(None)

    return react


async def copies(database: Database) -> int:
    rows = await database.all(select(shelves.c.name))
    return sum(name.startswith("copy ") for (name,) in rows)


async def waiting(database: Database) -> Sequence[Row]:
    return await database.all(WAITING)


async def ended(database: Database) -> Sequence[Row]:
    return await database.all(ENDED)


async def left(database: Database) -> int:
    row = await database.first(select(func.count()).select_from(work))
    return int(row[0]) if row else 0


@asynccontextmanager
async def going(worker: Worker) -> AsyncIterator["asyncio.Task[None]"]:
    """The worker running, until the block is left; then stopped in order."""
    task = asyncio.ensure_future(worker.run())
    yield task
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def until(true: Callable[[], bool], seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - another's progress
            await asyncio.sleep(0.005)
