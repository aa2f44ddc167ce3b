"""However many want the last ones: exactly as many are sold as there are, and nobody waits for a deadlock."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import literal

from bailiwick.catalog.contract import StockMove
from bailiwick.catalog.domain.reservation import ReservationOver, ReservationStatus
from bailiwick.catalog.domain.stock import OutOfStock, Stock
from bailiwick.catalog.infrastructure.tables import stocks
from bailiwick.catalog.infrastructure.unit_of_work import NEVER_OVERSOLD, SqlCatalogUnitOfWork, SqlStocks
from bailiwick.kernel.database.mapper import Mapper
from bailiwick.kernel.database.unit_of_work import writer
from bailiwick.kernel.messaging.grouping import Grouping
from tests.catalog.test_stock import at
from tests.catalog.warehouses import BOWL, CUP, House, open_house

THERE, WANTED, ROUNDS = 50, 500, 50


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with open_house(database_url) as opened:
        yield opened


async def tried(house: House, **lines: int) -> str:
    """How it ended: the name of the refusal, or "reserved"."""
    try:
        await house.reserve(uuid4(), **lines)
    except OutOfStock as refused:
        return type(refused).__name__
    return "reserved"


async def test_exactly_as_many_are_reserved_as_there_are(house: House) -> None:
    await house.receive(CUP, THERE)
    ended = Counter(await asyncio.gather(*(tried(house, CUP=1) for _ in range(WANTED))))
    assert ended == {"reserved": THERE, "OutOfStock": WANTED - THERE}
    assert await house.figures() == {CUP: (THERE, THERE)}
    assert await house.differences() == []


async def test_not_one_too_many_is_reserved_where_they_do_not_come_out_even(house: House) -> None:
    await house.receive(CUP, THERE)
    ended = Counter(await asyncio.gather(*(tried(house, CUP=3) for _ in range(60))))
    assert ended["reserved"] == THERE // 3
    assert await house.figures() == {CUP: (THERE, THERE - THERE % 3)}
    assert await house.differences() == []


async def test_a_worker_that_stores_several_at_once_does_not_oversell(house: House) -> None:
    await house.receive(CUP, THERE)
    group = Grouping(house.database)

    async def in_a_worker() -> str:
        writer.set(group.write)
        return await tried(house, CUP=1)

    ended = Counter(await asyncio.gather(*(asyncio.create_task(in_a_worker()) for _ in range(100))))
    assert ended == {"reserved": THERE, "OutOfStock": 100 - THERE}
    assert await house.figures() == {CUP: (THERE, THERE)}


async def test_lines_in_crossing_order_never_wait_for_each_other(house: House) -> None:
    await house.receive(CUP, 1000)
    await house.receive(BOWL, 1000)
    crossing = [{"CUP": 1, "BOWL": 2} if i % 2 else {"BOWL": 2, "CUP": 1} for i in range(100)]
    ended = await asyncio.gather(*(tried(house, **lines) for lines in crossing))
    assert set(ended) == {"reserved"}
    assert await house.figures() == {CUP: (1000, 100), BOWL: (1000, 200)}
    assert await house.differences() == []


async def ended_by(house: House, key: UUID, move: StockMove) -> bool:
    """Whether it was this that ended the reservation."""
    if move is StockMove.COMMIT:
        try:
            await house.commit(key)
        except ReservationOver:
            return False
        return True
    await house.expire(key)
    return await house.status(key) is ReservationStatus.EXPIRED


async def test_of_a_commit_and_the_end_of_its_time_exactly_one_wins(house: House) -> None:
    """The two stand at clocks that differ: for the commit there is time left, for the job there is none."""
    await house.receive(CUP, 4 * ROUNDS)
    late = replace(house)
    late.later(60)
    wins = Counter[bool]()
    for turn in range(ROUNDS):
        key = uuid4()
        await house.reserve(key, seconds=60, CUP=4)
        both = [ended_by(house, key, StockMove.COMMIT), ended_by(late, key, StockMove.RELEASE)]
        committed, expired = (
            await asyncio.gather(*both) if turn % 2 else reversed_pair(await asyncio.gather(*reversed(both)))
        )
        assert committed is not expired
        wins[committed] += 1
    assert await house.figures() == {CUP: (4 * (ROUNDS - wins[True]), 0)}
    assert await house.differences() == []


async def test_of_a_release_and_the_end_of_its_time_exactly_one_frees_the_goods(house: House) -> None:
    await house.receive(CUP, 4)
    late = replace(house)
    late.later(60)
    for _ in range(ROUNDS):
        await house.reserve(key := uuid4(), seconds=60, CUP=4)
        await asyncio.gather(house.release(key), late.expire(key))
        assert await house.figures() == {CUP: (4, 0)}
    assert await house.differences() == []


def reversed_pair(pair: list[bool]) -> tuple[bool, bool]:
    second, first = pair
    return first, second


class UnguardedStocks(SqlStocks):
    """Planted: what was seen when it was read is believed at the end, and nothing else guards it."""

    mapper = Mapper(Stock, stocks, limits=(replace(NEVER_OVERSOLD, floor=literal(-(10**6))),))


class UnguardedUnitOfWork(SqlCatalogUnitOfWork):
    @property
    def stocks(self) -> UnguardedStocks:
        return self._repository(UnguardedStocks)


async def test_checking_first_and_storing_then_would_oversell(postgresql_url: str) -> None:
    async with open_house(postgresql_url) as house:
        house.uow = UnguardedUnitOfWork
        await house.receive(CUP, THERE)
        await at(postgresql_url, "ALTER TABLE catalog_stock DROP CONSTRAINT ck_catalog_stock_never_oversold")
        ended = Counter(await asyncio.gather(*(tried(house, CUP=1) for _ in range(WANTED))))
        assert ended["reserved"] > THERE


async def test_without_the_guard_the_database_still_refuses_to_oversell(house: House) -> None:
    house.uow = UnguardedUnitOfWork
    await house.receive(CUP, THERE)
    ended = await asyncio.gather(*(tried(house, CUP=1) for _ in range(WANTED)), return_exceptions=True)
    assert sum(each == "reserved" for each in ended) == THERE
    assert await house.figures() == {CUP: (THERE, THERE)}
