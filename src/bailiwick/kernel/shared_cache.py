"""What is cached in Redis for all processes: cashews without pickles, which would run what Redis holds."""

import warnings
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from cashews import CacheBackendInteractionError
from cashews.backends.redis import Redis
from cashews.serialize import NULL_SERIALIZER
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from bailiwick.kernel.resilience import Outbound

T = TypeVar("T")

PREFIX = "bailiwick:cache:"
PATIENCE = 0.25  # seconds for one answer of Redis, for one connection, and for a free connection
PAUSE = 1.0  # seconds without asking again after Redis failed, so that its absence costs requests nothing
CONNECTIONS = 16


class RedisStore:
    """Entries at `url`: `redis://`, `rediss://` or `unix://`. Connects when first asked."""

    shared = True

    def __init__(self, url: str) -> None:
        options: dict[str, Any] = {
            "suppress": False,
            "serializer": NULL_SERIALIZER,
            "client_name": "bailiwick-cache",
            "max_connections": CONNECTIONS,
            "wait_for_connection_timeout": PATIENCE,
            "socket_timeout": PATIENCE,
            "socket_connect_timeout": PATIENCE,
            "retry": Retry(NoBackoff(), 1),  # once, at once: a connection may have died while it lay idle
        }
        self._redis = Redis(url, **options)
        self._outbound = Outbound(
            "cache",
            timeout=4 * PATIENCE,
            attempts=1,
            opens_after=1,
            recovers_after=PAUSE,
            most_at_once=CONNECTIONS,
            patience=PATIENCE,
            transient=(CacheBackendInteractionError,),
        )

    async def get(self, *keys: str) -> Sequence[bytes | None]:
        found = await self._ask(lambda: self._redis.get_many(*(PREFIX + key for key in keys)))
        # The library takes digits for a number: not what we have written.
        return [value if isinstance(value, bytes) else None for value in found]

    async def set(self, key: str, value: bytes, seconds: float) -> None:
        await self._ask(lambda: self._redis.set(PREFIX + key, value, expire=seconds))

    async def add(self, key: str, value: bytes, seconds: float) -> None:
        await self._ask(lambda: self._redis.set(PREFIX + key, value, expire=seconds, exist=False))

    async def lock(self, key: str, owner: str, seconds: float) -> bool:
        return await self._ask(lambda: self._redis.set_lock(PREFIX + key, owner, seconds))

    async def unlock(self, key: str, owner: str) -> None:
        await self._ask(lambda: self._redis.unlock(PREFIX + key, owner))

    async def close(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the library closes in an old way
            await self._redis.close()  # type: ignore[no-untyped-call]  # the library leaves it untyped

    async def _ask(self, ask: Callable[[], Awaitable[T]]) -> T:
        if not self._redis.is_init:
            await self._redis.init()  # type: ignore[no-untyped-call]  # the library leaves it untyped
        return await self._outbound.call(ask, idempotent=False)
