"""Workers kill themselves before and after each of their transactions, under work of every kind."""

import asyncio
import json
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bailiwick.kernel.failpoints import VARIABLE
from tests.kill.crew import Crew, crew
from tests.kill.depth import KILLS
from tests.kill.employer import employer
from tests.kill.labour.bystanders import COPIES, MESSAGES
from tests.kill.lives import PAYMENT, lives, settled, wrong_with
from tests.kill.points import LABOURED, NAMES, met_by, without_name, without_scene
from tests.kill.reckoning import EXPIRE, Reckoning, longest_lease, read, wrongs
from tests.kill.stored import chain_damages
from tests.kill.test_duplicates import messages_in

LONGEST = 120.0  # seconds for the deaths that are asked for
LEAST = 4.0  # seconds of load, however soon the processes have died
MET = met_by(LABOURED)
FORGET_SCHEDULES = "DELETE FROM kernel_schedule"
REPRESENTATIVE = "; ".join(
    f"{name}=kill@{chance}"
    for name, chance in {
        "worker.claimed": 0.02,
        "group.after_write": 0.01,
        "lease.before_write": 0.02,
        "inbox.after_write": 0.05,
        "process.after_step": 0.05,
        "schedule.after_write": 0.2,
    }.items()
)


@dataclass
class Scene:
    """What became of it: the deaths, the names that were come to, and what is wrong."""

    deaths: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


async def until_dead(crew: Crew, connection: "asyncpg.Connection[Any]", wanted: int) -> int:
    """Replace whoever dies, until so many have; now and then all schedules are new."""
    started, deaths, rounds = time.monotonic(), 0, 0
    while (passed := time.monotonic() - started) < LONGEST and (deaths < wanted or passed < LEAST):
        await asyncio.sleep(0.1)
        died = await asyncio.to_thread(crew.replace_dead)
        deaths += died
        rounds += 1
        if rounds % 25 == 0:
            await connection.execute(FORGET_SCHEDULES)
        if died and not KILLS:
            await connection.execute(EXPIRE)
    return deaths


async def played(
    crew: Crew, url: str, wanted: int, promised: Counter[tuple[str, str]], survivors: str
) -> Scene:
    """Events, jobs, messages and errands for workers that die, and then for two that live."""
    stopped, scene, found = asyncio.Event(), Scene(), Reckoning()
    connection = await asyncpg.connect(url)
    async with employer(url) as boss:
        giving = asyncio.ensure_future(boss.give_until(stopped, errands=True))
        began = time.monotonic()
        scene.deaths = await until_dead(crew, connection, wanted)
        dying = time.monotonic() - began
        stopped.set()
        await giving
        found.lease = await longest_lease(connection)
        await asyncio.to_thread(crew.dismiss, kill=True)
        for labourer in [crew.hire(**{VARIABLE: survivors}) for _ in range(2)]:
            await asyncio.to_thread(labourer.await_ready)
        seconds = await settled(connection)
        await read(connection, found)
        found.promised = boss.promised + promised
        ended = await lives(connection, boss.fates)
    found.damages = chain_damages(url)
    scene.wrong = wrongs(found)
    scene.wrong += [f"{life.fate} {key}: {what}" for key, life in ended.items() for what in wrong_with(life)]
    await connection.close()
    print(
        json.dumps(
            {
                "deaths": scene.deaths,
                "after": f"{dying:.1f} s",
                "deeds": len(found.done),
                "errands": len(ended),
                "settled": f"{seconds:.1f} s",
                "violations": len(scene.wrong),
                "bound": f"{3 / max(1, len(found.done) + len(ended)):.1e}",
            }
        )
    )
    return scene


def judged(url: str, directory: Path, points: str, wanted: int, plant: str = "") -> Scene:
    hits, file = directory / "hits", directory / "messages"
    promised, counting = messages_in(file, 100), f"*=count:{hits}"
    (directory / "messages.go").touch()
    changes = {
        VARIABLE: f"{counting};{points}",
        MESSAGES: str(file),
        COPIES: "2",
        "LABOUR_OTHERS": "yes",
        "LABOUR_FLAKY": "0.02",
    }
    with crew(url, directory, plant, **changes, **PAYMENT) as workers:
        for _ in range(2):
            workers.hire()
        scene = asyncio.run(played(workers, url, wanted, promised, counting))
    with suppress(FileNotFoundError):
        scene.hits = Counter(hits.read_text().split())
    if scene.deaths < wanted:
        scene.wrong.append(f"only {scene.deaths} processes died at {points}")
    return scene


def test_every_failpoint_has_a_scene_and_every_scene_its_failpoints() -> None:
    assert without_scene(NAMES) == []
    assert without_name(NAMES) == []


def test_a_failpoint_without_a_scene_and_a_scene_without_one_are_seen() -> None:
    assert without_scene([*NAMES, "upload.before_write"]) == ["upload.before_write"]
    assert without_name([name for name in NAMES if not name.startswith("locks.")]) == ["locks."]


def test_workers_may_die_around_each_of_their_transactions(postgresql_url: str, tmp_path: Path) -> None:
    scene = judged(postgresql_url, tmp_path, REPRESENTATIVE, 4)
    assert scene.wrong == []
    assert [name for name in MET if not scene.hits[name]] == []


if KILLS:
    DEATHS = min(20, KILLS)

    @pytest.mark.parametrize("name", MET)
    def test_workers_may_die_at_this_point(name: str, postgresql_url: str, tmp_path: Path) -> None:
        rare = name.startswith("readers.") or name.endswith("_begin")
        chance = "1" if rare else "0.2"  # the first of each process, where there are few
        assert judged(postgresql_url, tmp_path, f"{name}=kill@{chance}", DEATHS).wrong == []

    def test_a_trail_that_nobody_seals_is_found_out(postgresql_url: str, tmp_path: Path) -> None:
        scene = judged(postgresql_url, tmp_path, "worker.claimed=kill@0.01", 1, "seals_nothing")
        assert any("have no seal" in wrong for wrong in scene.wrong), scene.wrong
