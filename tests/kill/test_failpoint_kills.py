"""Processes kill themselves right before and right after each transaction: nothing is lost or done twice."""

import asyncio
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from bailiwick.kernel.failpoints import VARIABLE
from tests.kill.depth import KILLS, times
from tests.kill.history import History, Log
from tests.kill.judge import summary, violations
from tests.kill.points import SERVED, met_by
from tests.kill.running import Mortal, mortal
from tests.kill.stored import drained, read_stored
from tests.kill.writers import write_until

WRITERS = 8
LEAST = 40  # requests, however soon the processes have died
LONGEST, PAUSE = 120.0, 0.1  # seconds for the deaths that are asked for, and between two looks


def deaths(server: Mortal) -> int:
    return server.server.said.count("Unexpected exit")


async def until_dead(server: Mortal, log: Log, wanted: int) -> int:
    """Write until the server's processes have died so often."""
    stopped = asyncio.Event()
    writing = asyncio.ensure_future(write_until(stopped, server.url, log, writers=WRITERS, seed=wanted))
    for _ in range(round(LONGEST / PAUSE)):
        await asyncio.sleep(PAUSE)
        if deaths(server) >= wanted and log.count >= LEAST:
            break
    stopped.set()
    await writing
    return deaths(server)


def judged(url: str, directory: Path, points: str, wanted: int, plant: str = "") -> list[str]:
    hits = directory / "hits"
    armed = {VARIABLE: f"*=count:{hits};{points}"}
    with (
        closing(Log(directory / "history.jsonl")) as log,
        mortal(url, directory, plant, **armed) as server,
    ):
        died = asyncio.run(until_dead(server, log, wanted))
        stored = read_stored(url) if plant else drained(url)
    history = History.read(log.path)
    wrong = violations(history, stored)
    if died < wanted:
        wrong.append(f"only {died} processes died at {points}")
    print(summary(history, wrong, points=points, deaths=died, hits=len(Counter(hits.read_text().split()))))
    return wrong


def test_a_process_may_die_before_and_after_every_transaction(postgresql_url: str, tmp_path: Path) -> None:
    assert judged(postgresql_url, tmp_path, "unit_of_work.*=kill@0.02; *=kill@0.002", times(2)) == []


def test_an_answer_stored_apart_from_its_effect_is_found_out(postgresql_url: str, tmp_path: Path) -> None:
    found = judged(postgresql_url, tmp_path, "planted.between=kill@0.1", times(2), "answer_apart")
    assert any(wrong.startswith("each_request_had_one_effect: the request") for wrong in found), found


if KILLS:

    @pytest.mark.parametrize("name", met_by(SERVED))
    def test_twenty_processes_may_die_at_this_point(name: str, postgresql_url: str, tmp_path: Path) -> None:
        assert judged(postgresql_url, tmp_path, f"{name}=kill@0.1", 20) == []

    @pytest.mark.parametrize("name", met_by(("database.", "unit_of_work.")))
    def test_twenty_processes_may_die_at_this_point_on_sqlite(
        name: str, sqlite_url: str, tmp_path: Path
    ) -> None:
        assert judged(sqlite_url, tmp_path, f"{name}=kill@0.1", 20) == []
