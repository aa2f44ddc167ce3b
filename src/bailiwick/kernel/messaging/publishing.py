"""Publishing: one more reader of our own events hands them to a broker, and lets go of what it confirmed."""

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from importlib import import_module
from inspect import getmembers, isclass
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import bindparam, delete, select, update
from uuid_utils.compat import uuid7

from bailiwick.kernel.application import Cause, Clock, Contention, Unavailable
from bailiwick.kernel.contexts import package_of
from bailiwick.kernel.database.batches import one_of, these
from bailiwick.kernel.database.connections import Database, Row
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.domain import Event
from bailiwick.kernel.failpoints import reached
from bailiwick.kernel.ids import first_id, moment_of
from bailiwick.kernel.jobs import Priority
from bailiwick.kernel.locks import LockHeld, Locks
from bailiwick.kernel.messaging.envelopes import Envelope
from bailiwick.kernel.messaging.outbox import EVENTS_OF_ONE_COMMIT, waiting
from bailiwick.kernel.messaging.queue import LEASE, Lease, claim_of
from bailiwick.kernel.messaging.tables import DEAD, events, work
from bailiwick.kernel.messaging.transports import BATCH, StreamMissing, Transport, TransportDown
from bailiwick.kernel.observability import transport_up

log = structlog.get_logger("transport")

QUEUE = "transport"
GATHER_SECONDS = 0.002
SHORTEST_POLL, LONGEST_POLL = 0.25, 1.0
PUBLISH_SECONDS = LEASE.total_seconds() / 2
"""Who takes longer may have lost its lease; what it sent comes twice then, which the inbox recognises."""
LOOK_SECONDS = 5.0
"""So often somebody with nothing to publish looks whether the streams are still there."""
LONGEST_PAUSE = 5.0
PAGE = 500

_TAKEN = ("id", "event_id", "name", "schema", "payload", "key", "sequence", "actor_id", "correlation_id")
_CLAIM = claim_of({QUEUE: [Priority.NORMAL]}, [work.c[name] for name in (*_TAKEN, "enqueued_at")])
_ours = one_of(work.c.id, BATCH) & (work.c.leased_by == bindparam("holder"))
_DONE = delete(work).where(_ours)
_RELEASE = update(work).where(_ours).values(leased_by=None, leased_until=None, attempts=work.c.attempts - 1)
_HISTORY = (
    select(
        events.c.id,
        events.c.type,
        events.c.schema,
        events.c.payload,
        events.c.aggregate_id,
        events.c.aggregate_version,
        events.c.actor_id,
        events.c.correlation_id,
    )
    .where(events.c.id > bindparam("after", type_=events.c.id.type), events.c.type.like(bindparam("kind")))
    .order_by(events.c.id)
    .limit(PAGE)
)


def published_events(contexts: Iterable[str]) -> list[type[Event]]:
    """The events that these contexts publish: those that their contracts define, without their bases."""
    contracts = [import_module(f"{package_of(context)}.contract") for context in contexts]
    kinds = [
        kind
        for each in contracts
        for _, kind in getmembers(each, isclass)
        if kind.__module__ == each.__name__
    ]
    return [kind for kind in kinds if issubclass(kind, Event) and not kind.__subclasses__()]


def readers_of(types: Iterable[str]) -> dict[str, list[str]]:
    """The readers that hand events on. Their names tell the type, so that their work needs no more of it."""
    return {kind: [f"{QUEUE}.{kind}"] for kind in types}


class Publisher:
    """Sends what waits in the queue `transport`, and has it wait there for as long as the broker is down.

    Several may run at once: of each aggregate only the first event is claimed, by one of them. It is let
    go of once the broker has confirmed it, so it may be sent more than once, but never not at all.
    """

    def __init__(
        self,
        database: Database,
        transport: Transport,
        types: Sequence[str],
        clock: Clock,
        keep: timedelta,
    ) -> None:
        self._database, self._transport, self._clock = database, transport, clock
        self._types, self._keep = types, keep
        self._contexts = sorted({kind.partition(".")[0] for kind in types})
        self._locks = Locks(database)
        self._holder = uuid7()
        self._lease = Lease(database, self._holder)
        self._pause, self._down = SHORTEST_POLL, False

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._begin_streams()
                await self._publish_all()
            except TransportDown as down:
                self._silent(str(down))
                await asyncio.sleep(self._pause * random.uniform(0.8, 1.2))
                self._pause = min(LONGEST_PAUSE, self._pause * 2)
            except (StreamMissing, LockHeld):
                await asyncio.sleep(SHORTEST_POLL)
            except (Unavailable, Contention):
                await asyncio.sleep(LONGEST_POLL)

    async def _publish_all(self) -> None:
        """For a while, or until something is wrong."""
        poll, look = SHORTEST_POLL, asyncio.get_running_loop().time() + LOOK_SECONDS
        while asyncio.get_running_loop().time() < look:
            if await self.publish_due():
                poll = SHORTEST_POLL
                continue
            # Another one who waits clears the event; without it this must not turn into a busy loop.
            await asyncio.sleep(10 * GATHER_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(poll):
                    await self._database.work_added.wait()
                    await asyncio.sleep(GATHER_SECONDS)
            poll = min(LONGEST_POLL, poll * 1.2)

    async def publish_due(self) -> int:
        """Publish what may be published now. Returns how many events that was."""
        now = self._clock()
        rows = await self._database.all(_CLAIM, now=now, lease=now + LEASE, holder=self._holder, free0=BATCH)
        if not rows:
            return 0
        envelopes = [_envelope(row) for row in sorted(rows, key=lambda row: (row[-1], row[0]))]
        try:
            refused = await self._send(envelopes)
        except BaseException:
            with suppress(Unavailable, Contention):
                await self._give_back(rows)
            raise
        self._answers()
        await self._let_go(rows, refused)
        return len(rows)

    async def _send(self, envelopes: Sequence[Envelope]) -> dict[UUID, str]:
        reached("transport.before_publish")
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                refused = await self._transport.publish(envelopes)
        except TimeoutError as late:
            raise TransportDown("no confirmation in time") from late
        reached("transport.after_publish")
        return refused

    async def _give_back(self, rows: Sequence[Row]) -> None:
        reached("transport.before_release")
        await self._database.write([Write(_RELEASE, self._held(rows))])
        reached("transport.after_release")

    async def _let_go(self, rows: Sequence[Row], refused: Mapping[UUID, str]) -> None:
        reached("transport.before_done")
        for row in rows:
            if (reason := refused.get(row[1])) is not None:
                log.error("event_not_published", id=str(row[1]), reason=reason)
                await self._database.write(self._lease.finish(row[0], self._clock(), DEAD, error=reason))
        await self._database.write([Write(_DONE, self._held(rows))])
        reached("transport.after_done")

    def _held(self, rows: Sequence[Row]) -> dict[str, Any]:
        return these([row[0] for row in rows], BATCH) | {"holder": self._holder}

    async def _begin_streams(self) -> None:
        """Make the streams that are not there, each once all that it may have held waits to be sent again."""
        for context in self._contexts:
            if not await self._transport.lacks(context):
                continue
            async with self._locks.hold(f"{QUEUE}.begin.{context}", patience=5):
                if await self._transport.lacks(context):
                    count = await self.send_again(context, self._clock() - self._keep)
                    await self._transport.create(context)
                    log.warning("stream_begun", context=context, sent_again=count)
        self._answers()

    async def send_again(self, context: str, since: datetime) -> int:
        """Have the events of `context` since then published once more. Returns how many these are."""
        after, count, prefix = first_id(moment_of(since)), 0, f"{context}."
        while True:
            rows = await self._database.all(_HISTORY, after=after, kind=f"{prefix}%")
            again = [self._again(row) for row in rows if row[1] in self._types]
            reached("transport.before_history")
            for start in range(0, len(again), 32):
                await self._database.write(again[start : start + 32])
            reached("transport.after_history")
            count += len(again)
            if len(rows) < PAGE:
                return count
            after = rows[-1][0]

    def _again(self, event: Row) -> Write:
        id, kind, schema, payload, aggregate_id, version, actor_id, correlation_id = event
        row = waiting(self._clock(), payload, schema, Cause(correlation_id, actor_id)) | {
            "id": uuid7(),
            "queue": QUEUE,
            "name": f"{QUEUE}.{kind}",
            "key": str(aggregate_id),
            # The events of one commit have the same; then the one that was made first comes first.
            "sequence": version * EVENTS_OF_ONE_COMMIT,
            "event_id": id,
        }
        return Write(work.insert(), row)

    def _answers(self) -> None:
        if self._down:
            log.info("transport_up")
        self._down, self._pause = False, SHORTEST_POLL
        transport_up.set(1)

    def _silent(self, reason: str) -> None:
        if not self._down:
            log.warning("transport_down", reason=reason)
        self._down = True
        transport_up.set(0)


def _envelope(row: Row) -> Envelope:
    _, event_id, name, schema, payload, key, sequence, actor_id, correlation_id, *_ = row
    version, position = divmod(sequence, EVENTS_OF_ONE_COMMIT)
    return Envelope(
        id=event_id,
        type=name.removeprefix(f"{QUEUE}."),
        schema=schema,
        payload=payload,
        occurred_at=payload["occurred_at"],
        aggregate_id=UUID(key),
        aggregate_version=version,
        position=position,
        actor_id=actor_id,
        correlation_id=correlation_id,
    )
