"""Counters: many change them at once, none waits for another, and no limit is ever passed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import NewType
from uuid import UUID, uuid4

import pytest
from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, literal

from bailiwick.kernel.application import Contention
from bailiwick.kernel.database.columns import Id
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.mapper import Limit, Mapper
from bailiwick.kernel.database.unit_of_work import SqlRepository, SqlUnitOfWork, writer
from bailiwick.kernel.domain import Aggregate
from bailiwick.kernel.messaging.grouping import Grouping
from tests.kernel.samples import create_tables, database_at, messages

PurseId = NewType("PurseId", UUID)

metadata = MetaData()
purses = Table(
    "sample_purse",
    metadata,
    Column("id", Id, primary_key=True),
    Column("label", String(20), nullable=False),
    Column("coins", BigInteger, nullable=False),
    Column("promised", BigInteger, nullable=False),
    Column("credit", BigInteger),
    Column("version", Integer, nullable=False),
)


@dataclass(eq=False, kw_only=True)
class Purse(Aggregate):
    """What it holds less what is promised never falls below minus its credit; None is any credit."""

    id: PurseId
    label: str = "a"
    coins: int = 0
    promised: int = 0
    credit: int | None = 0


LIMIT = Limit({"coins": 1, "promised": -1}, floor=-purses.c.credit)


class SqlPurses(SqlRepository[Purse, PurseId]):
    mapper = Mapper(Purse, purses, limits=(LIMIT,))


class Overwritten(SqlRepository[Purse, PurseId]):
    mapper = Mapper(Purse, purses)


class Unguarded(SqlRepository[Purse, PurseId]):
    mapper = Mapper(Purse, purses, limits=(replace(LIMIT, floor=literal(-1000)),))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    await create_tables(database_url, messages, metadata)
    opened = database_at(database_url)
    await opened.open()
    yield opened
    await opened.close()


async def a_purse(database: Database, coins: int, credit: int | None = 0) -> PurseId:
    purse = Purse(id=PurseId(uuid4()), coins=coins, credit=credit)
    uow = SqlUnitOfWork(database)
    async with uow:
        SqlPurses(uow).add(purse)
        await uow.commit(None)
    return purse.id


async def found(database: Database, id: PurseId) -> Purse:
    return await SqlPurses(SqlUnitOfWork(database)).get(id)


async def moved(
    database: Database,
    by: int,
    *ids: PurseId,
    ready: asyncio.Barrier | None = None,
    kind: type[SqlRepository[Purse, PurseId]] = SqlPurses,
) -> bool:
    """Take from the first and give to the others, all having read the same. Returns whether it was stored."""
    uow = SqlUnitOfWork(database)
    async with uow:
        first, *others = [await kind(uow).get(id) for id in ids]
        first.coins -= by
        for other in others:
            other.coins += by
        if ready is not None:
            await ready.wait()
        try:
            await uow.commit(None)
        except Contention:
            return False
    return True


async def at_once(
    database: Database,
    many: int,
    by: int,
    id: PurseId,
    kind: type[SqlRepository[Purse, PurseId]] = SqlPurses,
) -> int:
    """How many of so many takers, who have all seen the same purse, got it."""
    ready = asyncio.Barrier(many)
    takers = (moved(database, by, id, ready=ready, kind=kind) for _ in range(many))
    return sum(await asyncio.gather(*takers))


async def test_whoever_finds_enough_left_is_in_nobodys_way(database: Database) -> None:
    id = await a_purse(database, 100)
    assert await at_once(database, 8, 10, id) == 8
    purse = await found(database, id)
    assert (purse.coins, purse.version) == (20, 9)


async def test_no_more_is_taken_than_there_is(database: Database) -> None:
    id = await a_purse(database, 35)
    assert await at_once(database, 8, 10, id) == 3
    assert (await found(database, id)).coins == 5


async def test_credit_is_left_to_take_and_none_is_no_limit(database: Database) -> None:
    some = await a_purse(database, 0, credit=25)
    assert await at_once(database, 4, 10, some) == 2
    unlimited = await a_purse(database, 0, credit=None)
    assert await at_once(database, 4, 10, unlimited) == 4


async def test_overwritten_counters_let_only_one_through(database: Database) -> None:
    """The sabotage of the first test: with what it then is, and the version to guard it."""
    assert await at_once(database, 8, 10, await a_purse(database, 100), Overwritten) == 1


async def test_without_the_guard_more_is_taken_than_there_is(database: Database) -> None:
    """The sabotage of the second test."""
    id = await a_purse(database, 35)
    assert await at_once(database, 8, 10, id, Unguarded) == 8
    assert (await found(database, id)).coins == -45


async def test_what_is_promised_counts_and_what_changes_hands_does_not(database: Database) -> None:
    id = await a_purse(database, 10)
    for coins, promised in ((0, 10), (-10, -10)):
        uow = SqlUnitOfWork(database)
        async with uow:
            purse = await SqlPurses(uow).get(id)
            purse.coins += coins
            purse.promised += promised
            await uow.commit(None)
    purse = await found(database, id)
    assert (purse.coins, purse.promised, purse.version) == (0, 0, 3)


async def test_beside_another_change_the_version_guards(database: Database) -> None:
    id = await a_purse(database, 100)
    uow = SqlUnitOfWork(database)
    async with uow:
        purse = await SqlPurses(uow).get(id)
        assert await moved(database, 10, id)
        purse.label, purse.coins = "b", purse.coins - 10
        with pytest.raises(Contention):
            await uow.commit(None)
    assert (await found(database, id)).coins == 90


async def test_a_group_adds_up_what_goes_to_one_row(database: Database) -> None:
    """Some take and some give: all are stored, by few statements, and the books agree."""
    till = await a_purse(database, 1000)
    others = [await a_purse(database, 100) for _ in range(16)]
    group, ready, before = Grouping(database), asyncio.Barrier(32), database.round_trips
    token = writer.set(group.write)
    pays = [moved(database, 10, other, till, ready=ready) for other in others]
    gets = [moved(database, 5, till, other, ready=ready) for other in others]
    assert all(await asyncio.gather(*pays, *gets))
    writer.reset(token)
    assert database.round_trips - before < 64 + 16
    purses = [await found(database, id) for id in (till, *others)]
    assert [purse.coins for purse in purses] == [1000 + 80] + [95] * 16


async def test_a_group_that_takes_too_much_is_tried_one_by_one(database: Database) -> None:
    id = await a_purse(database, 35)
    token = writer.set(Grouping(database).write)
    assert await at_once(database, 8, 10, id) == 3
    writer.reset(token)
    assert (await found(database, id)).coins == 5


async def test_crossing_hands_never_wait_for_each_other(database: Database) -> None:
    one, other = await a_purse(database, 1000), await a_purse(database, 1000)
    ready = asyncio.Barrier(20)
    there = [moved(database, 1, one, other, ready=ready) for _ in range(10)]
    back = [moved(database, 2, other, one, ready=ready) for _ in range(10)]
    assert all(await asyncio.gather(*there, *back))
    assert [(await found(database, id)).coins for id in (one, other)] == [1010, 990]


def test_what_a_counter_was_cannot_be_audited() -> None:
    with pytest.raises(TypeError, match="coins"):
        Mapper(Purse, purses, limits=(LIMIT,), audited=("coins",))
