"""Errands whose workers die around every step: each is carried through, taken back, or stuck and listed."""

import asyncio
import json
import random
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.failpoints import VARIABLE
from bailiwick.kernel.operations.console import Console
from bailiwick.kernel.operations.processes import PROCESSES, retry
from tests.kill.crew import Crew, crew
from tests.kill.depth import KILLS, times
from tests.kill.employer import FATES, employer
from tests.kill.labour.errand import MENDED
from tests.kill.lives import PAYMENT, lives, settled, wrong_with
from tests.kill.reckoning import EXPIRE

WORKERS = 2
LONGEST = 300.0  # seconds for the deaths that are asked for
POINTS = (
    "process.*=kill@0.05; worker.*=kill@0.01; unit_of_work.*=kill@0.01; group.*=kill@0.01; lease.*=kill@0.05"
)
MEND = "UPDATE labour_elsewhere SET tries = $1"


async def until_dead(crew: Crew, connection: "asyncpg.Connection[Any]", wanted: int) -> int:
    """Replace whoever dies, until so many have."""
    deaths, deadline = 0, time.monotonic() + LONGEST
    while deaths < wanted and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
        died = await asyncio.to_thread(crew.replace_dead)
        deaths += died
        if died and not KILLS:
            await connection.execute(EXPIRE)
    return deaths


async def stuck(database: Database) -> dict[str, UUID]:
    """Those that operators see listed as stuck."""
    listed: dict[str, UUID] = {}
    cursor: str | None = ""
    while cursor is not None:
        asked = {"status": "stuck", "per_page": "100", "cursor": cursor}
        page = await PROCESSES.page(database, PROCESSES.parse(asked))
        listed |= {view.key: view.id for view in page.items}
        cursor = page.next_cursor
    return listed


async def run(crew: Crew, url: str, errands: int, wanted: int, plant: str) -> list[str]:
    chance, connection, wrong = random.Random(errands), await asyncpg.connect(url), []
    async with employer(url) as boss:
        await asyncio.gather(*(boss.errand(chance.choice(FATES)) for _ in range(errands)))
        deaths = await until_dead(crew, connection, wanted)
        await asyncio.to_thread(crew.dismiss, kill=True)
        crew.hire(**{VARIABLE: ""})
        crew.hire(**{VARIABLE: ""})
        first = await settled(connection)
        for witness, life in (ended := await lives(connection, boss.fates)).items():
            wrong += [f"{life.fate} {witness}: {what}" for what in wrong_with(life)]
        listed = await stuck(boss.database)
        wrong += [
            f"{each} is stuck, and not listed"
            for each, life in ended.items()
            if life.status == "stuck" and each not in listed
        ]
        await connection.execute(MEND, MENDED)
        for id in listed.values():
            await retry(Console(boss.database, lambda: datetime.now(UTC)), id)
        second = await settled(connection)
        for witness, life in (await lives(connection, boss.fates)).items():
            wrong += [f"mended {life.fate} {witness}: {what}" for what in wrong_with(life, mended=True)]
    await connection.close()
    if deaths < wanted:
        wrong.append(f"only {deaths} died")
    ends = Counter(f"{life.fate}: {life.status}" for life in ended.values())
    print(
        json.dumps(
            {
                "errands": errands,
                "deaths": deaths,
                "settled": round(max(first, second), 1),
                "violations": len(wrong),
                **ends,
            }
        )
    )
    assert ends["good: completed"] or plant, "none was carried through"
    return wrong


def judged(
    url: str, directory: Path, errands: int, deaths: int, points: str = POINTS, plant: str = ""
) -> list[str]:
    with crew(url, directory, plant, **{VARIABLE: points} | PAYMENT) as workers:
        for _ in range(WORKERS):
            workers.hire()
        return asyncio.run(run(workers, url, errands, deaths, plant))


def test_an_errand_ends_well_wherever_its_worker_dies(postgresql_url: str, tmp_path: Path) -> None:
    assert judged(postgresql_url, tmp_path, times(40, 1000), times(3)) == []


def test_a_step_stored_apart_from_its_progress_is_found_out(postgresql_url: str, tmp_path: Path) -> None:
    found = judged(postgresql_url, tmp_path, 40, 3, "planted.between=kill@0.3", "forgets_its_progress")
    # Whichever of them a worker died in: building, dismantling or telling the end was done twice.
    assert any(wrong.endswith(" times") for wrong in found), found


if KILLS:

    def test_a_conductor_that_passes_over_a_failure_is_found_out(postgresql_url: str, tmp_path: Path) -> None:
        found = judged(postgresql_url, tmp_path, 40, 3, POINTS, "swallows")
        assert any("there stands" in wrong for wrong in found), found
