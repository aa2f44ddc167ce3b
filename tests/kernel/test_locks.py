"""Locks that processes share: one holder at once, rising tokens, dead holders succeeded, zombies refused."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import bindparam, select, update

from bailiwick.kernel import locks as module
from bailiwick.kernel.application import Contention, Unavailable
from bailiwick.kernel.database.columns import UtcDateTime
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.locks import LockHeld, LockLost, Locks
from bailiwick.kernel.messaging.tables import leases
from tests.kernel.samples import NOON

ROOT = Path(__file__).parents[2]
LEASE = 1.0
ALL = select(leases.c.name, leases.c.token)
END = update(leases).values(until=bindparam("then", type_=UtcDateTime)).returning(leases.c.name)


@pytest.fixture
def locks(database: Database) -> Locks:
    return Locks(database)


@pytest.fixture
async def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Candidates that do not wait long, for tests of leaders."""
    monkeypatch.setattr(module, "CANDIDACY", 0.2)


@contextmanager
def holder(url: str, seconds: float) -> Iterator["subprocess.Popen[str]"]:
    """Another process, which holds the lock `shared`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.kernel.lock_holder", url, str(seconds)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()


async def told(process: "subprocess.Popen[str]", line: str = "", *, last: bool = False) -> str:
    """What the process prints next, after it was sent a line, or told that no more will come."""
    assert process.stdin is not None
    if line:
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
    if last:
        process.stdin.close()
    assert process.stdout is not None
    return (await asyncio.to_thread(process.stdout.readline)).strip()


async def names(database: Database) -> set[str]:
    return {row[0] for row in await database.all(ALL)}


async def test_a_lock_is_held_once_and_tokens_rise(locks: Locks) -> None:
    inside, tokens = 0, []

    async def work() -> None:
        nonlocal inside
        async with locks.hold("one") as token:
            inside += 1
            assert inside == 1
            tokens.append(token)
            await asyncio.sleep(0.01)
            inside -= 1

    await asyncio.gather(*(work() for _ in range(8)))
    assert tokens == list(range(1, 9))


async def test_other_locks_are_free(locks: Locks) -> None:
    async with locks.hold("one") as first, locks.hold("two", patience=0) as second:
        assert (first, second) == (1, 1)


async def test_waiting_for_a_lock_ends(locks: Locks) -> None:
    async with locks.hold("one"):
        begun = time.monotonic()
        with pytest.raises(LockHeld):
            async with locks.hold("one", patience=0.2):
                pytest.fail("it is held")
        assert 0.2 <= time.monotonic() - begun < 2


async def test_a_failure_inside_is_passed_on_and_gives_the_lock_back(locks: Locks) -> None:
    for failure in (ValueError, TimeoutError, asyncio.CancelledError):
        with pytest.raises(failure):
            async with locks.hold("one", patience=0):
                raise failure


async def test_who_gives_up_waiting_leaves_the_lock_free(locks: Locks) -> None:
    for moment in (0, 0.001, 0.003, 0.01):
        taking = asyncio.create_task(locks.hold("one").__aenter__())
        await asyncio.sleep(moment)
        taking.cancel()
        await asyncio.wait([taking])
        if not taking.cancelled():
            continue  # it had it already: the generator is closed, and with that the lock
        async with asyncio.timeout(module.LEASE / 2), locks.hold("one"):
            pass


async def test_a_lock_is_renewed_for_as_long_as_it_is_held(locks: Locks) -> None:
    async with locks.hold("one", seconds=2 * LEASE):
        for _ in range(5):
            await asyncio.sleep(0.6 * LEASE)
            with pytest.raises(LockHeld):
                async with locks.hold("one", patience=0):
                    pytest.fail("it is held")


async def test_without_renewal_it_would_be_lost(locks: Locks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEWALS", 0.5)  # each comes after two leases
    with pytest.raises(LockLost):
        async with locks.hold("one", seconds=0.4):
            await asyncio.sleep(5)


async def test_a_killed_holder_is_succeeded_when_its_lease_is_over(
    database: Database, database_url: str, locks: Locks
) -> None:
    with holder(database_url, LEASE) as process:
        assert await told(process) == "1"
        process.send_signal(signal.SIGKILL)
        begun = time.monotonic()
        with pytest.raises(LockHeld):
            async with locks.hold("shared", patience=0):
                pytest.fail("its lease still runs")
        async with locks.hold("shared") as token:
            assert token == 2
        assert time.monotonic() - begun < LEASE + module.LONGEST_LOOK + 1


async def test_what_a_zombie_writes_is_refused(database: Database, database_url: str, locks: Locks) -> None:
    with holder(database_url, LEASE) as process:
        assert await told(process) == "1"
        assert await told(process, "written by a holder") == "taken"
        process.send_signal(signal.SIGSTOP)
        async with locks.hold("shared") as token:
            assert token == 2
            process.send_signal(signal.SIGCONT)
            assert await told(process, "written by a zombie") == "refused"
            assert await told(process, last=True) == "lost"
            await database.write([locks.fence("shared", token)])
    assert await names(database) == {"shared", "written by a holder"}


async def test_an_old_token_is_refused_even_after_the_new_holder_is_gone(
    database: Database, locks: Locks
) -> None:
    async with locks.hold("one") as old:
        await database.write([locks.fence("one", old)])
    async with locks.hold("one") as new:
        pass
    await database.write([locks.fence("one", new)])
    with pytest.raises(Contention):
        await database.write([locks.fence("one", old)])


async def robbed(database: Database, locks: Locks, swallow: bool) -> None:
    """Hold a lock that somebody else takes, and go on where `swallow`."""
    async with locks.hold("one", seconds=LEASE):
        await database.all(END, then=NOON.replace(year=2020))
        async with locks.hold("one", patience=0) as thief:
            assert thief == 2
            with suppress(asyncio.CancelledError) if swallow else nullcontext():
                await asyncio.sleep(60)


@pytest.mark.parametrize("swallow", [False, True])
async def test_who_is_robbed_of_a_lock_is_cancelled_and_told(
    database: Database, locks: Locks, swallow: bool
) -> None:
    task = asyncio.current_task()
    assert task is not None
    async with asyncio.timeout(10):
        with pytest.raises(LockLost):
            await robbed(database, locks, swallow)
    assert task.cancelling() == 0


class Breakable:
    """A database that can be away, or do as told once and not say so."""

    def __init__(self, real: Database) -> None:
        self._real = real
        self.away = self.mute = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def first(self, *args: Any, **params: Any) -> Any:
        if self.away:
            raise Unavailable("away")
        row = await self._real.first(*args, **params)
        if self.mute:
            self.mute = False
            raise Unavailable("the answer was lost")
        return row


async def test_while_the_database_is_away_a_lock_is_given_up_before_its_lease_ends(
    database: Database,
) -> None:
    breakable: Any = Breakable(database)
    begun = time.monotonic()

    async def work() -> None:
        async with Locks(breakable).hold("one", seconds=3 * LEASE):
            breakable.away = True
            await asyncio.sleep(5 * LEASE)

    with pytest.raises(LockLost):
        await work()
    assert time.monotonic() - begun < 3 * LEASE
    with pytest.raises(LockHeld):  # so nobody else can have had it by then
        async with Locks(database).hold("one", patience=0):
            pytest.fail("its lease still runs")


async def test_a_lock_taken_without_our_hearing_of_it_is_given_back(database: Database) -> None:
    breakable: Any = Breakable(database)
    breakable.mute = True
    with pytest.raises(Unavailable, match="lost"):
        await Locks(breakable).hold("one").__aenter__()
    async with Locks(database).hold("one", patience=0) as token:
        assert token == 2


async def test_a_short_absence_of_the_database_loses_no_lock(database: Database) -> None:
    breakable: Any = Breakable(database)
    async with Locks(breakable).hold("one", seconds=3 * LEASE) as token:
        breakable.away = True
        await asyncio.sleep(1.6 * LEASE)
        breakable.away = False
        await asyncio.sleep(2 * LEASE)
        assert token == 1


async def test_of_several_candidates_one_leads_and_another_follows_it(locks: Locks, quick: None) -> None:
    leading: list[int] = []

    async def run(token: int) -> None:
        leading.append(token)
        await asyncio.sleep(60)

    candidates = [asyncio.create_task(locks.leader("work", run)) for _ in range(3)]
    async with asyncio.timeout(10):
        while not leading:  # noqa: ASYNC110 - another's progress
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.5)
    assert leading == [1]
    for candidate in candidates:
        candidate.cancel()
        await asyncio.wait([candidate])
        await asyncio.sleep(0.5)
    # Each that stopped gave the lock back at once. Who was no leader stopped without a trace.
    assert leading == list(range(1, len(leading) + 1))
    assert 1 <= len(leading) <= 3


async def test_a_killed_leader_is_succeeded_in_time(database_url: str, locks: Locks, quick: None) -> None:
    tokens: list[int] = []

    async def run(token: int) -> None:
        tokens.append(token)

    with holder(database_url, LEASE) as process:
        assert await told(process) == "1"
        candidate = asyncio.create_task(locks.leader("shared", run))
        await asyncio.sleep(2 * LEASE)
        assert tokens == []
        process.send_signal(signal.SIGKILL)
        async with asyncio.timeout(LEASE + module.CANDIDACY + 1):
            await candidate
    assert tokens == [2]


def test_a_dead_leader_is_succeeded_within_half_a_minute() -> None:
    assert module.LEASE + module.CANDIDACY <= 30 - 2 * 5  # and twice the time of a statement


async def test_a_leader_that_fails_is_logged_and_somebody_leads_again(locks: Locks, quick: None) -> None:
    tokens: list[int] = []

    async def run(token: int) -> None:
        tokens.append(token)
        if len(tokens) < 3:
            raise ValueError("oops")

    with structlog.testing.capture_logs() as lines:
        async with asyncio.timeout(10):
            await locks.leader("work", run)
    assert tokens == [1, 2, 3]
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["leader_failed"] * 2


async def test_a_leader_that_loses_the_lead_stops_and_is_a_candidate_again(
    database: Database, locks: Locks, quick: None
) -> None:
    tokens: list[int] = []

    async def run(token: int) -> None:
        tokens.append(token)
        if len(tokens) == 1:
            await database.all(END, then=NOON.replace(year=2020))
            async with locks.hold("work", patience=0):
                await asyncio.sleep(60)

    async with asyncio.timeout(10):
        await locks.leader("work", run, seconds=LEASE)
    assert tokens == [1, 3]


async def test_a_candidate_outlasts_a_database_that_is_away(database: Database, quick: None) -> None:
    breakable: Any = Breakable(database)
    breakable.away = True
    tokens: list[int] = []

    async def run(token: int) -> None:
        tokens.append(token)

    candidate = asyncio.create_task(Locks(breakable).leader("work", run))
    await asyncio.sleep(0.5)
    breakable.away = False
    async with asyncio.timeout(10):
        await candidate
    assert tokens == [1]


async def test_the_time_in_the_database_is_its_own_in_the_form_of_all_times(
    database: Database, locks: Locks
) -> None:
    async with locks.hold("one", seconds=60):
        row = await database.first(select(leases.c.until))
        assert row is not None
        assert 50 < row[0].timestamp() - time.time() <= 61
        assert row[0].tzinfo is not None
