"""The count of requests in Redis, shared by all processes: sliding windows of the `limits` library."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from bailiwick.kernel.application import Unavailable
from bailiwick.kernel.http.limits import SHORTEST_WAIT, Rate

log = structlog.get_logger("limits")

PATIENCE = 0.25  # seconds for one answer of Redis, for one connection, and for a free connection
PAUSE = 1.0  # seconds without asking again after Redis failed, so that its absence costs requests nothing
CONNECTIONS = 16


class RedisCount:
    """Hits per kind and caller. `url` is `redis://`, `rediss://` or `unix://`. Connects when first asked."""

    def __init__(self, rates: Mapping[str, Sequence[Rate]], url: str) -> None:
        self._rates: dict[str, list[RateLimitItem]] = {
            kind: [RateLimitItemPerSecond(rate.amount, rate.seconds, namespace="bailiwick") for rate in some]
            for kind, some in rates.items()
        }
        self._pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=PATIENCE,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
            retry=Retry(NoBackoff(), 1),  # once, at once: a connection may have died while it lay idle
        )
        # The library takes a pool but types its options as plain values.
        options: dict[str, Any] = {"implementation": "redispy", "connection_pool": self._pool}
        storage = RedisStorage("async+redis://", **options)
        self._windows = SlidingWindowCounterRateLimiter(storage)
        self._away_until = 0.0

    async def wait(self, kind: str, who: str) -> float:
        """Count one hit and answer 0, or the seconds to wait. Raises Unavailable, then for PAUSE at once."""
        rates = self._rates[kind]
        if time.monotonic() < self._away_until:
            raise Unavailable("the shared count of requests is away", retry_after=1)
        try:
            for rate in rates:
                wait = await self._one(rate, kind, who)
                if wait > 0:
                    return wait
        except (RedisError, OSError) as error:
            self._away_until = time.monotonic() + PAUSE
            log.warning("shared_rate_limits_away", error=type(error).__name__)
            raise Unavailable("the shared count of requests is away", retry_after=1) from error
        return 0.0

    async def _one(self, rate: RateLimitItem, kind: str, who: str) -> float:
        if await self._windows.hit(rate, kind, who):
            return 0.0
        seen = await self._windows.get_window_stats(rate, kind, who)
        return max(SHORTEST_WAIT, seen.reset_time - time.time())

    async def close(self) -> None:
        await self._pool.aclose()
