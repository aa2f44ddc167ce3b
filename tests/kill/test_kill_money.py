"""Servers are killed while many pay, hold and order: the books balance, and goods and money agree."""

import asyncio
import random
import time
from contextlib import closing
from pathlib import Path

import pytest

from bailiwick.kernel.failpoints import VARIABLE
from tests.kill.auditors import findings
from tests.kill.depth import KILLS, times
from tests.kill.history import History, Log
from tests.kill.judge import summary
from tests.kill.running import Mortal, mortal
from tests.kill.savers import Buyer, connected, scene
from tests.kill.treasury import at_rest, read_treasury

BUYERS = 8
RICH, PIECES = 4_000, 10_000  # cents of each: some orders, at 1,000 a piece, cannot be paid
PAUSE = (0.3, 1.0)  # seconds between two kills
LEAST = 120  # requests, however slow the machine is at the moment
LONGEST = 1_800.0  # seconds


async def killed(server: Mortal, log: Log, kills: int, seed: int, armed: str) -> int:
    """Everybody goes on for as long as it takes to kill so often. Every sixth kill takes the whole server.

    Once all are there, the server's processes may be `armed`, so that they also kill themselves.
    """
    chance, stopped, done = random.Random(seed), asyncio.Event(), 0
    async with connected(server.server) as client:
        stage = scene(server.server, client, log, stopped, seed, PIECES)
        people = await stage.people(Buyer, BUYERS, RICH)
        if armed:
            await asyncio.to_thread(server.start_again, **{VARIABLE: armed})
        first, deadline = log.count, time.monotonic() + LONGEST
        async with asyncio.TaskGroup() as group:
            for person in people:
                group.create_task(person.go_on())
            while (done < kills or log.count < first + LEAST) and time.monotonic() < deadline:
                await asyncio.sleep(chance.uniform(*PAUSE))
                if chance.random() < 1 / 6:
                    await asyncio.to_thread(server.kill_whole)
                    await asyncio.to_thread(server.start)
                    done += 1
                elif done < kills:
                    done += await asyncio.to_thread(server.kill_worker, chance)
                    await asyncio.to_thread(server.comes_back, 10)
            stopped.set()
    return done


def judged(url: str, directory: Path, kills: int, seed: int, plant: str = "", armed: str = "") -> list[str]:
    with closing(Log(directory / "history.jsonl")) as log, mortal(url, directory, plant) as server:
        done = asyncio.run(killed(server, log, kills, seed, armed))
        died = done + server.server.said.count("Unexpected exit") * bool(armed)
        if armed:
            server.start_again(**{VARIABLE: ""})
        started = time.monotonic()
        treasury = read_treasury(url) if plant else at_rest(url)
        rest = f"{time.monotonic() - started:.1f} s"
    history = History.read(log.path)
    found = findings(history, treasury)
    orders, holds = len(treasury.orders), len(treasury.holds)
    print(summary(history, found, kills=died, seed=seed, rest=rest, orders=orders, holds=holds))
    assert died >= kills
    return found


def test_money_and_goods_agree_whoever_is_killed(postgresql_url: str, tmp_path: Path) -> None:
    seed = random.randrange(2**32) if KILLS else 1
    assert judged(postgresql_url, tmp_path, times(4), seed) == []


if KILLS:

    def test_money_and_goods_agree_on_sqlite_too(sqlite_url: str, tmp_path: Path) -> None:
        assert judged(sqlite_url, tmp_path, max(2, KILLS // 5), random.randrange(2**32)) == []

    @pytest.mark.parametrize("point", ["unit_of_work.*", "database.*", "process.*", "group.*"])
    def test_money_and_goods_agree_whoever_dies_at(point: str, postgresql_url: str, tmp_path: Path) -> None:
        armed = f"{point}=kill@0.01"
        assert judged(postgresql_url, tmp_path, max(2, KILLS // 10), 3, armed=armed) == []

    @pytest.mark.parametrize(
        ("plant", "finding"),
        [
            ("answer_apart", "each_payment_is_booked_once: transfer"),
            ("wallets_apart", "the_books_balance: wallet"),
        ],
    )
    def test_a_server_with_this_defect_is_found_out(
        plant: str, finding: str, postgresql_url: str, tmp_path: Path
    ) -> None:
        found = judged(postgresql_url, tmp_path, 10, 3, plant, "planted.between=kill@0.1")
        assert any(wrong.startswith(finding) for wrong in found), found
