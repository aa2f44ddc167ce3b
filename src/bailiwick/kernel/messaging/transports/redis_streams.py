"""Events over Redis Streams (Redis 7 or newer, or Valkey): one stream for each context.

The client is redis-py and not a framework above it, because order and safety rest on three commands that
frameworks do not offer: XADD NOMKSTREAM, which notices a broker that lost its data; XREADGROUP from the
first unconfirmed message, which keeps the order when another process takes over; and a pipeline of
acknowledged writes.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from bailiwick.kernel.failpoints import reached
from bailiwick.kernel.messaging.envelopes import Envelope
from bailiwick.kernel.messaging.transports import BATCH, StreamMissing, Take, TransportDown
from bailiwick.kernel.settings.sections import Transport as Options

log = structlog.get_logger("transport")

FIELD = "__data__"
"""Where FastStream looks for the body of a message, so that its subscribers can read ours."""

CONSUMER = "leader"
"""Everybody of a group has this name, one after the other: what the last one left is the next one's own."""

UNCONFIRMED, NEW = "0", ">"
PATIENCE = 5.0  # seconds for a connection, and beyond the wait for an answer
WAIT = 2.0  # seconds that one question for new messages stays open


Entry = tuple[bytes, dict[bytes, bytes] | None]
"""The id of a message, and its fields unless it was trimmed away."""


def connect(options: Options) -> "RedisStreams":
    return RedisStreams(options)


class RedisStreams:
    """Keeps as many messages, and for as long, as the settings say: the rest is forgotten, read or not."""

    def __init__(self, options: Options) -> None:
        self._redis: Redis = Redis.from_url(
            str(options.url),
            socket_connect_timeout=PATIENCE,
            socket_timeout=WAIT + PATIENCE,
            retry=Retry(NoBackoff(), 0),
        )
        self._prefix = options.prefix
        self._most, self._oldest = options.keep_messages, timedelta(days=options.keep_days)

    async def publish(self, envelopes: Sequence[Envelope]) -> dict[UUID, str]:
        oldest = int((datetime.now(UTC) - self._oldest).timestamp() * 1000)
        reached("streams.before_publish")
        async with _explained(), self._redis.pipeline(transaction=False) as pipe:
            for each in envelopes:
                stream = self._stream(each.context)
                pipe.xadd(stream, {FIELD: each.encoded()}, maxlen=self._most, nomkstream=True)
            for stream in {self._stream(each.context) for each in envelopes}:
                pipe.xtrim(stream, minid=f"{oldest}-0")
            answers = await pipe.execute()
        reached("streams.after_publish")
        for each, answer in zip(envelopes, answers, strict=False):
            if answer is None:
                raise StreamMissing(each.context)
        return {}

    async def lacks(self, context: str) -> bool:
        async with _explained():
            return not await self._redis.exists(self._stream(context))

    async def create(self, context: str) -> None:
        stream = self._stream(context)
        async with _explained(), self._redis.pipeline(transaction=True) as pipe:
            # No command makes an empty stream, but a group may make its own.
            pipe.xgroup_create(stream, "making", id="0", mkstream=True)
            pipe.xgroup_destroy(stream, "making")
            await pipe.execute()

    async def consume(self, context: str, group: str, take: Take) -> None:
        stream = self._stream(context)
        async with _explained():
            if not await self._redis.exists(stream):
                raise StreamMissing(context)
            await self._join(stream, group)
        # First what was handed out to the group and not confirmed, then what is new.
        after = UNCONFIRMED
        while True:
            found = await self._read(stream, group, after)
            messages = [fields[FIELD.encode()] for _, fields in found if fields]
            if len(messages) < len(found):
                log.error("messages_forgotten_unread", stream=stream, count=len(found) - len(messages))
            if messages:
                await take(messages)
            if found:
                await self._confirm(stream, group, [id for id, _ in found])
            elif after != NEW:
                after = NEW

    async def _confirm(self, stream: str, group: str, ids: Sequence[bytes]) -> None:
        reached("streams.before_confirm")
        async with _explained():
            await self._redis.xack(stream, group, *ids)
        reached("streams.after_confirm")

    async def close(self) -> None:
        await self._redis.aclose()

    def _stream(self, context: str) -> str:
        return f"{self._prefix}.events.{context}"

    async def _join(self, stream: str, group: str) -> None:
        """A new group begins with the oldest message that there is."""
        try:
            await self._redis.xgroup_create(stream, group, id="0")
        except ResponseError as refused:
            if not str(refused).startswith("BUSYGROUP"):
                raise

    async def _read(self, stream: str, group: str, after: str) -> list[Entry]:
        async with _explained():
            answer: Any = await self._redis.xreadgroup(
                group,
                CONSUMER,
                {stream: after},
                count=BATCH,
                block=int(WAIT * 1000) if after == NEW else None,
            )
        if not answer:
            return []
        [(_, found)] = answer.items() if isinstance(answer, dict) else answer
        # redis-py puts the messages of a map answer into one more list.
        return found[0] if found and isinstance(found[0], list) and isinstance(answer, dict) else found


@asynccontextmanager
async def _explained() -> AsyncIterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise TransportDown(f"{type(error).__name__}: {error}") from error
