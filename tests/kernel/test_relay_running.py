"""The relay as it runs for days: woken at once, never stopped by a database that goes away."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import asyncpg
from sqlalchemy import select

from bailiwick.kernel.application import Unavailable
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.messaging.relay import Relay
from tests.kernel.samples import ShelfBuilt, create_tables, database_at, shelves
from tests.kernel.test_relay import Watch, publish, relay


async def test_an_event_that_is_committed_after_a_later_one_is_not_lost(postgresql_url: str) -> None:
    heard: list[str] = []

    async def react(event: ShelfBuilt) -> None:
        heard.append(event.name)

    async with opened(postgresql_url) as database:
        slow = await asyncpg.connect(postgresql_url)
        await publish(database, "early", datetime.now(UTC) - timedelta(hours=1))
        async with slow.transaction():
            await slow.execute("CREATE TEMP TABLE held AS SELECT * FROM kernel_outbox")
            await slow.execute("DELETE FROM kernel_outbox")
            await slow.execute("INSERT INTO kernel_outbox SELECT * FROM held")
            await publish(database, "later")
            await relay(database, Watch(), reader=react).deliver_batch()
            assert heard == ["later"]
        await relay(database, Watch(), reader=react).deliver_batch()
        assert heard == ["later", "early"]
        await slow.close()


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    await create_tables(url)
    database = database_at(url)
    await database.open()
    yield database
    await database.close()


@asynccontextmanager
async def going(running: Relay) -> AsyncIterator["asyncio.Future[None]"]:
    task = asyncio.ensure_future(running.run())
    yield task
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not true():  # noqa: ASYNC110 - another's progress
            await asyncio.sleep(0.005)


async def test_a_local_commit_wakes_the_relay_at_once(database: Database) -> None:
    heard: list[str] = []

    async def react(event: ShelfBuilt) -> None:
        heard.append(event.name)

    async with going(relay(database, utc_watch(), reader=react)):
        await asyncio.sleep(0.05)
        for name in ("one", "two"):
            before = asyncio.get_running_loop().time()
            await publish(database, name)
            await until(lambda name=name: name in heard)  # type: ignore[misc]  # mypy cannot infer it
            assert asyncio.get_running_loop().time() - before < 0.35


def utc_watch() -> Watch:
    class Real(Watch):
        def __call__(self) -> datetime:
            return datetime.now(UTC)

    return Real()


async def test_the_relay_outlives_a_database_that_goes_away(postgresql_url: str) -> None:
    heard: Counter[str] = Counter()

    async def react(event: ShelfBuilt) -> None:
        heard[event.name] += 1

    async with opened(postgresql_url) as database, going(relay(database, utc_watch(), reader=react)) as task:
        killer = await asyncpg.connect(postgresql_url)
        for name in ("one", "two", "three"):
            while name not in await names(database):
                with suppress(Unavailable):
                    await publish(database, name)
            await killer.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        await killer.execute("ALTER TABLE kernel_outbox RENAME TO away")
        await asyncio.sleep(0.7)
        await killer.execute("ALTER TABLE away RENAME TO kernel_outbox")
        await killer.execute("UPDATE kernel_outbox SET leased_until = NULL")
        await until(lambda: set(heard) == {"one", "two", "three"})
        assert not task.done()
        await killer.close()


async def names(database: Database) -> set[str]:
    with suppress(Unavailable):
        return {name for (name,) in await database.all(select(shelves.c.name))}
    return set()
