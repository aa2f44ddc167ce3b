"""Tells this worker, about twice a second, which access tokens no longer hold."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from sqlalchemy import bindparam, select, union

from bailiwick.identity.infrastructure.tables import sessions, users
from bailiwick.kernel.application import Clock, Unavailable
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.http.authentication import Authentication

EVERY_SECONDS = 0.4
OVERLAP = timedelta(seconds=15)
"""More than the longest commit takes and clocks differ: what became visible late is not missed."""

_since = bindparam("since", type_=sessions.c.ended_at.type)
_ENDED = union(
    select(sessions.c.id).where(sessions.c.ended_at > _since),
    # A session that a sign-in started while the account's tokens were taken back.
    select(sessions.c.id)
    .join(users, users.c.id == sessions.c.user_id)
    .where(users.c.updated_at > _since, sessions.c.stamp < users.c.stamp),
)
_STAMPS = select(users.c.id, users.c.role_stamp).where(users.c.updated_at > _since)


class Revocations:
    """Reads what ended lately and has `authentication` learn it. `token_seconds` is a token's life."""

    def __init__(
        self, database: Database, authentication: Authentication, clock: Clock, token_seconds: int
    ) -> None:
        self._database, self._authentication, self._clock = database, authentication, clock
        self._token_seconds = token_seconds
        # At first, everything that a token in circulation could still name.
        self._since = clock() - timedelta(seconds=token_seconds) - OVERLAP

    async def watch(self) -> None:
        """Until cancelled. While the database is away, what is known grows old and requests are refused."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            with suppress(Unavailable):
                await self.read()

    async def read(self) -> None:
        """Take in what was revoked since the last time, with some overlap."""
        now, since = self._clock(), self._since
        ended = await self._database.all(_ENDED, since=since)
        stamps = await self._database.all(_STAMPS, since=since)
        self._authentication.learn(
            {row[0] for row in ended}, {row[0]: row[1] for row in stamps}, self._token_seconds
        )
        self._since = now - OVERLAP
