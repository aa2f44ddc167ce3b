"""Workers, and the whole server, are killed while many write: nothing that was acknowledged is lost."""

import asyncio
import random
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.kill.depth import KILLS, times
from tests.kill.history import History, Log
from tests.kill.judge import summary, violations
from tests.kill.running import Mortal, mortal
from tests.kill.stored import drained, read_stored
from tests.kill.writers import write_until

WRITERS = 12
PAUSE = (0.2, 0.9)  # seconds between two kills
LEAST = 150  # requests, however slow the machine is at the moment


async def killed(server: Mortal, log: Log, kills: int, seed: int) -> int:
    """Write for as long as it takes to kill so often. Every sixth kill takes the whole server."""
    chance, stopped, done = random.Random(seed), asyncio.Event(), 0
    writing = asyncio.ensure_future(write_until(stopped, server.url, log, writers=WRITERS, seed=seed))
    try:
        while (done < kills or log.count < LEAST) and not writing.done():
            await asyncio.sleep(chance.uniform(*PAUSE))
            if chance.random() < 1 / 6:
                await asyncio.to_thread(server.kill_whole)
                await asyncio.to_thread(server.start)
                done += 1
            else:
                done += await asyncio.to_thread(server.kill_worker, chance)
                await asyncio.to_thread(server.comes_back, 10)
    finally:
        stopped.set()
        await writing
    return done


def judged(database_url: str, directory: Path, kills: int, seed: int, plant: str = "") -> list[str]:
    with closing(Log(directory / "history.jsonl")) as log, mortal(database_url, directory, plant) as server:
        done = asyncio.run(killed(server, log, kills, seed))
        started = time.monotonic()
        stored = read_stored(database_url) if plant else drained(database_url)
        drain = time.monotonic() - started
        assert done >= kills, server.server.said[-2000:]
    history = History.read(log.path)
    found = violations(history, stored)
    print(summary(history, found, kills=done, seed=seed, drained=f"{drain:.1f} s"))
    return found


def test_nothing_is_lost_when_workers_and_servers_are_killed(postgresql_url: str, tmp_path: Path) -> None:
    seed = random.randrange(2**32) if KILLS else 1
    assert judged(postgresql_url, tmp_path, times(4), seed) == []


def test_nothing_is_lost_on_sqlite_either(sqlite_url: str, tmp_path: Path) -> None:
    seed = random.randrange(2**32) if KILLS else 2
    assert judged(sqlite_url, tmp_path, times(1, max(2, KILLS // 5)), seed) == []


if KILLS:  # test_judge.py plants these defects in histories, where they cost no time

    @pytest.mark.parametrize(
        ("plant", "finding"),
        [
            ("forgets", "what_was_acknowledged_is_stored: task"),
            ("answer_apart", "each_request_had_one_effect: the request"),
            ("facts_apart", "facts_follow_changes: task"),
        ],
    )
    def test_a_server_with_this_defect_is_found_out(
        plant: str, finding: str, postgresql_url: str, tmp_path: Path
    ) -> None:
        found = judged(postgresql_url, tmp_path, 10, 3, plant)
        assert any(wrong.startswith(finding) for wrong in found), found
