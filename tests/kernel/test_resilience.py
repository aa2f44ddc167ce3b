"""Calls to other systems: bounded, timed, broken off while the other side is down, retried with care."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
import stamina
import structlog
from prometheus_client import REGISTRY
from purgatory import AsyncCircuitBreakerFactory

from bailiwick.kernel.application import Unavailable
from bailiwick.kernel.breaker import Breaker
from bailiwick.kernel.domain import Conflict
from bailiwick.kernel.observability import configure_logging, look
from bailiwick.kernel.resilience import NotCalled, Outbound, RetryBudget
from bailiwick.kernel.settings import Settings


class Other:
    """Another system, which does what `then` says, call by call, and the last of it from then on."""

    def __init__(self, *then: BaseException | float) -> None:
        self.then = list(then)
        self.asked = self.running = self.most_running = 0
        self.go_on = asyncio.Event()

    async def __call__(self) -> str:
        self.asked += 1
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            now = self.then.pop(0) if len(self.then) > 1 else self.then[0]
            if isinstance(now, BaseException):
                raise now
            async with asyncio.timeout(now or None):
                await self.go_on.wait()
            return "answer"
        finally:
            self.running -= 1


class Time:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def well() -> Other:
    """Another system that answers at once."""
    other = Other(0)
    other.go_on.set()
    return other


def outbound(**options: Any) -> Outbound:
    return Outbound("tested", **{"timeout": 5.0, "pause": 0.001, **options})


async def refused(way: Outbound, ask: Callable[[], Awaitable[Any]], idempotent: bool = False) -> Unavailable:
    with pytest.raises(Unavailable) as refusal:
        await way.call(ask, idempotent=idempotent)
    return refusal.value


async def opened(clock: Time, **options: Any) -> Outbound:
    """A way whose breaker has just opened."""
    way = outbound(opens_after=2, recovers_after=10.0, clock=clock, **options)
    for _ in range(2):
        await refused(way, Other(OSError()))
    return way


def counted(name: str, **labels: str) -> float:
    look()
    return REGISTRY.get_sample_value(name, {"outbound": "tested", **labels}) or 0.0


@pytest.mark.parametrize("failure", [OSError("away"), TimeoutError(), Unavailable("away")])
async def test_a_transient_failure_is_tried_again_and_ends_as_unavailable(failure: Exception) -> None:
    other = Other(failure)
    await refused(outbound(attempts=3), other, idempotent=True)
    assert other.asked == 3


async def test_a_retry_that_is_answered_is_as_good_as_the_first_attempt() -> None:
    other = Other(OSError(), 0)
    other.go_on.set()
    assert await outbound().call(other, idempotent=True) == "answer"
    assert other.asked == 2


async def test_what_is_not_idempotent_is_never_tried_again() -> None:
    other = Other(OSError())
    await refused(outbound(), other, idempotent=False)
    assert other.asked == 1


async def test_a_refusal_by_the_business_is_passed_on_and_never_tried_again() -> None:
    other = Other(Conflict("no"))
    with pytest.raises(Conflict):
        await outbound().call(other, idempotent=True)
    assert other.asked == 1


async def test_what_the_caller_names_is_transient_too() -> None:
    class Hiccup(Exception):
        pass

    other = Other(Hiccup())
    await refused(outbound(transient=(Hiccup,)), other, idempotent=True)
    assert other.asked == 3


async def test_who_asks_to_be_left_alone_for_a_while_is() -> None:
    other = Other(Unavailable("later", retry_after=30))
    assert (await refused(outbound(), other, idempotent=True)).retry_after == 30
    assert other.asked == 1


async def test_an_outage_is_not_multiplied_by_retries() -> None:
    other = Other(OSError())
    way = outbound(opens_after=1_000_000, budget=RetryBudget(calls_per_retry=10, allowance=5))
    for _ in range(200):
        await refused(way, other, idempotent=True)
    # Every tenth of 200 calls, and 5 more; of them the last is not affordable yet.
    assert 220 <= other.asked <= 225


async def test_without_a_budget_an_outage_would_be_multiplied() -> None:
    other = Other(OSError())
    way = outbound(opens_after=1_000_000, budget=RetryBudget(calls_per_retry=0))
    for _ in range(20):
        await refused(way, other, idempotent=True)
    assert other.asked == 60


async def test_an_attempt_has_only_so_much_time() -> None:
    other = Other(0)
    await refused(outbound(timeout=0.02, attempts=2), other, idempotent=True)
    assert (other.asked, other.running) == (2, 0)


async def test_no_more_than_so_many_run_at_once_and_the_others_wait() -> None:
    other, way = Other(0), outbound(most_at_once=3)
    calls = [asyncio.create_task(way.call(other, idempotent=True)) for _ in range(10)]
    await asyncio.sleep(0.02)
    assert (counted("outbound_running"), counted("outbound_waiting")) == (3, 7)
    other.go_on.set()
    assert await asyncio.gather(*calls) == ["answer"] * 10
    assert other.most_running == 3
    assert (counted("outbound_running"), counted("outbound_waiting")) == (0, 0)


async def test_waiting_for_a_turn_ends_and_is_not_tried_again() -> None:
    other, way = Other(0), outbound(most_at_once=1, patience=0.02)
    running = asyncio.create_task(way.call(other, idempotent=True))
    await asyncio.sleep(0)
    late, retried = well(), counted("outbound_retries_total")
    refusal = await refused(way, late, idempotent=True)
    assert counted("outbound_retries_total") == retried
    assert isinstance(refusal, NotCalled)
    assert (refusal.why, late.asked) == ("full", 0)
    other.go_on.set()
    await running
    assert await way.call(late, idempotent=True) == "answer"


async def test_too_many_at_once_do_not_open_the_breaker() -> None:
    other, way = Other(0), outbound(most_at_once=1, patience=0.001, opens_after=1)
    running = asyncio.create_task(way.call(other, idempotent=True))
    await asyncio.sleep(0)
    for _ in range(3):
        await refused(way, well())
    other.go_on.set()
    assert await running == "answer"
    assert counted("outbound_breaker") == 0


async def test_after_failures_in_a_row_nobody_is_let_through() -> None:
    way, other = await opened(Time()), well()
    refusal = await refused(way, other, idempotent=True)
    assert isinstance(refusal, NotCalled)
    assert (refusal.why, refusal.retry_after, other.asked) == ("open", 10, 0)
    assert counted("outbound_breaker") == 2


async def test_an_open_breaker_is_not_waited_for() -> None:
    clock, slow = Time(), Other(0)
    way = outbound(opens_after=2, clock=clock, most_at_once=1, patience=60)
    hanging = asyncio.create_task(way.call(slow, idempotent=False))
    await asyncio.sleep(0)
    breaker: Breaker = way._breaker
    for _ in range(2):
        with pytest.raises(OSError), breaker.watching():  # noqa: PT011  # of any kind
            raise OSError
    async with asyncio.timeout(1):
        await refused(way, well())
    slow.go_on.set()
    await hanging


async def test_the_attempt_that_opens_the_breaker_is_the_last() -> None:
    other, retried = Other(OSError()), counted("outbound_retries_total")
    await refused(outbound(opens_after=2, attempts=10), other, idempotent=True)
    assert (other.asked, counted("outbound_retries_total") - retried) == (2, 1)


async def test_answers_and_refusals_by_the_business_keep_the_breaker_closed() -> None:
    way = outbound(opens_after=2)
    for then in (OSError(), Conflict("no"), OSError(), 0, OSError()):
        other = Other(then)
        other.go_on.set()
        with suppress(Conflict, Unavailable):
            await way.call(other, idempotent=False)
    assert counted("outbound_breaker") == 0


async def test_many_who_come_when_it_may_be_tried_again_send_one_probe() -> None:
    clock = Time()
    way, other = await opened(clock), Other(0)
    clock.now += 10
    calls = [asyncio.create_task(way.call(other, idempotent=True)) for _ in range(50)]
    await asyncio.sleep(0.02)
    assert other.asked == 1
    assert counted("outbound_breaker") == 1
    other.go_on.set()
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert ended.count("answer") == 1
    assert sum(isinstance(each, NotCalled) for each in ended) == 49
    assert counted("outbound_breaker") == 0
    assert await way.call(other, idempotent=True) == "answer"


class Unguarded(Breaker):
    """What the library does by itself: half-open is open to all."""

    @property
    def refuses(self) -> bool:
        self._probing = False
        return super().refuses


async def test_without_our_guard_all_of_them_would_be_probes() -> None:
    clock, other = Time(), Other(0)
    way = outbound(opens_after=2, recovers_after=10.0, clock=clock)
    way.__dict__["_breaker"] = Unguarded(
        "tested", opens_after=2, recovers_after=10, failed=lambda error: True, clock=clock
    )
    for _ in range(2):
        await refused(way, Other(OSError()))
    clock.now += 10
    calls = [asyncio.create_task(way.call(other, idempotent=True)) for _ in range(10)]
    await asyncio.sleep(0.02)
    assert other.asked == 10
    other.go_on.set()
    await asyncio.gather(*calls)


async def test_the_library_alone_lets_all_of_them_through() -> None:
    factory = AsyncCircuitBreakerFactory(default_threshold=1, default_ttl=0)
    with pytest.raises(OSError):  # noqa: PT011  # of any kind
        async with await factory.get_breaker("other"):
            raise OSError
    await asyncio.sleep(0.001)
    other = Other(0)

    async def ask() -> None:
        async with await factory.get_breaker("other"):
            await other()

    calls = [asyncio.create_task(ask()) for _ in range(10)]
    await asyncio.sleep(0.02)
    assert other.asked == 10  # were it one, our own guard could go
    other.go_on.set()
    await asyncio.gather(*calls)


async def test_a_probe_that_fails_opens_the_breaker_for_as_long_again() -> None:
    clock = Time()
    way, other = await opened(clock), well()
    clock.now += 10
    await refused(way, Other(OSError()))
    clock.now += 9
    await refused(way, other)
    assert other.asked == 0
    clock.now += 1
    assert await way.call(other, idempotent=True) == "answer"


async def test_a_probe_that_is_refused_by_the_business_closes_the_breaker() -> None:
    clock = Time()
    way = await opened(clock)
    clock.now += 10
    with pytest.raises(Conflict):
        await way.call(Other(Conflict("no")), idempotent=True)
    assert counted("outbound_breaker") == 0


async def test_a_probe_that_we_give_up_says_nothing_and_the_next_caller_is_the_probe() -> None:
    clock = Time()
    way, other = await opened(clock), Other(0)
    clock.now += 10
    probe = asyncio.create_task(way.call(other, idempotent=True))
    await asyncio.sleep(0)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert counted("outbound_breaker") == 1
    assert await way.call(well(), idempotent=True) == "answer"
    assert counted("outbound_breaker") == 0


@pytest.mark.parametrize("then", ["answers", "fails"])
async def test_what_began_before_the_breaker_opened_does_not_decide_for_the_probe(then: str) -> None:
    clock, old, probing = Time(), Other(0 if then == "answers" else 0.05), Other(0)
    way = outbound(opens_after=2, recovers_after=10.0, clock=clock)
    late = asyncio.create_task(way.call(old, idempotent=False))
    await asyncio.sleep(0)
    for _ in range(2):
        await refused(way, Other(OSError()))
    clock.now += 10
    probe = asyncio.create_task(way.call(probing, idempotent=False))
    await asyncio.sleep(0)
    old.go_on.set() if then == "answers" else await asyncio.sleep(0.1)
    await asyncio.gather(late, return_exceptions=True)
    assert counted("outbound_breaker") == 1
    probing.go_on.set()
    assert await probe == "answer"


async def test_what_happened_is_counted() -> None:
    outcomes = ("answered", "refused", "failed", "timed_out", "open", "cancelled")
    before = {each: counted("outbound_calls_total", outcome=each) for each in outcomes}
    retried = counted("outbound_retries_total")
    way = outbound(opens_after=4, attempts=2)
    await way.call(well(), idempotent=True)
    with pytest.raises(Conflict):
        await way.call(Other(Conflict("no")), idempotent=True)
    given_up = asyncio.create_task(way.call(Other(0), idempotent=True))
    await asyncio.sleep(0.01)
    given_up.cancel()
    await asyncio.wait([given_up])
    await refused(way, Other(OSError()), idempotent=True)
    await refused(way, Other(TimeoutError()), idempotent=True)
    await refused(way, well())
    after = {each: counted("outbound_calls_total", outcome=each) for each in outcomes}
    assert {each: after[each] - before[each] for each in outcomes} == {
        "answered": 1, "refused": 1, "failed": 2, "timed_out": 2, "open": 1, "cancelled": 1,
    }  # fmt: skip
    assert counted("outbound_retries_total") - retried == 2


async def test_a_retry_logs_no_argument_and_no_error_text(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings())
    await refused(outbound(opens_after=3), Other(OSError("amqp://me:s3cret@host")), idempotent=True)
    [line] = capfd.readouterr().err.splitlines()
    assert "outbound_open" in line
    assert "s3cret" not in line


async def test_the_hooks_of_the_library_would_log_them() -> None:
    stamina.instrumentation.set_on_retry_hooks(None)
    try:
        with structlog.testing.capture_logs() as lines:
            async for attempt in stamina.retry_context(on=OSError, attempts=2, wait_initial=0, wait_jitter=0):
                with attempt:
                    if attempt.num == 1:
                        raise OSError("amqp://me:s3cret@host")
    finally:
        stamina.instrumentation.set_on_retry_hooks(())
    assert "s3cret" in str(lines)


def test_the_libraries_are_not_loaded_before_the_first_call() -> None:
    code = "import sys, bailiwick.kernel.resilience as r; r.Outbound('x', timeout=1); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"stamina", "tenacity", "purgatory"} & set(done.stdout.split())
