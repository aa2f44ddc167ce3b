"""Who is connected to this worker, and one look at the database for all of them."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, Protocol
from uuid import UUID

from bailiwick.kernel.application import Unavailable
from bailiwick.kernel.database.connections import Database, Row
from bailiwick.kernel.http.authentication import Authentication
from bailiwick.kernel.ids import moment
from bailiwick.kernel.live import news
from bailiwick.kernel.live.connection import Connection, End
from bailiwick.kernel.live.news import Message, message_of
from bailiwick.kernel.live.positions import MOST_LISTED, Position
from bailiwick.kernel.live.room import Room

POLL = 0.5
"""Seconds between two looks where nothing tells us of news: another process may have written them."""

PAUSE = 0.02
"""Seconds between two looks, however much news there is."""

CHECK = 0.2
"""Seconds between two checks of who may still be connected."""

OVERLAP = 15_000
"""Milliseconds that each look goes back now and then. An id is made before its commit: this is more than
the longest commit takes and the clocks of writers differ."""

NEAR, FAR_EVERY = 2_000, 1.0
"""Milliseconds that every other look goes back, and seconds after which one goes all the way."""

MOST_REPLAYED, MOST_REPLAYED_BYTES = 1_000, 500_000
"""Missed news that is made up for. Who has missed more is told to read everything anew."""


class Hints(Protocol):
    """A way to tell other processes that there is news. It may fail: it saves waiting, and no more."""

    async def send(self) -> None: ...

    def hear(self, tell: Any, /) -> Awaitable[None]: ...

    async def close(self) -> None: ...


class Audience:
    """One user's connections to this worker, and what they have all heard of what was made after `since`."""

    def __init__(self, since: int) -> None:
        self.since = since
        self.connections: set[Connection] = set()
        self.known: dict[UUID, None] = {}
        self.latest: deque[UUID] = deque(maxlen=MOST_LISTED)

    def tell(self, row: Row, horizon: int) -> None:
        """Offer an event to every connection, unless they have heard it."""
        if row[0] in self.known or moment(row[0]) < self.since:
            return
        self.known[row[0]] = None
        self.latest.append(row[0])
        message = message_of(row, Position.after(tuple(self.latest), horizon))
        for connection in tuple(self.connections):
            connection.offer(message)

    def forget(self, horizon: int) -> None:
        self.known = {id: None for id in self.known if moment(id) >= horizon}


class Hub:
    """Connections join with the position up to which they have heard, and then hear everything after it.

    `authentication` tells whose token no longer counts; without it nobody is sent away.
    """

    def __init__(
        self, database: Database, authentication: Authentication | None, room: Room, redis_url: str | None
    ) -> None:
        self._database, self._authentication, self.room = database, authentication, room
        # The library is only there with an optional extra.
        made = import_module("bailiwick.kernel.live.hints") if redis_url else None
        self._hints: Hints | None = made.RedisHints(redis_url) if made else None
        self._audiences: dict[UUID, Audience] = {}
        self._looking = asyncio.Lock()
        self._news = asyncio.Event()
        self._looked_at = self._looked_far_at = float("-inf")
        self._stopping = False

    @property
    def connections(self) -> list[Connection]:
        return [each for audience in self._audiences.values() for each in audience.connections]

    async def join(self, connection: Connection, position: Position | None) -> None:
        """Tell `connection` what it has missed since `position`, and from now on all that is new.

        Raises TooMany or Unavailable. Once it has joined, its `leave` must be called when it is over.
        """
        if self._stopping:
            raise Unavailable("this process is stopping")
        user, address = connection.user, connection.address
        self.room.enter(user, address)
        try:
            async with self._looking:
                await self._catch_up(connection, position)
        except BaseException:
            self.room.leave(user, address)
            raise
        connection.leave = self._leave

    def _leave(self, connection: Connection) -> None:
        connection.leave = None
        self.room.leave(connection.user, connection.address)
        audience = self._audiences[connection.user]
        audience.connections.discard(connection)
        if not audience.connections:
            del self._audiences[connection.user]

    async def _catch_up(self, connection: Connection, position: Position | None) -> None:
        user, horizon = connection.user, _now() - OVERLAP
        recent = await news.recent_ones(self._database, user, horizon)
        replay = await self._replay(user, position, horizon, recent) if position else []
        if not self._audiences:
            self._looked_at = self._looked_far_at = time.monotonic()
        audience = self._audiences.setdefault(user, Audience(horizon))
        for row in recent:
            audience.tell(row, horizon)
        if position is None or replay is None:
            here = Position.after(tuple(audience.latest), horizon).written()
            connection.offer(Message("ready" if position is None else "reset", here))
        else:
            connection.offer(Message("ready"))
            for message in replay:
                connection.offer(message)
        audience.connections.add(connection)
        self._news.set()

    async def _replay(
        self, user: UUID, position: Position, horizon: int, recent: Sequence[Row]
    ) -> list[Message] | None:
        """What came after `position`, oldest first; None where that is too much to make up for."""
        rows = [row for row in recent if moment(row[0]) >= position.floor]
        if position.floor < horizon:
            most = MOST_REPLAYED + 1
            rows = [*await news.missed_ones(self._database, user, position.floor, horizon, most), *rows]
        rows = [row for row in rows if row[0] not in position.heard]
        if len(rows) > MOST_REPLAYED:
            return None
        heard, messages = list(position.heard), []
        for row in rows:
            heard.append(row[0])
            messages.append(message_of(row, Position.after(heard, horizon)))
        return messages if sum(message.size for message in messages) <= MOST_REPLAYED_BYTES else None

    async def look(self) -> None:
        """Hand out what has become visible since the last look. Raises Unavailable."""
        async with self._looking:
            if not self._audiences or (self._authentication and self._authentication.blind):
                return
            started, now = time.monotonic(), _now()
            far = started - self._looked_far_at >= FAR_EVERY
            missed = int((started - self._looked_at) * 1000)
            floor = now - missed - (OVERLAP if far else NEAR)
            known = [id for each in self._audiences.values() for id in each.known if moment(id) >= floor]
            rows = await news.new_ones(self._database, list(self._audiences), floor, known)
            for row in rows:
                if row[1] in self._audiences:
                    self._audiences[row[1]].tell(row, now - OVERLAP)
            self._looked_at = started
            if far:
                self._looked_far_at = started
                for audience in self._audiences.values():
                    audience.forget(now - 2 * OVERLAP)

    def check(self) -> None:
        """End the connections of those who may no longer be connected, and look after the others."""
        now, authentication = time.monotonic(), self._authentication
        for connection in self.connections:
            over = authentication.over(connection.token) if authentication else None
            if over is not None:
                connection.end(End(over.value))
            else:
                connection.tick(now)

    async def run(self) -> None:
        """Until cancelled: tell other processes of news from here, and connections of all news."""
        loops = [self._pass_on, self._watch, self._keep_order]
        async with asyncio.TaskGroup() as together:
            for loop in loops:
                together.create_task(loop())
            if self._hints is not None:
                together.create_task(self._hear(self._hints))

    async def _hear(self, hints: Hints) -> None:
        await hints.hear(self._news.set)

    async def _pass_on(self) -> None:
        added = self._database.event_added
        while True:
            await added.wait()
            added.clear()
            self._news.set()
            if self._hints is not None:
                await self._hints.send()
            await asyncio.sleep(PAUSE)

    async def _watch(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL if self._audiences else None):
                    await self._news.wait()
            self._news.clear()
            with suppress(Unavailable):
                await self.look()
            await asyncio.sleep(PAUSE)

    async def _keep_order(self) -> None:
        while True:
            await asyncio.sleep(CHECK)
            self.check()

    async def stop(self) -> None:
        """Send everybody away, with a word why, and wait until they have gone."""
        self._stopping = True
        while connections := self.connections:
            for connection in connections:
                connection.end(End.SERVER_STOPPING)
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        if self._hints is not None:
            await self._hints.close()


def _now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
