"""Tells this worker, about twice a second, which access tokens no longer hold."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select, union

from bailiwick.identity.contract import AccessNews, AccessTokens
from bailiwick.identity.infrastructure.tables import sessions, users
from bailiwick.identity.infrastructure.tokens import JwtAccessTokens, TokenVerifier
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


class SqlAccessTokens:
    """Answers, here and to other processes, what revokes access tokens."""

    def __init__(self, database: Database, tokens: JwtAccessTokens, clock: Clock) -> None:
        self._database, self._tokens, self._clock = database, tokens, clock

    async def access_news(self, since: datetime | None) -> AccessNews:
        now, tokens = self._clock(), self._tokens
        since = since or now - timedelta(seconds=tokens.seconds) - OVERLAP
        ended = await self._database.all(_ENDED, since=since)
        stamps = await self._database.all(_STAMPS, since=since)
        return AccessNews(
            issuer=tokens.issuer,
            keys=tokens.public_keys,
            token_seconds=tokens.seconds,
            ended=frozenset(row[0] for row in ended),
            stamps={row[0]: row[1] for row in stamps},
            asked_at=now,
        )


class Revocations:
    """Has `verifier` and `authentication` learn what `tokens` knows, wherever identity is."""

    def __init__(self, tokens: AccessTokens, verifier: TokenVerifier, authentication: Authentication) -> None:
        self._tokens, self._verifier, self._authentication = tokens, verifier, authentication
        self._since: datetime | None = None

    async def watch(self) -> None:
        """Until cancelled. While identity is away, what is known grows old and requests are refused."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            await self.try_to_read()

    async def try_to_read(self) -> None:
        with suppress(Unavailable):
            await self.read()

    async def read(self) -> None:
        """Take in what was revoked since the last time, with some overlap. Raises Unavailable."""
        news = await self._tokens.access_news(self._since)
        if self._verifier.trust(news.keys, news.issuer):
            self._authentication.forget()
        self._authentication.learn(news.ended, news.stamps, news.token_seconds)
        self._since = news.asked_at - OVERLAP
