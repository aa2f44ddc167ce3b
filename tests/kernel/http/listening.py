"""Streams and web sockets of the product without a network, and events that come when a test wants."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import orjson
from sqlalchemy import insert

from bailiwick.backend import Backend
from bailiwick.kernel.application import Actor, Unauthenticated
from bailiwick.kernel.database import migrations
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.http.authentication import Authentication, VerifiedToken
from bailiwick.kernel.live.hub import Hub
from bailiwick.kernel.messaging.tables import events
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Database as DatabaseSettings
from bailiwick.kernel.settings.sections import Http, Limits, Live, Redis
from bailiwick.main import http_application
from tests.kernel.http.serving import Served

SOON = 3.0
"""Seconds within which what must come has come."""

QUIET = 0.3
"""Seconds after which what has not come will not come."""

EXPIRY = 1000.0
"""When every token of these tests expires, on their own clock."""

_EVENT = insert(events)
_numbers = itertools.count()


def an_id(age: float = 0.0) -> UUID:
    """A UUIDv7 made so many seconds ago: of one moment, the later ones are higher."""
    made = time.time_ns() // 1_000_000 - int(age * 1000)
    return UUID(int=(made << 80) | 0x7 << 76 | 0x2 << 62 | next(_numbers) << 32 | uuid4().int & 0xFFFFFFFF)


async def happens(database: Database, user: UUID | None, id: UUID | None = None, **payload: object) -> UUID:
    """Commit an event that concerns `user`, as another process does: nobody here is told."""
    id = id or an_id()
    row = {
        "id": id,
        "type": "tasks.TaskMoved",
        "schema": 1,
        "payload": payload,
        "occurred_at": datetime.now(UTC),
        "aggregate_id": uuid4(),
        "aggregate_version": 0,
        "actor_id": None,
        "correlation_id": "",
        "audience": user,
    }
    await database.write([Write(_EVENT, row)])
    return id


@dataclass
class Line:
    """One end of a connection: what the application has sent on it, and a way to send or to be slow."""

    task: "asyncio.Task[None]" = field(init=False)
    sent: list[dict[str, Any]] = field(default_factory=list)
    incoming: "asyncio.Queue[dict[str, Any]]" = field(default_factory=asyncio.Queue)
    reading: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] in ("http.response.body", "websocket.send"):
            await self.reading.wait()
        self.sent.append(message)
        self.changed.set()

    @property
    def status(self) -> int:
        status: int = self.sent[0].get("status", 101)
        return status

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What was told, in order: the data of events, or the texts on a socket."""
        texts = [message["text"] for message in self.sent if message["type"] == "websocket.send"]
        body = b"".join(m.get("body", b"") for m in self.sent if m["type"] == "http.response.body")
        texts += [line[6:] for line in body.decode().splitlines() if line.startswith("data: ")]
        return [orjson.loads(text) for text in texts]

    @property
    def ids(self) -> list[UUID]:
        """The events that were told."""
        return [UUID(each["id"]) for each in self.messages if "id" in each]

    @property
    def cursor(self) -> str:
        """Where the reader is."""
        cursor: str = next(each["cursor"] for each in reversed(self.messages) if "cursor" in each)
        return cursor

    @property
    def reason(self) -> str | None:
        """Why it ended, as the reader was told."""
        last = self.messages[-1]
        return last["reason"] if last["type"] == "end" else None

    @property
    def code(self) -> int | None:
        """With which code the socket was closed."""
        return next((each["code"] for each in self.sent if each["type"] == "websocket.close"), None)

    async def heard(self, count: int) -> list[UUID]:
        """The events that were told as soon as there are so many."""
        await self.until(lambda: len(self.ids) >= count)
        return self.ids

    async def until(self, done: Any) -> None:
        async with asyncio.timeout(SOON):
            while not done():
                self.changed.clear()
                await self.changed.wait()

    async def over(self, within: float = SOON) -> None:
        async with asyncio.timeout(within):
            await asyncio.wait([self.task])
        self.task.result()

    def say(self, text: str) -> None:
        self.incoming.put_nowait({"type": "websocket.receive", "text": text})


def verify(token: str) -> VerifiedToken:
    """Tokens of these tests are a user, or a user and a session with a dot in between."""
    try:
        user, _, session = token.partition(".")
        return VerifiedToken(
            Actor(UUID(user), "user", session_id=UUID(session) if session else None), 0, EXPIRY
        )
    except ValueError as error:
        raise Unauthenticated("not a token of ours") from error


@dataclass(frozen=True)
class Office:
    """An application, its hub, and whom it knows."""

    served: Served
    hub: Hub
    authentication: Authentication
    clock: "Time"

    @property
    def database(self) -> Database:
        return self.served.database

    @asynccontextmanager
    async def stream(self, user: UUID | str, cursor: str = "", **headers: str) -> AsyncIterator[Line]:
        """Listen until the block is left; then the reader goes away."""
        sent = {"authorization": f"Bearer {user}", "last-event-id": cursor, **headers}
        async with self.line("/api/v1/stream", sent) as line:
            yield line

    async def ticket(self, user: UUID | str) -> str:
        async with self.served.stranger(Authorization=f"Bearer {user}") as client:
            answer = await client.post("/api/v1/socket/tickets")
            ticket: str = answer.json()["data"]["ticket"]
            return ticket

    @asynccontextmanager
    async def socket(self, ticket: str, cursor: str = "", **headers: str) -> AsyncIterator[Line]:
        query = f"ticket={ticket}&after={cursor}"
        async with self.line("/api/v1/socket", headers, query, kind="websocket") as line:
            yield line

    @asynccontextmanager
    async def line(
        self, path: str, headers: Mapping[str, str], query: str = "", kind: str = "http", method: str = "GET"
    ) -> AsyncIterator[Line]:
        scope = {
            "type": kind,
            "path": path,
            "query_string": query.encode(),
            "client": ("192.0.2.1", 4711),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
            **({"method": method} if kind == "http" else {}),
        }
        line = Line()
        line.reading.set()
        if kind == "http":
            line.incoming.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        else:
            line.incoming.put_nowait({"type": "websocket.connect"})
        line.task = asyncio.ensure_future(self.served.app(scope, line.incoming.get, line.send))
        try:
            await line.until(lambda: line.task.done() or len(line.sent) >= 2)
            yield line
        finally:
            gone = "http.disconnect" if kind == "http" else "websocket.disconnect"
            line.incoming.put_nowait({"type": gone})
            line.reading.set()
            with suppress(TimeoutError):
                await line.over()


@dataclass
class Time:
    """A clock that stands still until a test moves it."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def office_with(
    url: str, *, live: Live | None = None, http: Http | None = None, redis_url: str | None = None
) -> AsyncIterator[Office]:
    """Tasks on the database at `url`, with the hub running beside them, and nothing else."""
    wanted = Settings(
        contexts=["tasks"],
        database=DatabaseSettings(url=url),
        limits=Limits(enabled=False),
        live=live or Live(),
        http=http or Http(),
        redis=Redis(url=redis_url),
    )
    await migrations.upgrade_async(url, wanted.contexts)
    built, clock = Backend.build(wanted), Time()
    known = Authentication(verify, now=clock)
    known.learn(set(), {}, 900)
    backend = Backend(built.platform, (replace(built.modules[0], authentication=known),))
    async with backend.opened():
        hub = backend.live.hub
        running = asyncio.ensure_future(hub.run())
        yield Office(Served(http_application(backend), backend.platform.database), hub, known, clock)
        running.cancel()
        await asyncio.wait([running])
