"""Forgets what nobody asks for any more: sessions long over, dead links, old sign-in attempts."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from sqlalchemy import bindparam, delete

from bailiwick.identity.infrastructure.tables import attempts, links, sessions
from bailiwick.kernel.application import Clock, Unavailable
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.failpoints import reached

EVERY_SECONDS = 3600
KEEP_SESSIONS = timedelta(days=90)
KEEP_LINKS = timedelta(days=7)
KEEP_ATTEMPTS = timedelta(days=30)

_SESSIONS = delete(sessions).where(sessions.c.absolute_expires_at < bindparam("sessions_before"))
_LINKS = delete(links).where(links.c.expires_at < bindparam("links_before"))
_ATTEMPTS = delete(attempts).where(attempts.c.resets_at < bindparam("attempts_before"))


class Cleaning:
    """A session is listed for 90 days after its end, so that its owner can see why it ended."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def run(self) -> None:
        """Until cancelled, every hour."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            with suppress(Unavailable):
                await self.clean()

    async def clean(self) -> None:
        now = self._clock()
        reached("cleaning.before_write")
        await self._database.write(
            [
                Write(_SESSIONS, {"sessions_before": now - KEEP_SESSIONS}),
                Write(_LINKS, {"links_before": now - KEEP_LINKS}),
                Write(_ATTEMPTS, {"attempts_before": now - KEEP_ATTEMPTS}),
            ]
        )
        reached("cleaning.after_write")
