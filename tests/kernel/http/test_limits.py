"""Rate limits: counted here or in Redis, exact for everyone, cheap, and safe when Redis is away."""

import asyncio
import time

import pytest
import redis

from bailiwick.kernel.application import TooMany, Unavailable
from bailiwick.kernel.http import limits, shared_limits
from bailiwick.kernel.http.limits import Rate, RateLimiter, rates_of
from bailiwick.kernel.testing import free_port, valkey_server


class Watch:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def limiter(rate: str) -> tuple[RateLimiter, Watch]:
    watch = Watch()
    return RateLimiter({"actor": rate}, None, clock=watch), watch


async def accepted(limiter: RateLimiter, times: int, who: str = "ada", kind: str = "actor") -> int:
    count = 0
    for _ in range(times):
        try:
            await limiter.check(kind, who)
            count += 1
        except TooMany:
            pass
    return count


async def refusal(limiter: RateLimiter, who: str = "ada", kind: str = "actor") -> TooMany:
    with pytest.raises(TooMany) as refused:
        await limiter.check(kind, who)
    return refused.value


@pytest.mark.parametrize(
    ("text", "rates"),
    [
        ("600/minute", (Rate(600, 60),)),
        ("10/second;600/minute", (Rate(10, 1), Rate(600, 60))),
        ("5 per 15 minutes", (Rate(5, 900),)),
        ("1/DAY", (Rate(1, 86_400),)),
        ("", ()),
    ],
)
def test_rates_are_read_as_they_are_written_in_settings(text: str, rates: tuple[Rate, ...]) -> None:
    assert rates_of(text) == rates


@pytest.mark.parametrize("text", ["0/minute", "ten/minute", "10/fortnight", "10", ";", "10/minute;"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a rate"):
        rates_of(text)


async def test_everything_up_to_the_rate_passes_and_the_next_is_refused() -> None:
    counted, _ = limiter("10/minute")
    assert await accepted(counted, 11) == 10


async def test_callers_and_kinds_are_counted_apart() -> None:
    counted = RateLimiter({"actor": "1/minute", "anonymous": "1/minute"}, None)
    assert await accepted(counted, 2, "ada") == 1
    assert await accepted(counted, 2, "bob") == 1
    assert await accepted(counted, 2, "ada", "anonymous") == 1


async def test_who_waits_as_long_as_told_is_served_and_not_a_second_earlier() -> None:
    counted, watch = limiter("10/minute")
    await accepted(counted, 10)
    watch.now += 20.5
    wait = (await refusal(counted)).retry_after
    assert wait == 40
    watch.now += wait - 1
    assert await accepted(counted, 1) == 0
    watch.now += 1
    assert await accepted(counted, 1) == 1
    wait = (await refusal(counted)).retry_after
    assert wait <= 7
    watch.now += wait
    assert await accepted(counted, 1) == 1


async def test_no_minute_sees_much_more_than_the_rate_however_requests_are_timed() -> None:
    counted, watch = limiter("60/minute")
    watch.now += 59
    first = await accepted(counted, 100)
    served: list[float] = []
    for _ in range(240):
        watch.now += 0.5
        served += [watch.now] * await accepted(counted, 5)
    assert first == 60
    assert max(sum(start <= at < start + 60 for at in served) for start in served) <= 61


async def test_a_steady_caller_within_the_rate_is_never_refused() -> None:
    counted, watch = limiter("60/minute")
    for _ in range(600):
        await counted.check("actor", "ada")
        watch.now += 1.02


async def test_a_long_pause_forgets_everything() -> None:
    counted, watch = limiter("10/minute")
    await accepted(counted, 10)
    watch.now += 120
    assert await accepted(counted, 11) == 10


async def test_each_of_several_rates_is_kept() -> None:
    counted, watch = limiter("2/second;3/minute")
    assert await accepted(counted, 3) == 2
    watch.now += 2.5
    assert await accepted(counted, 3) == 1
    assert (await refusal(counted)).retry_after > 50


async def test_an_empty_rate_refuses_nobody() -> None:
    counted, _ = limiter("")
    assert await accepted(counted, 1_000) == 1_000


async def test_memory_stays_bounded_and_the_busy_are_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_CALLERS", 100)
    counted, _ = limiter("2/minute")
    for number in range(1_000):
        await counted.check("actor", f"stranger {number}")
        if number % 50 == 0:
            await accepted(counted, 1)
    assert await accepted(counted, 1) == 0
    [count] = counted._own["actor"]
    assert len(count._young) + len(count._old) <= 201


async def test_processes_with_one_redis_count_together(redis_url: str) -> None:
    first, second = (RateLimiter({"actor": "10/minute"}, redis_url) for _ in range(2))
    assert await accepted(first, 6) == 6
    assert await accepted(second, 6) == 4
    assert 1 <= (await refusal(first)).retry_after <= 60
    assert await accepted(first, 1, "bob") == 1
    await first.close()
    await second.close()


async def test_racing_requests_never_exceed_the_rate_in_redis(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_limits, "PATIENCE", 10.0)  # who waits longer counts alone, and here many wait
    shared = RateLimiter({"actor": "20/minute"}, redis_url)
    served = await asyncio.gather(*(accepted(shared, 1) for _ in range(200)))
    assert sum(served) == 20
    await shared.close()


async def test_keys_in_redis_expire(redis_url: str) -> None:
    shared = RateLimiter({"actor": "10/minute"}, redis_url)
    await accepted(shared, 1)
    await shared.close()
    with redis.Redis.from_url(redis_url) as client:
        lives = [client.ttl(key) for key in client.scan_iter()]
    assert lives
    assert all(0 < life <= 120 for life in lives)


async def test_who_waits_as_long_as_redis_says_is_served(redis_url: str) -> None:
    shared = RateLimiter({"actor": "2/second"}, redis_url)
    assert await accepted(shared, 3) == 2
    await asyncio.sleep((await refusal(shared)).retry_after)
    assert await accepted(shared, 1) == 1
    await shared.close()


async def test_without_redis_credentials_are_refused_and_the_rest_is_counted_here() -> None:
    nobody = f"redis://127.0.0.1:{free_port()}/0"
    alone = RateLimiter({"credentials": "10/minute", "actor": "10/minute"}, nobody)
    with pytest.raises(Unavailable) as refused:
        await alone.check("credentials", "ada")
    assert refused.value.retry_after == 1
    assert await accepted(alone, 20) == 10
    await alone.close()


async def test_a_redis_that_does_not_answer_delays_one_request_and_not_all() -> None:
    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silence, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    alone = RateLimiter({"actor": "1000/minute"}, f"redis://127.0.0.1:{port}/0")
    started = time.monotonic()
    assert await accepted(alone, 100) == 100
    assert time.monotonic() - started < 10  # a hundred delays would take a minute
    await alone.close()
    server.close()


async def test_counting_goes_back_to_redis_when_it_answers_again() -> None:
    with valkey_server() as url:
        shared = RateLimiter({"credentials": "10/minute"}, url)
        await shared.check("credentials", "ada")
        with redis.Redis.from_url(url) as client:
            client.client_pause(700, all=True)
        with pytest.raises(Unavailable):
            await shared.check("credentials", "ada")
        await asyncio.sleep(1.1)
        assert await accepted(shared, 20, kind="credentials") == 9
        await shared.close()
