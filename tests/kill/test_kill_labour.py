"""Worker processes are killed, and stopped, under a load of events and jobs: each is done once, and soon."""

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.kill.crew import START_SECONDS, Crew, Labourer, crew
from tests.kill.depth import KILLS, times
from tests.kill.employer import employer
from tests.kill.labour.deeds import Chore
from tests.kill.reckoning import (
    EXPIRE,
    HASTEN,
    WAITING,
    Reckoning,
    longest_lease,
    read,
    read_starts,
    summary,
    wrongs,
)
from tests.kill.stored import chain_damages

WORKERS = 2
PAUSE = (0.2, 0.8)  # seconds between two kills
FLAKY = {"LABOUR_FLAKY": "0.02"}
DRAIN, QUICK_DRAIN = 40.0, 15.0
"""Longer than it may take, so that what takes too long is measured."""


async def drained(
    connection: "asyncpg.Connection[Any]", found: Reckoning, seconds: float, *, expire: bool
) -> None:
    """Wait until nothing waits, at most so long. With `expire`, as if leases, and pauses, had run out."""
    started = time.monotonic()
    if expire:
        await connection.execute(EXPIRE)
    while await connection.fetchval(WAITING):
        if time.monotonic() - started > seconds:
            break
        if expire:
            await connection.execute(HASTEN)
        await asyncio.sleep(0.1)
    found.drained = time.monotonic() - started
    await read(connection, found)


async def rate(connection: "asyncpg.Connection[Any]", seconds: float) -> float:
    """Deeds a second."""
    query = "SELECT count(*) FROM labour_deed"
    before, started = await connection.fetchval(query), time.monotonic()
    await asyncio.sleep(seconds)
    return float((await connection.fetchval(query) - before) / (time.monotonic() - started))


async def next_lease(connection: "asyncpg.Connection[Any]") -> float:
    """For how long something is held, as soon as something is."""
    async with asyncio.timeout(START_SECONDS):
        while not (seconds := await longest_lease(connection)):  # noqa: ASYNC110  # others work
            await asyncio.sleep(0.01)
    return seconds


async def killed(crew: Crew, url: str, kills: int, seed: int, patience: float) -> tuple[Reckoning, float]:
    """Kill so often under load. Returns what became of it, and the rate before the first kill."""
    chance, stopped, found = random.Random(seed), asyncio.Event(), Reckoning()
    connection = await asyncpg.connect(url)
    async with employer(url, seed) as boss:
        giving = asyncio.ensure_future(boss.give_until(stopped))
        before = await rate(connection, times(1, 10))
        for _ in range(kills):
            await asyncio.sleep(chance.uniform(*PAUSE))
            await asyncio.to_thread(crew.kill, chance)
            found.lease = max(found.lease, await next_lease(connection))
        await asyncio.sleep(0.3)
        stopped.set()
        await giving
        found.promised, found.kills = boss.promised, dict(crew.kills)
    await drained(connection, found, patience, expire=patience < DRAIN)
    await connection.close()
    return found, before


def judged(url: str, directory: Path, kills: int, seed: int, plant: str = "") -> list[str]:
    with crew(url, directory, plant, **FLAKY) as workers:
        for labourer in [workers.hire() for _ in range(WORKERS)]:
            labourer.await_ready()
        started = time.monotonic()
        patience = 3.0 if plant else DRAIN if KILLS else QUICK_DRAIN
        found, before = asyncio.run(killed(workers, url, kills, seed, patience))
        during = len(found.done) / (time.monotonic() - started - found.drained)
        found.starts = read_starts(workers.starts)
        found.damages = chain_damages(url)
    wrong = wrongs(found)
    print(summary(found, wrong, seed=seed, rate_before=round(before), rate_during=round(during)))
    assert found.interrupted or plant, "no kill has interrupted anything"
    return wrong


def test_events_and_jobs_are_done_once_when_their_workers_are_killed(
    postgresql_url: str, tmp_path: Path
) -> None:
    seed = random.randrange(2**32) if KILLS else 1
    assert judged(postgresql_url, tmp_path, times(3), seed) == []


async def begun(crew: Crew, labourer: Labourer, witnesses: list[str]) -> None:
    """Wait until one of them has begun one of these."""
    async with asyncio.timeout(START_SECONDS):
        while not any(  # noqa: ASYNC110  # another process works
            start.by == labourer.pid and start.witness in witnesses for start in read_starts(crew.starts)
        ):
            await asyncio.sleep(0.05)


async def stopped_under_load(crew: Crew, url: str, seed: int) -> tuple[Reckoning, list[str]]:
    """Tell one of two to stop while both have something long, and something short, to do."""
    stopped, found = asyncio.Event(), Reckoning()
    connection = await asyncpg.connect(url)
    async with employer(url, seed) as boss:
        giving = asyncio.ensure_future(boss.give_until(stopped))
        leaver = crew.labourers[0]
        await boss.chores(4, 1.0)
        long = await boss.chores(Chore.at_once + 4, 3.0)  # more than one of them can begin
        await begun(crew, leaver, long)
        await asyncio.sleep(random.uniform(0.3, 0.7))
        ordered = time.time()
        seconds = await asyncio.to_thread(crew.stop, leaver)
        wrong = [] if seconds < 4 else [f"it took {seconds:.1f} s to stop"]
        if leaver.process.returncode:
            wrong.append(f"it ended with {leaver.process.returncode}")
        stopped.set()
        await giving
        found.promised = boss.promised
    await drained(connection, found, QUICK_DRAIN, expire=False)
    await connection.close()
    found.kills = {leaver.pid: ordered}
    return found, wrong


def stopped(url: str, directory: Path, seed: int, plant: str = "") -> list[str]:
    with crew(url, directory, plant, BAILIWICK_MESSAGES__DRAIN_SECONDS="1.5") as workers:
        for labourer in [workers.hire() for _ in range(WORKERS)]:
            labourer.await_ready()
        found, wrong = asyncio.run(stopped_under_load(workers, url, seed))
        found.starts = read_starts(workers.starts)
    wrong += wrongs(found)
    given_back = max(found.interrupted.values(), default=0.0)
    if given_back > 5:
        wrong.append(f"what was given back was begun again after {given_back:.1f} s")
    print(summary(found, wrong, given_back=len(found.interrupted)))
    assert found.interrupted or plant, "nothing had to be given back"
    return wrong


@pytest.mark.parametrize("seed", range(times(1, 20)))
def test_a_worker_that_is_told_to_stop_loses_doubles_and_keeps_nothing(
    seed: int, postgresql_url: str, tmp_path: Path
) -> None:
    assert stopped(postgresql_url, tmp_path, seed) == []


def test_a_worker_that_dies_with_long_leases_is_found_out(postgresql_url: str, tmp_path: Path) -> None:
    found = judged(postgresql_url, tmp_path, 1, 3, "leases_an_hour")
    assert any(wrong.startswith("leases_are_short: something is held for 3") for wrong in found), found


if KILLS:

    def test_a_worker_that_keeps_what_it_took_is_found_out(postgresql_url: str, tmp_path: Path) -> None:
        assert stopped(postgresql_url, tmp_path, 0, "keeps_what_it_took")

    def test_a_worker_that_ends_its_work_apart_is_found_out(postgresql_url: str, tmp_path: Path) -> None:
        found = judged(postgresql_url, tmp_path, 5, 3, "ends_apart")
        assert any(wrong.startswith("each_promise_is_kept_once") for wrong in found), found
