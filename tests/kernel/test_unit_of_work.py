"""The unit of work: everything or nothing, once, in as few round trips as can be."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import bindparam, func, select, update

from bailiwick.kernel.application import Contention, Unavailable
from bailiwick.kernel.database.connections import Database, Duplicate
from bailiwick.kernel.messaging.tables import events
from tests.kernel.samples import (
    NOON,
    NameTaken,
    SampleUnitOfWork,
    Shelf,
    ShelfBuilt,
    ShelfId,
    SlotTaken,
    create_tables,
    database_at,
    shelves,
)

SHELVES = select(func.count()).select_from(shelves)
EVENTS = select(events.c.type, events.c.payload, events.c.aggregate_version).order_by(events.c.id)
UNGUARDED = update(shelves).where(shelves.c.id == bindparam("who")).values(count=bindparam("new_count"))
BLOCKED = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid <> pg_backend_pid()"
OPEN = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
)


def a_shelf(name: str = "") -> Shelf:
    return Shelf.build(ShelfId(uuid4()), name or uuid4().hex, NOON)


async def stored(database: Database, shelf: Shelf) -> Shelf:
    async with SampleUnitOfWork(database) as uow:
        uow.shelves.add(shelf)
        return await uow.commit(shelf)


async def counted(database: Database) -> tuple[int, int]:
    row = await database.first(SHELVES)
    assert row is not None
    return row[0], len(await database.all(EVENTS))


async def test_leaving_without_commit_stores_and_announces_nothing(database: Database) -> None:
    async with SampleUnitOfWork(database) as uow:
        uow.shelves.add(a_shelf())
        uow.shelves.raise_count("any")
    with contextlib.suppress(ZeroDivisionError):
        async with SampleUnitOfWork(database) as uow:
            uow.shelves.add(a_shelf())
            raise ZeroDivisionError
    assert await counted(database) == (0, 0)


async def test_a_second_commit_is_refused(database: Database) -> None:
    uow = SampleUnitOfWork(database)
    with pytest.raises(RuntimeError, match="inside the block"):
        await uow.commit(None)
    async with uow:
        await uow.commit(None)
        with pytest.raises(RuntimeError, match="once"):
            await uow.commit(None)
    with pytest.raises(RuntimeError, match="inside the block"):
        await uow.commit(None)


async def test_events_are_stored_with_what_made_them_true(database: Database) -> None:
    shelf = await stored(database, a_shelf("oak"))
    [(kind, payload, version)] = await database.all(EVENTS)
    assert (kind, version) == ("kernel.ShelfBuilt", 1)
    assert payload == {
        "occurred_at": "2031-01-01T12:00:00+00:00",
        "shelf_id": str(shelf.id),
        "name": "oak",
        "labels": ["a", "b"],
    }
    async with SampleUnitOfWork(database) as uow:
        uow.shelves.add(a_shelf("oak"))
        with pytest.raises(NameTaken):
            await uow.commit(None)
    assert await counted(database) == (1, 1)


async def test_what_is_handed_in_is_handed_back(database: Database) -> None:
    answer = object()
    async with SampleUnitOfWork(database) as uow:
        assert await uow.commit(answer) is answer
    assert database.round_trips == 0


async def test_a_unique_index_is_the_refusal_that_it_stands_for(database: Database) -> None:
    first = await stored(database, a_shelf("oak"))
    with pytest.raises(NameTaken) as refused:
        await stored(database, a_shelf("oak"))
    assert refused.value.field == "name"
    other = await stored(database, a_shelf("pine"))
    async with SampleUnitOfWork(database) as uow:
        (await uow.shelves.get(other.id)).name = first.name
        with pytest.raises(NameTaken):
            await uow.commit(None)


async def test_a_partial_unique_index_frees_what_left_it(database: Database) -> None:
    one, two, three = (a_shelf() for _ in range(3))
    one.slot = two.slot = three.slot = "A1"
    await stored(database, one)
    with pytest.raises(SlotTaken):
        await stored(database, two)
    async with SampleUnitOfWork(database) as uow:
        (await uow.shelves.get(one.id)).broken_at = NOON
        await uow.commit(None)
    await stored(database, three)


async def test_a_duplicate_that_nobody_named_is_no_refusal(database: Database) -> None:
    shelf = await stored(database, a_shelf())
    twin = a_shelf()
    twin.id = shelf.id
    with pytest.raises(Duplicate):
        await stored(database, twin)


async def test_statements_and_aggregates_share_one_transaction(database: Database) -> None:
    one = await stored(database, a_shelf("one"))
    two = a_shelf("two")
    async with SampleUnitOfWork(database) as uow:
        uow.shelves.raise_count("one")
        uow.shelves.add(two)
        await uow.commit(None)
    async with SampleUnitOfWork(database) as uow:
        assert (await uow.shelves.get(one.id)).count == 1
        uow.shelves.raise_count("one")
        uow.shelves.add(a_shelf("two"))
        with pytest.raises(NameTaken):
            await uow.commit(None)
    assert (await SampleUnitOfWork(database).shelves.get(one.id)).count == 1


async def test_statements_on_the_same_rows_all_take_effect_in_their_order(database: Database) -> None:
    """One statement of PostgreSQL changes a row only once: what comes second there would be lost."""
    one = await stored(database, a_shelf("one"))
    async with SampleUnitOfWork(database) as uow:
        uow.shelves.raise_count("one")
        uow.shelves.raise_count("one")
        uow.shelves.rename("one", "two")
        uow.shelves.raise_count("two")
        await uow.commit(None)
    found = await SampleUnitOfWork(database).shelves.get(one.id)
    assert (found.name, found.count) == ("two", 3)


async def test_a_set_based_write_under_a_loaded_aggregate_is_seen(database: Database) -> None:
    one = await stored(database, a_shelf("one"))
    async with SampleUnitOfWork(database) as uow:
        loaded = await uow.shelves.get(one.id)
        loaded.count = 5
        await stored_again(database, one.id)
        with pytest.raises(Contention):
            await uow.commit(None)


async def stored_again(database: Database, id: ShelfId) -> None:
    async with SampleUnitOfWork(database) as uow:
        shelf = await uow.shelves.get(id)
        shelf.count += 1
        await uow.commit(None)


async def increments(database: Database, id: ShelfId, increment: Callable[[], Awaitable[None]]) -> int:
    """Four writers, twenty increments each, all at once; what is counted in the end."""

    async def writer() -> None:
        for _ in range(20):
            while True:
                with contextlib.suppress(Contention):
                    await increment()
                    break

    await asyncio.gather(*(writer() for _ in range(4)))
    return (await SampleUnitOfWork(database).shelves.get(id)).count


async def test_no_update_is_lost_among_many_writers(database: Database) -> None:
    shelf = await stored(database, a_shelf())
    assert await increments(database, shelf.id, lambda: stored_again(database, shelf.id)) == 80
    found = await SampleUnitOfWork(database).shelves.get(shelf.id)
    assert found.version == 81


async def test_without_the_version_check_updates_are_lost(database: Database) -> None:
    """The sabotage of the test above: the same writers, writing what they loaded plus one."""
    shelf = await stored(database, a_shelf())

    async def increment() -> None:
        async with SampleUnitOfWork(database) as uow:
            loaded = await SampleUnitOfWork(database).shelves.get(shelf.id)
            uow.execute(UNGUARDED, who=shelf.id, new_count=loaded.count + 1)
            await uow.commit(None)

    assert await increments(database, shelf.id, increment) < 80


async def test_round_trips_are_as_few_as_can_be(database: Database) -> None:
    shelf = a_shelf()

    async def cost(work: Awaitable[object]) -> int:
        before = database.round_trips
        await work
        return database.round_trips - before

    children = len(SampleUnitOfWork(database).shelves.mapper.children)
    assert await cost(stored(database, shelf)) == 1
    assert await cost(stored_again(database, shelf.id)) == 2 + children


async def test_a_cancelled_commit_leaves_all_or_nothing(database: Database) -> None:
    """Cancelled after any moment: rows and events agree, and the pool goes on."""
    await two_phases(database)  # connected: a cancelled connecting is the driver's own affair
    for delay in [0.0, *(0.0002 * 2**i for i in range(6))] * 3:
        task = asyncio.ensure_future(two_phases(database))
        await asyncio.sleep(delay)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    stored_shelves, events = await counted(database)
    assert stored_shelves == events


async def two_phases(database: Database) -> None:
    async with SampleUnitOfWork(database) as uow:
        uow.shelves.raise_count("any")
        uow.shelves.add(a_shelf())
        await uow.commit(None)


async def test_a_cancelled_commit_leaves_no_transaction_open(postgresql_url: str) -> None:
    await create_tables(postgresql_url)
    database = database_at(postgresql_url, pool_size=3)
    await database.open()
    watcher = await asyncpg.connect(postgresql_url)
    await asyncio.gather(*(two_phases(database) for _ in range(6)))
    for i in range(60):
        tasks = [asyncio.ensure_future(two_phases(database)) for _ in range(6)]
        await asyncio.sleep(0.0001 * i)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await two_phases(database)
    assert await watcher.fetchval(OPEN) == 0
    await watcher.close()
    await database.close()


async def test_a_backend_that_dies_in_the_middle_leaves_nothing_half(postgresql_url: str) -> None:
    """The second phase waits for a lock; its connection is cut; the first phase is undone with it."""
    await create_tables(postgresql_url)
    database = database_at(postgresql_url)
    await database.open()
    one = await stored(database, a_shelf("one"))
    rival = await asyncpg.connect(postgresql_url)
    async with rival.transaction():
        await rival.execute("LOCK kernel_event IN ACCESS EXCLUSIVE MODE")
        async with SampleUnitOfWork(database) as uow:
            uow.shelves.raise_count("one")
            uow.shelves.add(a_shelf("two"))
            commit = asyncio.ensure_future(uow.commit(None))
            while (pid := await rival.fetchval(BLOCKED)) is None:  # noqa: ASYNC110 - the server's progress
                await asyncio.sleep(0.005)
            await rival.execute("SELECT pg_terminate_backend($1)", pid)
            with pytest.raises(Unavailable):
                await commit
    await rival.close()
    assert await counted(database) == (1, 1)
    assert (await SampleUnitOfWork(database).shelves.get(one.id)).count == 0
    await database.close()


async def test_a_value_that_no_column_takes_is_our_mistake_not_the_databases_absence(
    database: Database,
) -> None:
    """Unavailable would be answered 503 and hide it."""
    shelf = a_shelf()
    shelf.count = 10**30
    with pytest.raises((OverflowError, asyncpg.DataError)):
        await stored(database, shelf)


async def test_an_event_that_is_not_plain_data_is_refused_at_once(database: Database) -> None:
    shelf = a_shelf()
    shelf.announce(ShelfBuilt(occurred_at=NOON, shelf_id=shelf.id, name=object()))  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        await stored(database, shelf)
    assert await counted(database) == (0, 0)
