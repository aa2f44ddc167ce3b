"""Running a piece of work again when somebody else was quicker."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bailiwick.kernel.application import Contention

T = TypeVar("T")


async def uncontended(work: Callable[[], Awaitable[T]], *, again: int, pause: float) -> T:
    """The result of `work`, run again at most `again` times while it meets Contention.

    Pauses are random, up to `pause` seconds at first and up to 64 times that later. Running it again is
    safe: a handler changes nothing before its commit, and a contended commit stores nothing.
    """
    for attempt in range(again):
        try:
            return await work()
        except Contention:
            await asyncio.sleep(random.uniform(0, pause * 2 ** min(attempt, 6)))
    return await work()
