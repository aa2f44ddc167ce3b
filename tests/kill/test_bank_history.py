"""Many pay each other out of few wallets through two processes: the history of it can be explained."""

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.server import Server
from tests.kill.auditors import OF_A_BANK, findings
from tests.kill.depth import KILLS, times
from tests.kill.history import History, Log
from tests.kill.judge import summary
from tests.kill.running import mortal
from tests.kill.savers import Saver, connected, scene
from tests.kill.treasury import at_rest

SAVERS, EXCHANGERS = 6, 4
FEW = 150  # cents in each wallet: half of all payments meet a wallet that is too empty
REQUESTS = times(700, 4_000)
LONGEST = 600.0  # seconds


async def lived(server: Server, log: Log, seed: int) -> None:
    """Until so many requests were made."""
    stopped = asyncio.Event()
    async with connected(server) as client:
        stage = scene(server, client, log, stopped, seed)
        everybody = [
            *await stage.people(Saver, SAVERS, FEW),
            *await stage.household(EXCHANGERS, FEW),
        ]
        async with asyncio.timeout(LONGEST), asyncio.TaskGroup() as group:
            for person in everybody:
                group.create_task(person.go_on())
            while log.count < REQUESTS:  # noqa: ASYNC110  # the log is a file
                await asyncio.sleep(0.05)
            stopped.set()


def judged(url: str, directory: Path, seed: int) -> list[str]:
    with closing(Log(directory / f"history-{seed}.jsonl")) as log, mortal(url, directory) as server:
        asyncio.run(lived(server.server, log, seed))
        treasury = at_rest(url)
    history = History.read(log.path)
    found = findings(history, treasury, OF_A_BANK)
    refused = sum(asked.last.status == 409 for asked in history.asked)
    print(summary(history, found, seed=seed, refused=refused, journals=len(treasury.journals)))
    assert refused > REQUESTS / 30, "there was enough for everybody: nothing was raced for"
    return found


@pytest.mark.parametrize("seed", range(times(1, max(1, KILLS // 30))))
def test_the_history_of_a_bank_can_be_explained(seed: int, postgresql_url: str, tmp_path: Path) -> None:
    assert judged(postgresql_url, tmp_path, seed) == []


def test_the_history_of_a_bank_on_sqlite_can_be_explained(sqlite_url: str, tmp_path: Path) -> None:
    assert judged(sqlite_url, tmp_path, 2) == []
