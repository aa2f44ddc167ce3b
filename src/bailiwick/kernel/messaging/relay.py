"""The relay: claims events from the outbox and hands them to their subscribers until they succeed."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from pydantic import TypeAdapter
from sqlalchemy import Table, bindparam, insert, or_, select, update

from bailiwick.kernel.application import Cause, Clock, Contention, Unavailable, cause
from bailiwick.kernel.contention import uncontended
from bailiwick.kernel.database.connections import Database, Duplicate, Row
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.database.unit_of_work import AlreadyDone, companions
from bailiwick.kernel.domain import Event
from bailiwick.kernel.messaging.outbox import event_type, inbox, outbox

log = structlog.get_logger("relay")

BATCH = 50
LEASE = timedelta(seconds=30)
MOST_ATTEMPTS = 12
LONGEST_WAIT = timedelta(minutes=10)
POLL_SECONDS = 0.5
GATHER_SECONDS = 0.02
"""Commits of so short a time are delivered together: one claim for each would cost as much as they do."""

React = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Subscription:
    """`react` is called with each event of `kind`. `name` is unique and never changes: it is the
    key under which the inbox remembers what was read."""

    name: str
    kind: type[Event]
    react: React


_due = (
    select(outbox.c.id)
    .where(
        outbox.c.done_at.is_(None),
        outbox.c.dead_at.is_(None),
        outbox.c.available_at <= bindparam("now"),
        or_(outbox.c.leased_until.is_(None), outbox.c.leased_until < bindparam("now")),
    )
    .order_by(outbox.c.available_at, outbox.c.id)
    .limit(BATCH)
    .with_for_update(skip_locked=True)
)
_CLAIM = (
    update(outbox)
    .where(outbox.c.id.in_(_due.scalar_subquery()))
    .values(leased_until=bindparam("lease"), attempts=outbox.c.attempts + 1)
    .returning(
        outbox.c.id,
        outbox.c.type,
        outbox.c.payload,
        outbox.c.actor_id,
        outbox.c.correlation_id,
        outbox.c.attempts,
    )
)
_KEYS = [f"key{i}" for i in range(BATCH)]
_DONE = (
    update(outbox)
    .where(outbox.c.id.in_([bindparam(name, type_=outbox.c.id.type) for name in _KEYS]))
    .values(done_at=bindparam("now"), last_error=None)
)
_RETRY = (
    update(outbox)
    .where(outbox.c.id == bindparam("key"))
    .values(available_at=bindparam("at"), leased_until=None, last_error=bindparam("error"))
)
_BURY = (
    update(outbox)
    .where(outbox.c.id == bindparam("key"))
    .values(dead_at=bindparam("now"), leased_until=None, last_error=bindparam("error"))
)
_READ = select(inbox.c.done_at).where(
    inbox.c.subscriber == bindparam("subscriber"), inbox.c.message_id == bindparam("message_id")
)
_MARK = insert(inbox)


class ReadMark:
    """Says in the inbox that a subscriber has read a message, in the transaction of what it did."""

    def __init__(self, subscriber: str, message_id: UUID, now: datetime) -> None:
        self.table: Table = inbox
        self.done = False
        self._row = {"subscriber": subscriber, "message_id": message_id, "done_at": now}

    def write(self, result: object) -> Write:
        if self.done:
            raise RuntimeError("a subscriber commits once")
        return Write(_MARK, self._row)

    def stored(self) -> None:
        self.done = True


class Relay:
    """Delivers at least once, with one effect for each subscriber. Several may run at once.

    A message fails for one subscriber alone: the others are not called again. It is retried after
    2, 4, 8 … s (at most 600, with jitter) and buried after 12 attempts.
    """

    def __init__(self, database: Database, subscriptions: Sequence[Subscription], clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._readers: dict[str, list[Subscription]] = {}
        self._adapters: dict[str, TypeAdapter[Any]] = {}
        for subscription in subscriptions:
            name = event_type(subscription.kind)
            self._readers.setdefault(name, []).append(subscription)
            self._adapters[name] = TypeAdapter(subscription.kind)

    async def run(self) -> None:
        """Until cancelled: soon after a local commit, otherwise about every half second."""
        committed = self._database.committed
        while True:
            # Not wait_for: before Python 3.12 it can swallow the order to stop.
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS * random.uniform(0.8, 1.2)):
                    await committed.wait()
            await asyncio.sleep(GATHER_SECONDS)
            committed.clear()
            try:
                while await self.deliver_batch() == BATCH:
                    pass
            except (Unavailable, Contention):
                continue
            except Exception:
                log.exception("relay_failed")

    async def deliver_batch(self) -> int:
        """Claim what is due and deliver it, oldest first. Returns how many messages were claimed."""
        now = self._clock()
        rows = await self._database.all(_CLAIM, now=now, lease=now + LEASE)
        done = [row[0] for row in rows if row[1] not in self._readers]
        wanted = [row for row in rows if row[1] in self._readers]
        others = []
        # In the order of their ids, which is that of their making.
        for row in sorted(wanted, key=lambda row: str(row[0])):
            remains = await self._settle(row)
            done += [] if remains else [row[0]]
            others += [remains] if remains else []
        if rows:
            await self._database.write([*_done(done, self._clock()), *others])
        return len(rows)

    async def _settle(self, row: Row) -> Write | None:
        """Hand one message to its readers. Returns what to write where not all of them have read it."""
        key, kind, payload, actor_id, correlation_id, attempts = row
        token = cause.set(Cause(correlation_id=correlation_id, actor_id=actor_id))
        failures = []
        try:
            for subscription in self._readers[kind]:
                try:
                    await self._deliver(subscription, key, self._adapters[kind].validate_python(payload))
                except Exception as error:
                    log.warning("delivery_failed", subscriber=subscription.name, type=kind, attempts=attempts)
                    failures.append(f"{subscription.name}: {type(error).__name__}")
        finally:
            cause.reset(token)
        if not failures:
            return None
        now = self._clock()
        reason = "; ".join(failures)
        if attempts >= MOST_ATTEMPTS:
            log.error("message_buried", message=str(key), type=kind, reason=reason)
            return Write(_BURY, {"key": key, "now": now, "error": reason})
        wait = min(LONGEST_WAIT, timedelta(seconds=2.0**attempts)) * random.uniform(0.8, 1.2)
        return Write(_RETRY, {"key": key, "at": now + wait, "error": reason})

    async def _deliver(self, subscription: Subscription, key: UUID, event: Event) -> None:
        if await self._database.first(_READ, subscriber=subscription.name, message_id=key):
            return
        mark = ReadMark(subscription.name, key, self._clock())
        token = companions.set((mark,))
        try:
            await uncontended(lambda: subscription.react(event), again=5, pause=0.01)
        except AlreadyDone:
            return
        finally:
            companions.reset(token)
        if not mark.done:
            with suppress(Duplicate):
                await self._database.write([mark.write(None)])


def _done(keys: Sequence[UUID], now: datetime) -> list[Write]:
    """One statement for all, whatever their number: its places are filled up with the last of them."""
    if not keys:
        return []
    filled = [*keys, *[keys[-1]] * (BATCH - len(keys))]
    return [Write(_DONE, dict(zip(_KEYS, filled, strict=True)) | {"now": now})]
