"""What comes five times has one effect at each reader; what is committed late is neither lost nor late."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
from uuid_utils.compat import uuid7

from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.messaging.envelopes import Envelope
from bailiwick.kernel.messaging.housekeeping import KEEP_MARKS, Retention, forget_old
from bailiwick.kernel.messaging.inbox import Inbox
from tests.kernel.messages import left
from tests.kernel.samples import create_tables, database_at
from tests.kill.crew import crew
from tests.kill.depth import KILLS, times
from tests.kill.employer import employer
from tests.kill.labour.bystanders import COPIES, MESSAGES
from tests.kill.reckoning import (
    EXPIRE,
    WAITING,
    Reckoning,
    each_promise_is_kept_once,
    read,
    read_starts,
    summary,
    wrongs,
)

PAUSE = (0.3, 0.8)  # seconds between two kills
BROKEN = 5  # messages that nobody can read
PATIENCE = 30.0 if not KILLS else 600.0
LATE = """
CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_sleep(random() * 0.1); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON labour_source DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION late();
CREATE CONSTRAINT TRIGGER later AFTER UPDATE ON labour_source DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION late();
"""
"""Every commit that tells something waits for a while after its rows were written."""
BURIED = "SELECT count(*) FROM kernel_finished WHERE queue = 'inbox' AND outcome = 'dead'"
OVERTAKEN = (
    "SELECT count(*) FROM (SELECT xmin::text::bigint - lag(xmin::text::bigint) OVER (ORDER BY id) AS step "
    "FROM kernel_event) AS steps WHERE step < 0"
)


def an_envelope(witness: str) -> bytes:
    now, source = datetime.now(UTC).isoformat(), uuid7()
    told = {"occurred_at": now, "witness": witness, "source_id": str(source), "number": 0}
    return Envelope(
        uuid7(), "labour.Happened", 1, told, now, source, 1, 0, actor_id=None, correlation_id="c"
    ).encoded()


def messages_in(file: Path, count: int) -> Counter[tuple[str, str]]:
    """Write so many, and some that make no sense. Returns what is to follow from them."""
    witnesses = [uuid4().hex for _ in range(count)]
    broken = [json.dumps({"broken": number}).encode() for number in range(BROKEN)]
    file.write_bytes(b"\n".join([*map(an_envelope, witnesses), *broken]))
    return Counter((reader, witness) for witness in witnesses for reader in ("first", "second"))


async def until_done(url: str, done: Callable[[], bool], patience: float) -> tuple[Reckoning, int]:
    """Wait until all was received, and nothing waits, but not for ever. What was done, and was buried."""
    connection, found = await asyncpg.connect(url), Reckoning()
    deadline = time.monotonic() + patience
    while (not done() or await connection.fetchval(WAITING)) and time.monotonic() < deadline:  # noqa: ASYNC110  # others work
        await asyncio.sleep(0.1)
    await read(connection, found)
    buried = await connection.fetchval(BURIED)
    await connection.close()
    return found, buried


def doubled(url: str, directory: Path, count: int, kills: int, plant: str = "") -> list[str]:
    """Two workers receive three and two copies of each, and are killed meanwhile: then from the beginning."""
    file, chance = directory / "messages", random.Random(kills)
    promised = messages_in(file, count)

    def received() -> bool:
        return all((directory / f"messages.{labourer.pid}").exists() for labourer in workers.labourers)

    with crew(url, directory, plant, **{MESSAGES: str(file)}) as workers:
        for copies in ("3", "2"):
            workers.hire(**{COPIES: copies})
        for labourer in workers.labourers:
            labourer.await_ready()
        (directory / "messages.go").touch()
        for _ in range(kills):
            time.sleep(chance.uniform(*PAUSE))
            workers.kill(chance)
        if kills:
            expire(url)
        found, buried = asyncio.run(until_done(url, received, PATIENCE))
        found.promised, found.kills = promised, dict(workers.kills)
        found.starts = read_starts(workers.starts)
    wrong = list(each_promise_is_kept_once(found))
    if buried != BROKEN:
        wrong.append(f"{buried} unreadable messages were kept, not {BROKEN}")
    print(summary(found, wrong, messages=count, copies=5))
    return wrong


def expire(url: str) -> None:
    if KILLS:
        return

    async def run() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(EXPIRE)
        await connection.close()

    asyncio.run(run())


def test_what_comes_five_times_has_one_effect_at_each_reader(postgresql_url: str, tmp_path: Path) -> None:
    assert doubled(postgresql_url, tmp_path, times(400, 10_000), 0) == []


def test_what_comes_five_times_to_workers_that_are_killed_has_one_effect_at_each_reader(
    postgresql_url: str, tmp_path: Path
) -> None:
    assert doubled(postgresql_url, tmp_path, times(200, 10_000), times(1, max(2, KILLS // 10))) == []


def test_an_inbox_that_marks_in_another_transaction_is_found_out(postgresql_url: str, tmp_path: Path) -> None:
    found = doubled(postgresql_url, tmp_path, 100, 0, "marks_apart")
    assert any("was done 2 times, not 1" in wrong for wrong in found), found


async def repeated_after(database: Database, age: timedelta) -> int:
    """How much work there is for a message that came, and comes again after so long."""
    inbox = Inbox(database, {"labour.Happened": ["labour.first"]}, lambda: datetime.now(UTC))
    message = an_envelope(uuid4().hex)
    await inbox.take_in("labour", [message])
    await forget_old(database, datetime.now(UTC) + age, Retention(None, age, age))
    await inbox.take_in("labour", [message])
    return await left(database)


async def test_a_repetition_is_known_for_a_week_and_longer_than_anybody_tries_again(
    postgresql_url: str,
) -> None:
    await create_tables(postgresql_url)
    database = database_at(postgresql_url)
    await database.open()
    assert await repeated_after(database, timedelta(days=7, seconds=1)) == 1
    assert await repeated_after(database, KEEP_MARKS + timedelta(days=1)) == 3, "a mark is kept for ever"
    await database.close()


async def committed_late(url: str, events: int, patience: float) -> tuple[Reckoning, int]:
    """Tell so much, with commits that overtake each other. Returns also how many were overtaken."""
    connection, stopped = await asyncpg.connect(url), asyncio.Event()
    await connection.execute(LATE)
    async with employer(url) as boss:
        # As many at once as there are connections: each waits most of the time.
        giving = asyncio.gather(*(boss.give_until(stopped) for _ in range(5)))
        while sum(boss.promised.values()) < 2 * events:  # noqa: ASYNC110  # others tell
            await asyncio.sleep(0.05)
        stopped.set()
        await giving
    overtaken = await connection.fetchval(OVERTAKEN)
    await connection.close()
    found, _ = await until_done(url, lambda: True, patience)
    found.promised = boss.promised
    return found, overtaken


def late(url: str, directory: Path, events: int, plant: str = "") -> Sequence[str]:
    with crew(url, directory, plant) as workers:
        for labourer in [workers.hire(), workers.hire()]:
            labourer.await_ready()
        found, overtaken = asyncio.run(committed_late(url, events, 5.0 if plant else PATIENCE))
    wrong = wrongs(found)
    events = sum(each.handler == "first" for each in found.done)
    print(summary(found, wrong, events=events, overtaken=overtaken))
    return wrong


def test_no_event_is_lost_or_out_of_order_however_late_its_commit(
    postgresql_url: str, tmp_path: Path
) -> None:
    assert late(postgresql_url, tmp_path, times(1000, 100_000)) == []


def test_a_worker_that_does_not_keep_the_order_is_found_out(postgresql_url: str, tmp_path: Path) -> None:
    found = late(postgresql_url, tmp_path, 150, "takes_any")
    assert any(wrong.startswith("what_has_one_key_is_done_in_its_order") for wrong in found), found


if KILLS:

    def test_a_worker_that_trusts_the_highest_id_is_found_out(postgresql_url: str, tmp_path: Path) -> None:
        found = late(postgresql_url, tmp_path, 150, "trusts_the_highest")
        assert any(wrong.startswith("nothing_is_left") for wrong in found), found
