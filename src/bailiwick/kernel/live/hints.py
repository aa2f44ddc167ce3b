"""Hints between processes, through Redis, that there is news. They say no more than that: who misses one
sees the news at the next look at the database."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from bailiwick.kernel.failpoints import reached

log = structlog.get_logger("live")

CHANNEL = "bailiwick:live"
PATIENCE = 0.25  # seconds for one answer of Redis
PAUSE = 1.0  # seconds before Redis is asked again after it failed
SILENCE = 30.0  # seconds after which the connection is tried


class RedisHints:
    """Sends hints and hears those of others. `url` is `redis://`, `rediss://` or `unix://`."""

    def __init__(self, url: str) -> None:
        self._redis: Redis = Redis.from_url(
            url,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
            health_check_interval=SILENCE,
            retry=Retry(NoBackoff(), 1),  # once, at once: a connection may have died while it lay idle
        )

    async def send(self) -> None:
        reached("hints.before_send")
        with suppress(RedisError, OSError):
            await self._redis.publish(CHANNEL, b"")
        reached("hints.after_send")

    async def hear(self, tell: Callable[[], None]) -> None:
        """Until cancelled: call `tell` at each hint, and whenever some may have been missed."""
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(CHANNEL)
                    tell()
                    while True:
                        if await channel.get_message(timeout=SILENCE) is not None:
                            tell()
            except (RedisError, OSError) as error:
                log.warning("live_hints_away", error=type(error).__name__)
                await asyncio.sleep(PAUSE)

    async def close(self) -> None:
        await self._redis.aclose()
