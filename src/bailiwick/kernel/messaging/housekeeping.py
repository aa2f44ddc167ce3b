"""Forgets what nobody needs: delivered events, read marks and idempotency keys past their time."""

import asyncio
from datetime import timedelta

from sqlalchemy import bindparam, delete

from bailiwick.kernel.application import Clock, Unavailable
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.http.idempotency import PRUNE
from bailiwick.kernel.messaging.outbox import inbox, outbox

KEEP_EVENTS = timedelta(days=14)
KEEP_KEYS = timedelta(hours=48)
EVERY_SECONDS = 3600

_EVENTS = delete(outbox).where(outbox.c.done_at < bindparam("before"))
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
