"""Calls to other systems: few at once, never for long, not at all while the other side is down."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cached_property
from importlib import import_module
from typing import Any, TypeVar

from prometheus_client import Counter, Gauge

from bailiwick.kernel.application import Unavailable
from bailiwick.kernel.observability import watch

T = TypeVar("T")

TRANSIENT = (OSError, TimeoutError, Unavailable)
SOON = 1  # second: whoever asks to be left alone for longer is not asked again here
LONGEST_PAUSE = 5.0  # seconds between two attempts

calls = Counter("outbound_calls_total", "Attempts at calls to other systems.", ["outbound", "outcome"])
retries = Counter("outbound_retries_total", "Attempts that were not the first.", ["outbound"])
state = Gauge("outbound_breaker", "0 closed, 1 half-open, 2 open.", ["outbound"], multiprocess_mode="livemax")
running = Gauge("outbound_running", "Calls under way.", ["outbound"], multiprocess_mode="livesum")
waiting = Gauge("outbound_waiting", "Calls waiting for others.", ["outbound"], multiprocess_mode="livesum")


class NotCalled(Unavailable):
    """The other side was not even asked. `why` is `full` (too many ask at once) or `open` (the breaker)."""

    def __init__(self, detail: str, *, why: str, retry_after: int = 1) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.why = why


class RetryBudget:
    """Retries are at most one in `calls_per_retry` calls and `allowance` more, so no outage is multiplied."""

    def __init__(self, calls_per_retry: int = 10, allowance: int = 10) -> None:
        self._price = calls_per_retry
        self._most = self._left = allowance * calls_per_retry

    def count(self) -> None:
        """A call is made."""
        self._left = min(self._most, self._left + 1)

    def take(self) -> bool:
        """Whether one retry may be made; it is then paid for."""
        if self._left < self._price:
            return False
        self._left -= self._price
        return True


class Outbound:
    """The way to one other system. Make one for each system and process, and keep it. Times are seconds.

    At most `most_at_once` calls run; others wait for their turn for at most `patience`. An attempt takes
    at most `timeout`, a call at most `attempts` of them and pauses of 5 s. After `opens_after` transient
    failures in a row nobody is let through for `recovers_after`, then one, whose end decides. Transient
    are OSError, TimeoutError, Unavailable and the types in `transient`: only these count and are retried.
    """

    def __init__(
        self,
        name: str,
        *,
        timeout: float,
        attempts: int = 3,
        pause: float = 0.1,
        opens_after: int = 5,
        recovers_after: float = 10.0,
        most_at_once: int = 20,
        patience: float = 1.0,
        transient: tuple[type[Exception], ...] = (),
        budget: RetryBudget | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._timeout, self._attempts, self._pause, self._patience = timeout, attempts, pause, patience
        self._transient = TRANSIENT + transient
        self._breaks = {"opens_after": opens_after, "recovers_after": recovers_after, "clock": clock}
        self._budget = budget or RetryBudget()
        self._slots = asyncio.Semaphore(most_at_once)
        self._running = self._waiting = 0

    async def call(self, ask: Callable[[], Awaitable[T]], *, idempotent: bool) -> T:
        """What `ask` answers. It may be asked again only where `idempotent`: it reads, or carries a key.

        Raises Unavailable in place of every transient error, and whatever else `ask` raises.
        """
        self._budget.count()
        try:
            if idempotent and self._attempts > 1:
                return await self._repeated(ask)
            return await self._once(ask)
        except Unavailable:
            raise
        except self._transient as error:
            raise Unavailable(f"{self.name} does not answer at the moment") from error

    async def _repeated(self, ask: Callable[[], Awaitable[T]]) -> T:
        made = 0

        def worth_another(error: Exception) -> bool:
            return made < self._attempts and self._may_retry(error)

        # The libraries are loaded by the first call: together they would add 0.15 s to every start.
        async for attempt in _stamina().retry_context(
            on=worth_another,
            attempts=self._attempts,
            timeout=None,
            wait_initial=self._pause,
            wait_jitter=2 * self._pause,
            wait_max=LONGEST_PAUSE,
        ):
            with attempt:
                made += 1
                if made > 1:
                    retries.labels(self.name).inc()
                return await self._once(ask)
        raise AssertionError("the last attempt returns or raises")

    def _may_retry(self, error: Exception) -> bool:
        if isinstance(error, Unavailable) and error.retry_after > SOON:
            return False
        if isinstance(error, NotCalled) or not isinstance(error, self._transient):
            return False
        return not self._breaker.refuses and self._budget.take()

    async def _once(self, ask: Callable[[], Awaitable[T]]) -> T:
        outcome = "cancelled"
        try:
            self._breaker.check()  # before waiting, for those it turns away need not wait for that
            async with self._turn():
                with self._breaker.watching():
                    async with asyncio.timeout(self._timeout):
                        answer = await ask()
            outcome = "answered"
            return answer
        except Exception as error:
            outcome = self._outcome(error)
            raise
        finally:
            calls.labels(self.name, outcome).inc()

    def _outcome(self, error: Exception) -> str:
        match error:
            case NotCalled():
                return error.why
            case TimeoutError():
                return "timed_out"
            case _:
                return "failed" if isinstance(error, self._transient) else "refused"

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._slots.locked():
            await self._wait_for_turn()
        else:
            await self._slots.acquire()
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            self._slots.release()

    async def _wait_for_turn(self) -> None:
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience):
                await self._slots.acquire()
        except TimeoutError as error:
            raise NotCalled(f"{self.name} has too many calls waiting", why="full") from error
        finally:
            self._waiting -= 1

    @cached_property
    def _breaker(self) -> Any:
        breaker = import_module("bailiwick.kernel.breaker").Breaker(
            self.name, failed=lambda error: isinstance(error, self._transient), **self._breaks
        )
        watch(state.labels(self.name), lambda: breaker.level)
        watch(running.labels(self.name), lambda: self._running)
        watch(waiting.labels(self.name), lambda: self._waiting)
        return breaker


def _stamina() -> Any:
    stamina = import_module("stamina")
    # Its own hooks log the arguments and the error, which may hold secrets. We count for ourselves.
    stamina.instrumentation.set_on_retry_hooks(())
    return stamina
