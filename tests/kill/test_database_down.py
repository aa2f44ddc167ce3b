"""The database cuts our connections, or is killed: clients get 503 at once, and nothing is lost."""

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest

from bailiwick.kernel.testing import PostgresToKill, create_database, postgres_to_kill
from tests.acceptance.people import Person, joined
from tests.kill.depth import KILLS, times
from tests.kill.history import History, Log
from tests.kill.judge import summary, violations
from tests.kill.probes import PROBLEM, Outage, Probe, probing, wrong_while_down
from tests.kill.running import Mortal, mortal
from tests.kill.stored import drained, read_stored
from tests.kill.writers import write_until

WRITERS = 8
TERMINATE = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'bailiwick'"
)


@pytest.fixture
def mortal_postgres() -> Iterator[PostgresToKill]:
    with postgres_to_kill() as server:
        yield server


async def cut_off(server: PostgresToKill, seconds: float) -> int:
    """End all of the product's database sessions ten times a second. Says how many."""
    ended, until = 0, time.monotonic() + seconds
    operator = await asyncpg.connect(server.url)
    try:
        while time.monotonic() < until:
            ended += await operator.fetchval(TERMINATE)
            await asyncio.sleep(0.1)
    finally:
        await operator.close()
    return ended


async def outages(server: Mortal, postgres: PostgresToKill, log: Log, kills: int) -> tuple[list[str], int]:
    """Cut off, then kill so often, while people write and read. What was wrong, and how many were cut off."""
    chance, stopped, wrong = random.Random(kills), asyncio.Event(), []
    ada = await asyncio.to_thread(joined, server.server)
    writing = asyncio.ensure_future(write_until(stopped, server.url, log, writers=WRITERS, seed=kills))
    try:
        await asyncio.sleep(0.3)
        cut = await cut_off(postgres, times(1, 60))
        for _ in range(kills):
            wrong += wrong_while_down(await one_outage(ada, postgres, chance.uniform(0.5, 1.5)))
    finally:
        stopped.set()
        await writing
    return wrong, cut


async def one_outage(person: Person, postgres: PostgresToKill, seconds: float) -> Outage:
    """Kill the database and start it again so many seconds later, while somebody reads."""
    outage, enough = Outage(), asyncio.Event()
    reading = asyncio.ensure_future(probing(person, enough, outage))
    await asyncio.sleep(0.2)
    await asyncio.to_thread(postgres.kill)
    outage.gone = time.monotonic()
    await asyncio.sleep(seconds)
    outage.returning = time.monotonic()
    await asyncio.to_thread(postgres.start)
    outage.back = time.monotonic()
    await asyncio.sleep(1.5)
    enough.set()
    await reading
    return outage


def judged(postgres: PostgresToKill, directory: Path, kills: int, plant: str = "") -> list[str]:
    database_url = create_database(postgres.url)
    with closing(Log(directory / "history.jsonl")) as log, mortal(database_url, directory, plant) as server:
        workers = {worker.pid for worker in server.workers()}
        wrong, cut = asyncio.run(outages(server, postgres, log, kills))
        if {worker.pid for worker in server.workers()} != workers:
            wrong.append("a worker died of it")
        stored = read_stored(database_url) if plant else drained(database_url)
    history = History.read(log.path)
    wrong += violations(history, stored)
    print(summary(history, wrong, database_kills=kills, sessions_cut=cut))
    return wrong


def test_a_database_that_dies_costs_time_and_nothing_else(
    mortal_postgres: PostgresToKill, tmp_path: Path
) -> None:
    assert judged(mortal_postgres, tmp_path, times(1, max(1, KILLS // 6))) == []


if KILLS:  # it takes a while to see that nothing gets better

    @pytest.mark.parametrize(
        ("plant", "finding"),
        [("keeps_dead_connections", "the first success"), ("waits_for_the_database", "hung")],
    )
    def test_a_server_with_this_defect_is_found_out(
        plant: str, finding: str, mortal_postgres: PostgresToKill, tmp_path: Path
    ) -> None:
        found = judged(mortal_postgres, tmp_path, 2, plant)
        assert any(wrong.startswith(finding) for wrong in found), found


SOUND = [Probe(0.0, 0.1, 200), Probe(1.1, 0.1, 503, PROBLEM), Probe(3.0, 0.5, 200)]


def seen(probes: list[Probe]) -> list[str]:
    return wrong_while_down(Outage(gone=1.0, returning=1.9, back=2.0, probes=probes, pace=[0.01, 0.05]))


@pytest.mark.parametrize(
    "planted",
    [
        Probe(1.2, 0.1, 500, PROBLEM),
        Probe(1.2, 0.1, 503, "text/plain"),
        Probe(1.2, 0.1, 0),
        Probe(1.2, 4.0, 503, PROBLEM),
        Probe(1.3, 0.1, 200),
    ],
)
def test_a_wrong_answer_during_an_outage_is_seen(planted: Probe) -> None:
    assert seen(SOUND) == []
    assert seen([*SOUND, planted])


def test_an_outage_that_goes_on_and_one_that_nobody_notices_are_seen() -> None:
    assert seen(SOUND[:2])
    assert seen([SOUND[0], SOUND[2]])
