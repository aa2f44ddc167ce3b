"""Defects of a worker by name. The variable PLANT says which one this process has."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import false

from bailiwick.kernel.audit.sealing import Sealer
from bailiwick.kernel.failpoints import reached
from bailiwick.kernel.messaging import processes, queue, worker
from bailiwick.kernel.messaging.inbox import Delivery, Inbox
from bailiwick.kernel.messaging.queue import Item
from bailiwick.kernel.messaging.worker import Worker


def leases_an_hour() -> None:
    """What a dead worker had waits for an hour."""
    setattr(worker, "LEASE", timedelta(hours=1))  # noqa: B010  # mypy knows it as the queue's


def ends_apart() -> None:
    """The work is ended by a transaction some time after that of its effect."""
    worker.Ending.writes = lambda self, result: []  # type: ignore[method-assign]
    worker.Ending.stored = lambda self: None  # type: ignore[method-assign]
    setattr(worker, "reached", lambda name: time.sleep(0.02 * (name == "worker.handled")))  # noqa: B010


def keeps_what_it_took() -> None:
    """A worker that stops does not give back what it has begun."""

    async def keep(self: Worker, item: Item) -> None: ...

    Worker._given_back = keep  # type: ignore[method-assign]


def takes_any() -> None:
    """What comes later of an aggregate does not wait for what came earlier."""

    class Never:
        def __lt__(self, other: object) -> Any:
            return false()

    setattr(queue, "tuple_", lambda *_: Never())  # noqa: B010  # the class that it has there


def trusts_the_highest() -> None:
    """What has a lower id than something that was seen is taken for old."""
    start, highest = Worker._start, UUID(int=0)

    def start_newer(self: Worker, item: Item) -> None:
        nonlocal highest
        if item.id > highest:
            highest = item.id
            start(self, item)

    Worker._start = start_newer  # type: ignore[method-assign]


def marks_apart() -> None:
    """A message is marked as known by a transaction some time after the one that makes work of it."""

    async def store(self: Inbox, deliveries: Sequence[Delivery]) -> None:
        for reader, envelope in await self._unknown(deliveries):
            mark, work = self._writes(reader, envelope)
            await self._database.write([work])
            await asyncio.sleep(0.02)
            await self._database.write([mark])

    Inbox._store = store  # type: ignore[method-assign]


def forgets_its_progress() -> None:
    """What a step commits is stored, and then the progress of the process."""

    following = processes.Conductor._next

    def apart(self: Any, run: Any) -> processes.Move:
        move = following(self, run)

        async def act() -> object:
            result = await move.act()
            if move.commits:
                reached("planted.between")
            return result

        return replace(move, act=act, commits=False)

    processes.Conductor._next = apart  # type: ignore[method-assign]


def swallows() -> None:
    """What cannot be taken back is passed over."""
    fail = processes.Conductor._failed

    def pass_over(self: Any, run: Any, move: Any, error: Exception, *, stored: bool) -> None:
        if run.refusal is None:
            fail(self, run, move, error, stored=stored)
        else:
            move.succeed(run, None)

    processes.Conductor._failed = pass_over  # type: ignore[method-assign]


def seals_nothing() -> None:
    """The audit trail grows, and nobody chains it."""

    async def seal(self: Sealer, after: UUID, last: UUID) -> bool:
        return True

    Sealer.seal = seal  # type: ignore[method-assign]


PLANTS: dict[str, Callable[[], None]] = {
    plant.__name__: plant
    for plant in (
        leases_an_hour,
        ends_apart,
        keeps_what_it_took,
        takes_any,
        trusts_the_highest,
        marks_apart,
        forgets_its_progress,
        swallows,
        seals_nothing,
    )
}
