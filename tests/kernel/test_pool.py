"""The pool of connections: never more than its size, first come first served, and nothing is ever lost."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from bailiwick.kernel.application import Unavailable
from bailiwick.kernel.database.pool import Pool
from tests.kernel.samples import create_tables, database_at


class Line:
    """A connection to nowhere."""

    def __init__(self) -> None:
        self.closed = False
        self.fails = False

    def is_closed(self) -> bool:
        return self.closed

    def terminate(self) -> None:
        self.closed = True

    async def close(self, timeout: float) -> None:  # noqa: ASYNC109 - the driver's own
        self.closed = True
        if self.fails:
            raise TimeoutError


class Exchange:
    """Opens lines, slowly if asked to, or not at all."""

    def __init__(self, size: int, timeout: float = 5.0) -> None:
        self.lines: list[Line] = []
        self.broken = False
        self.pool = Pool(self.connect, size, timeout)

    async def connect(self) -> Line:
        await asyncio.sleep(0)
        if self.broken:
            raise OSError("no line")
        self.lines.append(Line())
        return self.lines[-1]

    @property
    def open(self) -> int:
        return sum(not line.closed for line in self.lines)


async def test_no_more_than_its_size_is_ever_open_or_lent() -> None:
    """Whoever is cancelled, refused or fails on the way: in the end every place is free again."""
    exchange, lent, most = Exchange(3), 0, 0

    async def borrower() -> None:
        nonlocal lent, most
        connection = await exchange.pool.borrow()
        lent += 1
        most = max(most, lent)
        try:
            await asyncio.sleep(random.choice([0, 0.0005]))
        finally:
            lent -= 1
            exchange.pool.give_back(connection, sound=random.random() < 0.8)

    for _ in range(40):
        tasks = [asyncio.ensure_future(borrower()) for _ in range(12)]
        for task in random.sample(tasks, 5):
            await asyncio.sleep(random.choice([0, 0, 0.0003]))
            task.cancel()
        exchange.broken = random.random() < 0.2
        await asyncio.gather(*tasks, return_exceptions=True)
        exchange.broken = False
    assert most == 3
    assert (exchange.pool.busy, exchange.pool.waiting) == (0, 0)
    assert exchange.open == exchange.pool.open <= 3


async def test_who_came_first_is_served_first() -> None:
    exchange, served = Exchange(1), list[int]()

    async def borrower(number: int) -> None:
        connection = await exchange.pool.borrow()
        served.append(number)
        await asyncio.sleep(0)
        exchange.pool.give_back(connection, sound=True)

    await asyncio.gather(*(borrower(number) for number in range(20)))
    assert served == list(range(20))
    assert len(exchange.lines) == 1


async def test_waiting_has_an_end_and_leaves_nothing_behind() -> None:
    exchange = Exchange(1, timeout=0.01)
    connection = await exchange.pool.borrow()
    with pytest.raises(Unavailable, match="busy"):
        await exchange.pool.borrow()
    exchange.pool.give_back(connection, sound=True)
    assert await exchange.pool.borrow() is connection
    assert exchange.pool.busy == 1


async def test_a_line_that_cannot_be_had_does_not_keep_its_place() -> None:
    exchange = Exchange(1)
    exchange.broken = True
    for _ in range(3):
        with pytest.raises(OSError, match="no line"):
            await exchange.pool.borrow()
    exchange.broken = False
    assert await exchange.pool.borrow()


async def test_a_closed_or_unsound_line_is_never_lent_again() -> None:
    exchange = Exchange(2)
    first = await exchange.pool.borrow()
    exchange.pool.give_back(first, sound=False)
    second = await exchange.pool.borrow()
    exchange.pool.give_back(second, sound=True)
    second.closed = True
    third = await exchange.pool.borrow()
    assert (first.closed, third in (first, second)) == (True, False)


async def test_a_line_that_comes_back_after_the_end_is_closed() -> None:
    exchange = Exchange(size=2)
    early, late = [await exchange.pool.borrow() for _ in range(2)]
    exchange.pool.give_back(early, sound=True)
    exchange.pool.close()
    assert exchange.open == 1
    exchange.pool.give_back(late, sound=True)
    assert exchange.open == 0


async def test_what_nobody_needed_is_closed_and_the_rest_kept() -> None:
    exchange = Exchange(4)
    burst = [await exchange.pool.borrow() for _ in range(4)]
    for connection in burst:
        exchange.pool.give_back(connection, sound=True)
    await exchange.pool.prune()
    exchange.pool.give_back(await exchange.pool.borrow(), sound=True)
    exchange.lines[0].fails = True
    await exchange.pool.prune()
    assert exchange.open == exchange.pool.open == 1
    await exchange.pool.prune()
    assert exchange.open == 0


async def test_a_connecting_that_is_cut_off_leaves_no_session_on_the_server(postgresql_url: str) -> None:
    await create_tables(postgresql_url)
    database: Any = database_at(postgresql_url, pool_size=2)
    watcher = await asyncpg.connect(postgresql_url)
    sessions = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'bailiwick'"
    )
    for i in range(40):
        task = asyncio.ensure_future(database.pool.borrow())
        await asyncio.sleep(0.0004 * i)
        if task.done():
            database.pool.give_back(task.result(), sound=False)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await settled(lambda: watcher.fetchval(sessions), 0)
    assert database.pool.busy == 0
    await watcher.close()


async def settled(read: Callable[[], Any], wanted: object) -> None:
    """Wait until it is so: the server takes a moment to notice."""
    async with asyncio.timeout(5):
        while await read() != wanted:  # noqa: ASYNC110 - the server's progress
            await asyncio.sleep(0.01)
