"""A worker that is told to stop while it claims gives back what it has claimed."""

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Any

from sqlalchemy import select
from sqlalchemy.sql.expression import ClauseElement

from bailiwick.kernel.database.connections import Row
from bailiwick.kernel.database.postgresql import PostgresDatabase
from bailiwick.kernel.messaging.tables import work
from tests.kernel.messages import Watch, copying, publish, subscribed
from tests.kernel.samples import create_tables

STANDING = select(work.c.leased_by, work.c.attempts)


class SlowToAnswer(PostgresDatabase):
    """Does what it is asked at once, and takes a while to say so."""

    async def all(self, statement: ClauseElement, /, **params: Any) -> list[Row]:
        rows = await super().all(statement, **params)
        await asyncio.sleep(0.1)
        return rows


async def test_what_is_claimed_while_the_order_to_stop_comes_is_given_back(postgresql_url: str) -> None:
    await create_tables(postgresql_url)
    database, calls = SlowToAnswer(f"{postgresql_url}?sslmode=disable"), Counter[str]()
    await database.open()
    worker = subscribed(database, Watch(), reader=copying(database, calls))
    await publish(database)
    running = asyncio.ensure_future(worker.run())
    while not (await database.first(STANDING) or (None, 0))[1]:  # noqa: ASYNC110  # the claim is stored
        await asyncio.sleep(0.001)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert await database.first(STANDING) == (None, 0)
    assert not calls
    await database.close()
