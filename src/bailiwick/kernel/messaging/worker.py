"""The worker: claims what is due, hands it to its handler, and tries again what failed.

Several may run at once, in one process or many. What a handler stores and the end of its work are one
transaction, so each piece of work has one effect, however often it is started.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Table
from uuid_utils.compat import uuid7

from bailiwick.kernel.application import Cause, Clock, Contention, Unavailable, cause
from bailiwick.kernel.contention import uncontended
from bailiwick.kernel.database.connections import Database, Row
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.database.unit_of_work import AlreadyDone, companions, writer
from bailiwick.kernel.domain import Aggregate
from bailiwick.kernel.failpoints import reached
from bailiwick.kernel.jobs import GiveUp, Priority, reporting
from bailiwick.kernel.messaging.grouping import Grouping
from bailiwick.kernel.messaging.handlers import Handler, NewerSchema, reason_of
from bailiwick.kernel.messaging.queue import LEASE, NEXT, TAKE, TAKE_BACK, Item, Lease, claim_of
from bailiwick.kernel.messaging.tables import CANCELLED, DEAD, SUCCEEDED, work
from bailiwick.kernel.observability import work_seconds, work_total

log = structlog.get_logger("worker")

HEARTBEAT_SECONDS = 5.0
LONGEST_WAIT = timedelta(minutes=10)
SHORTEST_POLL, LONGEST_POLL = 0.01, 1.0
"""Seconds between two looks for what other processes wrote: short while they write, long while they rest."""
GATHER_SECONDS = 0.002
"""Commits of so short a time are claimed together: one claim for each would cost as much as they do."""
RETRYING, LEFT, GONE = "retrying", "left to its lease", "gone"


class Ending:
    """Ends a piece of work in the transaction of what its handler stores."""

    table: Table = work

    def __init__(self, handler: Handler, item: Item, lease: Lease, clock: Clock) -> None:
        self.done = False
        self._handler, self._item, self._lease, self._clock = handler, item, lease, clock

    def writes(self, result: object) -> list[Write]:
        if not self._handler.one_commit:
            return [self._lease.fence(self._item.id, self._clock())]
        if self.done:
            raise RuntimeError("it commits once; a job of several steps says so by one_commit = False")
        return self.last_writes(result)

    def last_writes(self, result: object) -> list[Write]:
        if not self._handler.is_job:
            return [self._lease.done(self._item.id)]
        return self._lease.finish(self._item.id, self._clock(), SUCCEEDED, result=_plain(result))

    def stored(self) -> None:
        self.done = self._handler.one_commit


class Worker:
    """Runs handlers. Each queue has so many places at once as its handlers say, and none waits for another.

    What fails is tried again after 2, 4, 8 … s (at most 600, with jitter) and given up after the attempts
    that its handler allows; only what has the same key waits for it meanwhile.
    """

    def __init__(
        self, database: Database, handlers: Sequence[Handler], clock: Clock, drain_seconds: float = 20.0
    ) -> None:
        self.id: UUID = uuid7()
        self.running: dict[UUID, tuple[datetime, asyncio.Task[str]]] = {}
        self._database, self._clock, self._drain_seconds = database, clock, drain_seconds
        self._handlers = {(handler.queue, handler.name): handler for handler in handlers}
        self._places: dict[str, int] = {}
        priorities: dict[str, Sequence[Priority]] = {}
        for handler in handlers:
            self._places[handler.queue] = max(self._places.get(handler.queue, 0), handler.at_once)
            if handler.is_job or handler.queue not in priorities:
                priorities[handler.queue] = tuple(Priority) if handler.is_job else (Priority.NORMAL,)
        self._claim = claim_of(priorities) if priorities else None
        self._lease = Lease(database, self.id)
        self._group = Grouping(database)
        self._busy: Counter[str] = Counter()
        self._full: set[str] = set()
        self._cancelling: set[UUID] = set()
        self._poll = SHORTEST_POLL
        self._going_on = False

    async def run(self) -> None:
        """Until cancelled; then what runs may end within the drain time, and the rest is given back."""
        if self._claim is None:
            return
        heart = asyncio.ensure_future(self.keep())
        self._going_on = True
        try:
            while True:
                await self._wait()
                try:
                    await self._claim_all()
                except (Unavailable, Contention):
                    continue
        finally:
            self._going_on = False
            await self._drain()
            heart.cancel()

    async def _wait(self) -> None:
        added = self._database.work_added
        # Not wait_for: before Python 3.12 it can swallow the order to stop.
        with suppress(TimeoutError):
            async with asyncio.timeout(self._poll * random.uniform(0.8, 1.2)):
                await added.wait()
                await asyncio.sleep(GATHER_SECONDS)
        self._poll = SHORTEST_POLL if added.is_set() else min(LONGEST_POLL, self._poll * 1.5)
        added.clear()

    async def _claim_all(self) -> None:
        while await self.claim():
            self._poll = SHORTEST_POLL

    async def until_idle(self) -> int:
        """Run all that is due, to its end. Returns how much that was. For tests and for commands that end."""
        done = 0
        while claimed := await self.claim():
            done += claimed
            await asyncio.wait([task for _, task in self.running.values()])
        return done

    async def claim(self) -> int:
        """Take what is due and has a place, and start it. Returns how much that was."""
        assert self._claim is not None
        # What goes on begins before the one in front has left its place: for a moment there is one too many.
        free = {queue: max(0, places - self._busy[queue]) for queue, places in self._places.items()}
        if not any(free.values()):
            return 0
        now, limits = self._clock(), {f"free{i}": places for i, places in enumerate(free.values())}
        claiming = asyncio.ensure_future(
            self._database.all(self._claim, now=now, lease=now + LEASE, holder=self.id, **limits)
        )
        try:
            rows = await asyncio.shield(claiming)
        except asyncio.CancelledError:
            await self._not_begun(claiming)
            raise
        reached("worker.claimed")
        taken = Counter(row[1] for row in rows)
        # One without a free place stays full, though this claim could take nothing of it.
        self._full = {queue for queue, places in free.items() if taken[queue] == places}
        # In the order of their making; PostgreSQL hands them out in any.
        for item in sorted((Item(*row) for row in rows), key=lambda item: item.enqueued_at):
            self._start(item)
        return len(rows)

    async def _not_begun(self, claiming: "asyncio.Future[list[Row]]") -> None:
        """After an order to stop nothing begins: what was being claimed is not left to its lease either."""
        with suppress(Exception):
            for id, *_ in await claiming:
                await self._lease.release(id)

    async def take(self, id: UUID) -> str:
        """Run a job that was handed over, to its end: what became of it, and why where it failed.

        GONE where somebody has it already, or it is done, or its queue is paused.
        """
        row = await self._database.first(TAKE, which=id, lease=self._clock() + LEASE, holder=self.id)
        reached("worker.taken")
        if row is None:
            await self._lease.store(Write(TAKE_BACK, {"which": id}))
            return GONE
        self._start(Item(*row))
        _, task = self.running[id]
        await asyncio.wait([task])
        return CANCELLED if task.cancelled() else task.result()

    def _start(self, item: Item) -> None:
        self._busy[item.queue] += 1
        task = asyncio.ensure_future(self._perform(item))
        self.running[item.id] = (self._clock(), task)
        task.add_done_callback(lambda _: self._ended(item))

    def _ended(self, item: Item) -> None:
        del self.running[item.id]
        self._cancelling.discard(item.id)
        self._busy[item.queue] -= 1
        if item.queue in self._full and self._busy[item.queue] <= self._places[item.queue] // 2:
            self._database.work_added.set()

    async def _perform(self, item: Item) -> str:
        """Run one piece of work to its end, and say which. Only a lost database leaves it to its lease."""
        try:
            handler = self._handlers.get((item.queue, item.name))
            if item.cancelled:
                await self._lease.store(*self._lease.finish(item.id, self._clock(), CANCELLED))
                return CANCELLED
            if handler is None:
                return await self._later(item, f"no handler for {item.name}")
            return await self._handle(handler, item)
        except asyncio.CancelledError:
            raise
        except (Unavailable, Contention, AlreadyDone):
            log.info("work_left_to_its_lease", queue=item.queue, id=str(item.id))
        except Exception:
            log.exception("work_left_to_its_lease", queue=item.queue, id=str(item.id))
        return LEFT

    async def _handle(self, handler: Handler, item: Item) -> str:
        ending = Ending(handler, item, self._lease, self._clock)
        cause.set(Cause(item.correlation_id, item.actor_id, what=item.name))
        companions.set((ending,))
        writer.set(self._group.write)
        reporting.set(self._reporter(item))
        try:
            message = handler.decode(item.payload, item.schema)
            async with asyncio.timeout(handler.time_limit):
                result = await uncontended(lambda: self._attempt(handler, item, message), again=5, pause=0.01)
        except AlreadyDone:
            return LEFT
        except asyncio.CancelledError:
            await self._given_back(item)
            raise
        except Exception as error:
            return SUCCEEDED if ending.done else await self._failed(handler, item, error)
        reached("worker.handled")
        if not ending.done:
            await self._group.write(ending.last_writes(result))
        work_seconds.labels(item.queue).observe((self._clock() - item.enqueued_at).total_seconds())
        work_total.labels(item.queue, SUCCEEDED).inc()
        if item.followed and self._going_on:
            await self._go_on(item)
        return SUCCEEDED

    async def _go_on(self, item: Item) -> None:
        """Start what waits behind this one: where many wait for one key, looking for it again takes long."""
        now = self._clock()
        with suppress(Unavailable, Contention):
            row = await self._database.first(
                NEXT, of_queue=item.queue, of_key=item.key, now=now, lease=now + LEASE, holder=self.id
            )
            if row is not None:
                self._start(Item(*row))

    async def _attempt(self, handler: Handler, item: Item, message: Any) -> Any:
        try:
            return await handler.handle(message)
        except Contention:
            # Either somebody changed what we changed, or somebody has our work.
            if not await self._lease.held(item.id):
                raise AlreadyDone from None
            raise

    async def _failed(self, handler: Handler, item: Item, error: Exception) -> str:
        reason = reason_of(error)
        last = item.attempts >= handler.most_attempts and not isinstance(error, NewerSchema)
        work_total.labels(item.queue, "failed").inc()
        log.warning("work_failed", queue=item.queue, name=item.name, attempts=item.attempts, reason=reason)
        if not last and not isinstance(error, GiveUp):
            return await self._later(item, reason)
        log.error("work_given_up", queue=item.queue, name=item.name, id=str(item.id), reason=reason)
        await self._lease.store(*self._lease.finish(item.id, self._clock(), DEAD, error=reason))
        return f"{DEAD}: {reason}"

    async def _later(self, item: Item, reason: str) -> str:
        wait = min(LONGEST_WAIT, timedelta(seconds=2.0 ** min(item.attempts, 20))) * random.uniform(0.8, 1.2)
        await self._lease.retry(item.id, self._clock() + wait, reason)
        return f"{RETRYING}: {reason}"

    async def _given_back(self, item: Item) -> None:
        with suppress(Exception):  # its lease ends by itself, only later
            if item.id in self._cancelling:
                await self._lease.store(*self._lease.finish(item.id, self._clock(), CANCELLED))
            else:
                await self._lease.release(item.id)

    def _reporter(self, item: Item) -> Callable[[float, str], Any]:
        async def tell(done: float, note: str) -> None:
            await self._lease.tell(item.id, {"done": max(0.0, min(1.0, done)), "note": note[:500]})

        return tell

    async def keep(self) -> None:
        """Until cancelled: renew the leases of what runs for long, let go of what was taken from us, and end
        what operators cancelled.
        """
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS * random.uniform(0.8, 1.0))
            with suppress(Unavailable, Contention):
                await self.beat()

    async def beat(self) -> None:
        now = self._clock()
        long = [id for id, (since, _) in self.running.items() if now - since >= LEASE / 5]
        kept: Mapping[UUID, bool] = await self._lease.extend(long, now)
        for id in long:
            found = self.running.get(id)
            if found is not None and kept.get(id, True):
                if id in kept:
                    self._cancelling.add(id)
                found[1].cancel()

    async def _drain(self) -> None:
        tasks = [task for _, task in self.running.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=self._drain_seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _plain(result: object) -> Any:
    """A job's result, where it is plain data; an aggregate is stored elsewhere already."""
    return None if isinstance(result, Aggregate) else result
