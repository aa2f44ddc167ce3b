"""Forgets what nobody needs: delivered events, read marks and idempotency keys past their time."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import bindparam, delete, func, select

from bailiwick.kernel.application import Clock, Unavailable
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.http.idempotency import PRUNE
from bailiwick.kernel.messaging.outbox import inbox, outbox

KEEP_EVENTS = timedelta(days=14)
KEEP_KEYS = timedelta(hours=48)
EVERY_SECONDS = 3600
MEASURE_SECONDS = 10

_EVENTS = delete(outbox).where(outbox.c.done_at < bindparam("before"))
_PENDING = select(func.count()).where(outbox.c.done_at.is_(None), outbox.c.dead_at.is_(None))
_DEAD = select(func.count()).where(outbox.c.dead_at.is_not(None))
_MARKS = delete(inbox).where(inbox.c.done_at < bindparam("before"))


async def prune(database: Database, clock: Clock) -> None:
    """Until cancelled, every hour. Read marks outlive the events they belong to by far."""
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        now = clock()
        try:
            await database.write(
                [
                    Write(PRUNE, {"before": now - KEEP_KEYS}),
                    Write(_EVENTS, {"before": now - KEEP_EVENTS}),
                    Write(_MARKS, {"before": now - 2 * KEEP_EVENTS}),
                ]
            )
        except Unavailable:
            continue


async def measure(database: Database, show: Callable[[int, int], None]) -> None:
    """Until cancelled, about every ten seconds: how many events wait, and how many were given up."""
    while True:
        try:
            pending, dead = await database.first(_PENDING), await database.first(_DEAD)
            show(pending[0] if pending else 0, dead[0] if dead else 0)
        except Unavailable:
            pass
        await asyncio.sleep(MEASURE_SECONDS)
