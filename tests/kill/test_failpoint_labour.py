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
from tests.kill.stored import SEALED, chain_damages
from tests.kill.test_duplicates import messages_in

LONGEST = 120.0  # seconds for the deaths that are asked for
LEAST = 3.0  # seconds of load, however soon the processes have died
MET = met_by(LABOURED)
UNSEALED = "SELECT count(*) FROM kernel_audit WHERE id NOT IN (SELECT audit_id FROM kernel_seal)"
"""What is to be sealed."""
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
        deaths += await asyncio.to_thread(crew.replace_dead)
        rounds += 1
        if rounds % 15 == 0:
            await connection.execute(FORGET_SCHEDULES)
        if not KILLS:
            await connection.execute(EXPIRE)
    return deaths


async def unsealed(connection: "asyncpg.Connection[Any]") -> int:
    """How much of the audit trail has no seal, however long one waits."""
    for _ in range(round(SEALED / 0.1)):
        if not await connection.fetchval(UNSEALED):
            return 0
        await asyncio.sleep(0.1)
    return int(await connection.fetchval(UNSEALED))


async def played(crew: Crew, url: str, wanted: int, promised: Counter[tuple[str, str]]) -> Scene:
    """Events, jobs, messages and errands for workers that die, and then for two that live."""
    stopped, scene, found = asyncio.Event(), Scene(), Reckoning()
    connection = await asyncpg.connect(url)
    async with employer(url) as boss:
        giving = asyncio.ensure_future(boss.give_until(stopped, errands=True))
        scene.deaths = await until_dead(crew, connection, wanted)
        stopped.set()
        await giving
        found.lease = await longest_lease(connection)
        await asyncio.to_thread(crew.dismiss, kill=True)
        for labourer in [crew.hire(**{VARIABLE: ""}) for _ in range(2)]:
            await asyncio.to_thread(labourer.await_ready)
        seconds = await settled(connection)
        await read(connection, found)
        found.promised = boss.promised + promised
        ended = await lives(connection, boss.fates)
    scene.wrong = wrongs(found)
    scene.wrong += [f"{life.fate} {key}: {what}" for key, life in ended.items() for what in wrong_with(life)]
    if rows := await unsealed(connection):
        scene.wrong.append(f"{rows} rows of the audit trail have no seal")
    await connection.close()
    print(
        json.dumps(
            {
                "deaths": scene.deaths,
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
    promised = messages_in(file, 100)
    (directory / "messages.go").touch()
    changes = {
        VARIABLE: f"*=count:{hits};{points}",
        MESSAGES: str(file),
        COPIES: "2",
        "LABOUR_OTHERS": "yes",
        "LABOUR_FLAKY": "0.05",
    }
    with crew(url, directory, plant, **changes, **PAYMENT) as workers:
        for _ in range(2):
            workers.hire()
        scene = asyncio.run(played(workers, url, wanted, promised))
    with suppress(FileNotFoundError):
        scene.hits = Counter(hits.read_text().split())
    scene.wrong += chain_damages(url)
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


def test_a_trail_that_nobody_seals_is_found_out(postgresql_url: str, tmp_path: Path) -> None:
    scene = judged(postgresql_url, tmp_path, "worker.claimed=kill@0.01", 1, "seals_nothing")
    assert any("have no seal" in wrong for wrong in scene.wrong), scene.wrong


if KILLS:
    DEATHS = min(20, KILLS)

    @pytest.mark.parametrize("name", MET)
    def test_workers_may_die_at_this_point(name: str, postgresql_url: str, tmp_path: Path) -> None:
        assert judged(postgresql_url, tmp_path, f"{name}=kill@0.2", DEATHS).wrong == []
