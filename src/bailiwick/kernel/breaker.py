"""A circuit breaker: purgatory's states, of which only one caller at a time may try the other side again."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from purgatory.domain.model import CLOSED, HALF_OPENED, OPENED, Context, HalfOpenedState

from bailiwick.kernel.resilience import NotCalled

log = structlog.get_logger("outbound")

LEVELS = {CLOSED: 0, HALF_OPENED: 1, OPENED: 2}


class Breaker:
    """Opens after `opens_after` failures in a row, and lets one probe through after `recovers_after` seconds.

    Failures are what `failed` says of an error; any other error is an answer. `clock` gives seconds that
    never go back: purgatory by itself reads the wall clock, and lets every caller probe a half-open breaker.
    """

    def __init__(
        self,
        name: str,
        *,
        opens_after: int,
        recovers_after: float,
        failed: Callable[[BaseException], bool],
        clock: Callable[[], float],
    ) -> None:
        self._context = Context(name, opens_after, math.inf)
        self._recovers_after, self._failed, self._clock = recovers_after, failed, clock
        self._probe_at = 0.0
        self._probing = False

    @property
    def level(self) -> int:
        """0 closed, 1 half-open, 2 open."""
        return LEVELS[self._context.state]

    @property
    def refuses(self) -> bool:
        """Whether a call that comes now is turned away."""
        return self._probing or (self._context.state == OPENED and self._clock() < self._probe_at)

    def check(self) -> None:
        """Raises NotCalled where `refuses`."""
        if self.refuses:
            wait = max(1, math.ceil(self._probe_at - self._clock()))
            raise NotCalled(f"{self._context.name} has failed too often", why="open", retry_after=wait)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Note how the block ends. Raises NotCalled instead of running it where `refuses`."""
        self.check()
        if self._context.state == OPENED:
            self._context.set_state(HalfOpenedState())
        probe = self._probing = self._context.state == HALF_OPENED
        try:
            yield
        except Exception as error:
            self._ended(probe, error if self._failed(error) else None)
            raise
        except BaseException:
            # Cut off from our side: that says nothing about the other one, so the next caller probes.
            self._probing = self._probing and not probe
            raise
        self._ended(probe, None)

    def _ended(self, probe: bool, failure: Exception | None) -> None:
        before = self._context.state
        # What began before the breaker opened comes too late to say anything.
        if probe or before == CLOSED:
            if failure is None:
                self._context.handle_end_request()
            else:
                self._context.handle_exception(failure)
        if probe:
            self._probing = False
        self._context.messages.clear()  # nobody listens
        after = self._context.state
        if after == OPENED != before:
            self._probe_at = self._clock() + self._recovers_after
            log.warning("outbound_open", outbound=self._context.name, error=type(failure).__name__)
        elif after == CLOSED != before:
            log.info("outbound_closed", outbound=self._context.name)
