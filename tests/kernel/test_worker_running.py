"""The worker as it runs for days: woken at once, stopped in order, never ended by a lost database."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import asyncpg
import pytest
from sqlalchemy import select, update

from bailiwick.kernel.application import Unavailable
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.messaging import worker as worker_module
from bailiwick.kernel.messaging.handlers import DELIVERIES_AT_ONCE
from bailiwick.kernel.messaging.queue import LEASE
from bailiwick.kernel.messaging.tables import work
from bailiwick.kernel.messaging.worker import Worker
from tests.kernel.messages import Watch, copies, copying, going, left, publish, subscribe, subscribed, until
from tests.kernel.samples import ShelfBuilt, create_tables, database_at, shelves
from tests.kernel.test_worker import change


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    await create_tables(url)
    database = database_at(url)
    await database.open()
    yield database
    await database.close()


async def test_a_local_commit_wakes_the_worker_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "SHORTEST_POLL", 30.0)
    heard: list[str] = []

    async def react(event: ShelfBuilt) -> None:
        heard.append(event.name)

    async with going(subscribed(database, Watch(), reader=react)):
        await asyncio.sleep(0.05)
        for name in ("one", "two"):
            await publish(database, name)
            await until(partial(heard.__contains__, name))  # long before the next poll


async def test_an_event_that_is_committed_after_a_later_one_is_not_lost(postgresql_url: str) -> None:
    heard: list[str] = []

    async def react(event: ShelfBuilt) -> None:
        heard.append(event.name)

    async with opened(postgresql_url) as database:
        worker = subscribed(database, Watch(), reader=react)
        slow = await asyncpg.connect(postgresql_url)
        await publish(database, "early")
        async with slow.transaction():
            await slow.execute("CREATE TEMP TABLE held AS SELECT * FROM kernel_work")
            await slow.execute("DELETE FROM kernel_work")
            await slow.execute("INSERT INTO kernel_work SELECT * FROM held")
            await publish(database, "later")
            await worker.until_idle()
            assert heard == ["later"]
        await worker.until_idle()
        assert heard == ["later", "early"]
        await slow.close()


async def test_a_worker_outlives_a_database_that_goes_away(postgresql_url: str) -> None:
    heard: Counter[str] = Counter()

    async def react(event: ShelfBuilt) -> None:
        heard[event.name] += 1

    async with opened(postgresql_url) as database, going(subscribed(database, Watch(), reader=react)) as task:
        killer = await asyncpg.connect(postgresql_url)
        for name in ("one", "two", "three"):
            while name not in await names(database):
                with suppress(Unavailable):
                    await publish(database, name)
            await killer.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        await asyncio.sleep(0.3)
        await killer.execute("UPDATE kernel_work SET leased_until = NULL")
        await until(lambda: set(heard) == {"one", "two", "three"})
        assert not task.done()
        await killer.close()


async def names(database: Database) -> set[str]:
    with suppress(Unavailable):
        return {name for (name,) in await database.all(select(shelves.c.name))}
    return set()


async def test_an_order_to_stop_lets_what_runs_end_and_takes_nothing_new(database: Database) -> None:
    calls: Counter[str] = Counter()
    begun, copy = asyncio.Event(), copying(database, calls)

    async def slow(event: ShelfBuilt) -> None:
        begun.set()
        await asyncio.sleep(0.2)
        await copy(event)

    worker = subscribed(database, Watch(), reader=slow)
    async with going(worker):
        await publish(database)
        await begun.wait()
        await publish(database)
    assert (calls["copied"], await copies(database), await left(database)) == (1, 1, 1)


async def test_what_does_not_end_in_time_is_given_back_and_taken_at_once(database: Database) -> None:
    calls: Counter[str] = Counter()
    begun = asyncio.Event()

    async def endless(event: ShelfBuilt) -> None:
        begun.set()
        await asyncio.sleep(60)

    handlers = subscribe(database, reader=endless)
    async with going(Worker(database, handlers, Watch(), drain_seconds=0.05)):
        await publish(database)
        await begun.wait()
    [(holder, attempts)] = await database.all(select(work.c.leased_by, work.c.attempts))
    assert (holder, attempts) == (None, 0)
    again = subscribed(database, Watch(), reader=copying(database, calls))
    assert await again.until_idle() == 1
    assert await copies(database) == 1


async def test_what_runs_for_long_is_kept_by_its_heartbeat(database: Database) -> None:
    """And what was taken from us meanwhile is let go."""
    ended: list[str] = []

    async def endless(event: ShelfBuilt) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(event.name)

    watch = Watch()
    worker = subscribed(database, watch, reader=endless)
    for name in ("kept", "stolen"):
        await publish(database, name)
    await worker.claim()
    await until(lambda: len(worker.running) == 2)
    await asyncio.sleep(0.01)
    watch.ahead += LEASE - timedelta(seconds=1)
    [stolen] = [id for id in worker.running if await event_name(database, id) == "stolen"]
    await database.write([Write(update(work).where(work.c.id == stolen).values(leased_by=stolen), {})])
    await worker.beat()
    await until(lambda: len(worker.running) == 1)
    assert ended == ["stolen"]
    [until_when] = [
        row[0] for row in await database.all(select(work.c.leased_until).where(work.c.id != stolen))
    ]
    assert isinstance(until_when, datetime)
    assert abs(until_when - watch() - LEASE) < timedelta(seconds=1)
    for _, task in list(worker.running.values()):
        task.cancel()
    await until(lambda: not worker.running)


async def event_name(database: Database, id: object) -> str:
    row = await database.first(select(work.c.payload).where(work.c.id == id))
    assert row is not None
    name: str = row[0]["name"]
    return name


async def test_no_queue_waits_for_the_places_of_another(database: Database) -> None:
    """A hundred deliveries that hang in one context do not keep another one from its own."""
    heard: list[str] = []

    async def hangs(event: ShelfBuilt) -> None:
        await asyncio.sleep(60)

    async def hears(event: ShelfBuilt) -> None:
        heard.append(event.name)

    slow = subscribe(database, slow=hangs)
    [quick] = subscribe(database, quick=hears)
    quick = type(quick)(
        **{f: getattr(quick, f) for f in quick.__slots__} | {"queue": "other", "name": "other.quick"}
    )
    database.readers = {"kernel.ShelfBuilt": ["samples.slow", "other.quick"]}
    async with going(Worker(database, [*slow, quick], Watch(), drain_seconds=0)):
        for i in range(100):
            await publish(database, str(i))
        await until(lambda: len(heard) == 100)


async def test_a_full_queue_goes_on_without_a_poll_though_another_one_has_free_places(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "SHORTEST_POLL", 30.0)
    monkeypatch.setattr(worker_module, "LONGEST_POLL", 30.0)
    heard: list[str] = []

    async def hears(event: ShelfBuilt) -> None:
        await asyncio.sleep(0.05)
        heard.append(event.name)

    [busy] = subscribe(database, busy=hears)
    idle = replace(busy, queue="idle", name="idle.one")
    for i in range(3 * DELIVERIES_AT_ONCE):
        await publish(database, str(i))
    async with going(Worker(database, [busy, idle], Watch(), drain_seconds=0)):
        await until(lambda: len(heard) == 3 * DELIVERIES_AT_ONCE)


async def test_what_waits_behind_one_key_goes_on_without_a_poll_and_in_its_order(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each one is started by the one before it: among all that is due it would be looked for for long."""
    monkeypatch.setattr(worker_module, "SHORTEST_POLL", 30.0)
    heard: list[str] = []

    async def react(event: ShelfBuilt) -> None:
        heard.append(event.name)

    workers = [subscribed(database, Watch(), reader=react) for _ in range(2)]
    shelf_id = await publish(database, "0")
    await change(database, shelf_id, [str(number) for number in range(1, 60)])
    async with going(workers[0]), going(workers[1]):
        await until(lambda: len(heard) == 60)
    assert heard == [str(number) for number in range(60)]


async def test_after_an_order_to_stop_nothing_goes_on(database: Database) -> None:
    begun, heard = asyncio.Event(), []

    async def react(event: ShelfBuilt) -> None:
        begun.set()
        await asyncio.sleep(0.1)
        heard.append(event.name)

    worker = subscribed(database, Watch(), reader=react)
    shelf_id = await publish(database, "0")
    await change(database, shelf_id, ["1", "2"])
    async with going(worker):
        await begun.wait()
    assert (heard, await left(database)) == (["0"], 2)
