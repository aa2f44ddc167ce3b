"""Two services with a database each: one writes shelves, the other makes a copy of each that it hears of."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select
from uuid_utils.compat import uuid7

from bailiwick.kernel.application import Unavailable
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.messaging import handlers, publishing
from bailiwick.kernel.messaging.handlers import Subscription
from bailiwick.kernel.messaging.inbox import Inbox
from bailiwick.kernel.messaging.publishing import Publisher
from bailiwick.kernel.messaging.receiving import Receiver
from bailiwick.kernel.messaging.tables import work
from bailiwick.kernel.messaging.transports import Transport, connect
from bailiwick.kernel.messaging.worker import Worker
from bailiwick.kernel.settings.sections import Transport as Options
from tests.kernel.samples import SampleUnitOfWork, Shelf, ShelfBuilt, ShelfId, shelves

TYPE = "kernel.ShelfBuilt"
CONTEXT = "kernel"
READER = "reading.copy"
WAITING = select(work.c.id).limit(1)
COPIES = select(shelves.c.name).order_by(shelves.c.id)

Loop = Callable[[], Awaitable[None]]


def now() -> datetime:
    return datetime.now(UTC)


def transport_at(url: str, prefix: str) -> Transport:
    return connect(Options(url=url, prefix=prefix))


@asynccontextmanager
async def running(*loops: Loop) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(loop()) for loop in loops]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
                raise AssertionError("it ended by itself")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(what: Callable[[], Awaitable[bool]], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not await what():  # noqa: ASYNC110  # another process may be the one that does it
            await asyncio.sleep(0.05)


class Writing:
    """Records `events` events on each of its shelves: `<shelf>/<number>`."""

    def __init__(self, database: Database, transport: Transport) -> None:
        self.database = database
        database.readers = publishing.readers_of([TYPE])
        self.publisher = Publisher(database, transport, [TYPE], now, timedelta(days=7))
        self.names: list[str] = []

    async def write(self, shelf_count: int, events: int) -> None:
        await asyncio.gather(*(self._one(f"{uuid4().hex[:8]}", events) for _ in range(shelf_count)))

    async def _one(self, name: str, events: int) -> None:
        id = ShelfId(uuid7())
        for number in range(events):
            async with SampleUnitOfWork(self.database) as uow:
                if number:
                    shelf = await uow.shelves.get(id)
                    shelf.count = number
                else:
                    shelf = Shelf(id=id, name=name)
                    uow.shelves.add(shelf)
                event = f"{name}/{number}"
                shelf.announce(ShelfBuilt(occurred_at=now(), shelf_id=id, name=event))
                await uow.commit(None)
            self.names.append(event)


class Reading:
    """Makes a shelf for each event, with a name of its own: a second effect would be seen."""

    def __init__(self, database: Database, transport: Transport, delay: float = 0.0) -> None:
        self.database, self._delay = database, delay
        self.inbox = Inbox(database, {TYPE: [READER]}, now)
        subscription = Subscription(READER, ShelfBuilt, self._copy)
        known = [handlers.delivery(subscription), self.inbox.handler(CONTEXT)]
        self.worker = Worker(database, known, now, drain_seconds=1)
        self.receiver = Receiver(database, transport, self.inbox, "reading", [CONTEXT], lease=2)

    async def _copy(self, event: ShelfBuilt) -> None:
        await asyncio.sleep(random.uniform(0, self._delay))
        async with SampleUnitOfWork(self.database) as uow:
            uow.shelves.add(Shelf(id=ShelfId(uuid7()), name=f"{event.name} {uuid4().hex}"))
            await uow.commit(None)

    async def copies(self) -> list[str]:
        return [name.partition(" ")[0] for (name,) in await self.database.all(COPIES)]

    async def has(self, names: list[str]) -> bool:
        try:
            return len(await self.copies()) >= len(names)
        except Unavailable:
            return False

    async def check(self, names: list[str]) -> None:
        """Each exactly once, and those of a shelf in their order."""
        copies = await self.copies()
        assert sorted(copies) == sorted(names)
        by_shelf: dict[str, list[int]] = defaultdict(list)
        for copy in copies:
            shelf, _, number = copy.partition("/")
            by_shelf[shelf].append(int(number))
        for numbers in by_shelf.values():
            assert numbers == sorted(numbers)


def an_event(**changes: Any) -> dict[str, Any]:
    """An envelope as plain data."""
    shelf: UUID = uuid4()
    payload = {"occurred_at": now().isoformat(), "shelf_id": str(shelf), "name": "a/0", "labels": []}
    return {
        "id": str(uuid7()),
        "type": TYPE,
        "schema": 1,
        "payload": payload,
        "occurred_at": payload["occurred_at"],
        "aggregate_id": str(shelf),
        "aggregate_version": 1,
        "position": 0,
        "actor_id": None,
        "correlation_id": "c",
    } | changes
