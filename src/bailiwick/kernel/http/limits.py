"""How often somebody may ask: counted in this process, or in Redis for all processes together."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from bailiwick.kernel.application import TooMany, Unavailable

# Without the shared count a guesser could ask every worker in turn, so these are refused while it is away.
FAIL_CLOSED = frozenset({"credentials"})

MOST_CALLERS = 20_000  # per rate and generation: both generations together take about 7 MB
SHORTEST_WAIT = 0.001  # seconds
SECONDS = {
    "second": 1,
    "minute": 60,
    "hour": 3_600,
    "day": 86_400,
    "month": 30 * 86_400,
    "year": 360 * 86_400,
}
RATE = re.compile(rf"\s*([1-9]\d*)\s*(?:/|per)\s*(\d+)?\s*({'|'.join(SECONDS)})s?\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `amount` requests in any `seconds`."""

    amount: int
    seconds: int


def rates_of(text: str) -> tuple[Rate, ...]:
    """The rates in `10/second;600/minute`; none in an empty text. Raises ValueError for anything else."""
    return tuple(_rate(part) for part in text.split(";")) if text else ()


def _rate(text: str) -> Rate:
    found = RATE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a rate such as 600/minute")
    amount, times, unit = found.groups()
    return Rate(int(amount), int(times or 1) * SECONDS[unit.lower()])


class SharedCount(Protocol):
    """A count that several processes share. Raises Unavailable where it does not answer."""

    async def wait(self, kind: str, who: str) -> float: ...

    async def close(self) -> None: ...


class RateLimiter:
    """Refuses what comes too often. `rates` says for each kind of request how often, such as `600/minute`.

    With `redis_url` all processes count together. While Redis is away the kinds in FAIL_CLOSED are
    refused, and each process counts the others alone. `clock` gives seconds that never go back.
    """

    def __init__(
        self, rates: Mapping[str, str], redis_url: str | None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        parsed = {kind: rates_of(text) for kind, text in rates.items()}
        self._own = {kind: [_OwnCount(rate) for rate in some] for kind, some in parsed.items()}
        self._clock = clock
        self._shared: SharedCount | None = None
        if redis_url is not None:
            # Loaded only here: it costs a third of a second, and its packages are an optional extra.
            shared = import_module("bailiwick.kernel.http.shared_limits")
            self._shared = shared.RedisCount(parsed, redis_url)

    async def check(self, kind: str, who: str) -> None:
        """Count one request of `who`. Raises TooMany above the rate, Unavailable as described above."""
        if self._shared is None:
            wait = self._own_wait(kind, who)
        else:
            try:
                wait = await self._shared.wait(kind, who)
            except Unavailable:
                if kind in FAIL_CLOSED:
                    raise
                wait = self._own_wait(kind, who)
        if wait > 0:
            seconds = int(wait) + 1
            raise TooMany(f"too many requests; try again in {seconds} s", retry_after=seconds)

    async def close(self) -> None:
        if self._shared is not None:
            await self._shared.close()

    def _own_wait(self, kind: str, who: str) -> float:
        """Count one request where every rate allows it, and say 0; else count none and say how long."""
        counts, now = self._own[kind], self._clock()
        wait = 0.0
        for count in counts:
            wait = max(wait, count.wait(who, now))
        if wait == 0:
            for count in counts:
                count.add(who)
        return wait


class _OwnCount:
    """One rate, counted here: the hits of this window, and of the one before in proportion to its overlap.

    Callers are kept in two generations. When the younger is full the older is forgotten, so memory
    stays bounded and no request ever pays for a clean-up, however many addresses somebody has.
    """

    __slots__ = ("_amount", "_old", "_seconds", "_young")

    def __init__(self, rate: Rate) -> None:
        self._amount, self._seconds = rate.amount, rate.seconds
        self._young: dict[str, list[float]] = {}
        self._old: dict[str, list[float]] = {}

    def wait(self, who: str, now: float) -> float:
        """How many seconds are missing until one more hit is allowed; 0 if it is allowed now."""
        window = self._young.get(who) or self._recall(who, now)
        start, current, previous = window
        age = now - start
        if age >= self._seconds:
            # The next window begins where this one ended; after a longer pause everything is forgotten.
            follows = age < 2 * self._seconds
            start, previous = (start + self._seconds, current) if follows else (now, 0)
            current, age = 0, now - start
        window[0], window[1], window[2] = start, current, previous
        if previous * (1 - age / self._seconds) + current < self._amount:
            return 0.0
        if current >= self._amount:
            return self._seconds - age
        # Rounding may say "now", but a refusal is one: never 0.
        return max(SHORTEST_WAIT, self._seconds * (1 - (self._amount - current) / previous) - age)

    def add(self, who: str) -> None:
        """Count one hit, right after `wait` allowed it."""
        self._young[who][1] += 1

    def _recall(self, who: str, now: float) -> list[float]:
        if len(self._young) >= MOST_CALLERS:
            self._old, self._young = self._young, {}
        window = self._young[who] = self._old.pop(who, [now, 0, 0])
        return window
