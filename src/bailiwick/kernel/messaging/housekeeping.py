"""Forgets what nobody needs any more, and measures what waits."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Table, bindparam, delete, func, select
from sqlalchemy.sql.dml import ReturningDelete

from bailiwick.kernel.application import Clock, Unavailable
from bailiwick.kernel.database.connections import Database, Row
from bailiwick.kernel.http.idempotency import PRUNE, idempotency
from bailiwick.kernel.messaging.queue import GIVEN_UP
from bailiwick.kernel.messaging.tables import DEAD, events, finished, inbox, processes, work
from bailiwick.kernel.observability import look, work_dead, work_oldest, work_waiting

KEEP_KEYS = timedelta(hours=48)
KEEP_MARKS = timedelta(days=30)
EVERY_SECONDS = 3600
MEASURE_SECONDS = 10
AT_A_TIME = 5000

_before: Any = bindparam("before")


def _some(table: Table, old: ColumnElement[bool], order: ColumnElement[Any]) -> ReturningDelete[Any]:
    first = select(table.c.id).where(old).order_by(order).limit(AT_A_TIME)
    return delete(table).where(table.c.id.in_(first)).returning(table.c.id)


_ended = finished.c.finished_at
_EVENTS = _some(events, events.c.occurred_at < _before, events.c.id)
_SUCCEEDED = _some(finished, (_ended < _before) & (finished.c.outcome != DEAD), _ended)
_DEAD = _some(finished, _ended < _before, _ended)
_PROCESSES = _some(processes, processes.c.ended_at < _before, processes.c.ended_at)
_MARKS = delete(inbox).where(inbox.c.received_at < _before).returning(inbox.c.reader)
_KEYS = PRUNE.returning(idempotency.c.key)
_QUEUES = select(work.c.queue, func.count(), func.min(work.c.available_at)).group_by(work.c.queue)


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is over is kept. No `events` means for ever. Processes are kept as the `dead` are."""

    events: timedelta | None
    finished: timedelta
    dead: timedelta


async def prune(database: Database, clock: Clock, retention: Retention) -> None:
    """Until cancelled, every hour, in steps so small that nobody has to wait for one."""
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        now = clock()
        try:
            await forget_old(database, now, retention)
        except Unavailable:
            continue


async def forget_old(database: Database, now: datetime, retention: Retention) -> None:
    steps = [
        (_KEYS, KEEP_KEYS),
        (_MARKS, KEEP_MARKS),
        (_SUCCEEDED, retention.finished),
        (_DEAD, retention.dead),
        (_PROCESSES, retention.dead),
    ]
    if retention.events is not None:
        steps.append((_EVENTS, retention.events))
    for statement, age in steps:
        deleted = AT_A_TIME
        while deleted >= AT_A_TIME:
            deleted = len(await database.all(statement, before=now - age))
            await asyncio.sleep(0)


async def measure(database: Database, clock: Clock) -> None:
    """Until cancelled, about every ten seconds: show how much waits in each queue, since when, and how much
    was given up."""
    seen: set[str] = set()
    while True:
        with suppress(Unavailable):
            waiting = await database.all(_QUEUES)
            dead: dict[str, int] = dict(await database.all(GIVEN_UP))
            seen |= {queue for queue, *_ in waiting} | dead.keys()
            _show(seen, waiting, dead, clock())
        look()
        await asyncio.sleep(MEASURE_SECONDS)


def _show(queues: Iterable[str], waiting: Sequence[Row], dead: Mapping[str, int], now: datetime) -> None:
    by_queue = {queue: (count, oldest) for queue, count, oldest in waiting}
    for queue in queues:
        count, oldest = by_queue.get(queue, (0, now))
        work_waiting.labels(queue).set(count)
        work_oldest.labels(queue).set(max(0.0, (now - oldest).total_seconds()))
        work_dead.labels(queue).set(dead.get(queue, 0))
