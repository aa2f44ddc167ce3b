"""A context with nothing but a fact and what follows from it, to measure what the kernel costs."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Column, Integer, Table
from sqlalchemy.schema import CreateTable
from uuid_utils.compat import uuid7

from bailiwick.kernel.database import migrations
from bailiwick.kernel.database.columns import Id, context_metadata
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.mapper import Mapper
from bailiwick.kernel.database.postgresql import PostgresDatabase
from bailiwick.kernel.database.statements import POSTGRESQL
from bailiwick.kernel.database.unit_of_work import SqlRepository, SqlUnitOfWork
from bailiwick.kernel.domain import Aggregate, Event
from bailiwick.kernel.jobs import Job
from bailiwick.kernel.messaging.handlers import Subscription, readers_of
from bailiwick.kernel.testing import execute

AT_ONCE = 16


@dataclass(frozen=True, kw_only=True)
class ParcelSent(Event):
    parcel_id: UUID


@dataclass(eq=False, kw_only=True)
class Parcel(Aggregate):
    id: UUID
    stops: int = 0


@dataclass(frozen=True)
class Weigh(Job):
    """Does nothing, durably."""

    parcel: int


parcels = Table(
    "bench_parcel",
    context_metadata(),
    Column("id", Id, primary_key=True),
    Column("stops", Integer, nullable=False),
    Column("version", Integer, nullable=False),
)


class Parcels(SqlRepository[Parcel, UUID]):
    mapper = Mapper(Parcel, parcels)


class ParcelsUnitOfWork(SqlUnitOfWork):
    @property
    def parcels(self) -> Parcels:
        return self._repository(Parcels)


def subscription(database: Database) -> Subscription:
    """A subscriber that stores one row for each event."""

    async def on_parcel_sent(event: ParcelSent) -> None:
        async with ParcelsUnitOfWork(database) as uow:
            uow.parcels.add(Parcel(id=uuid7()))
            await uow.commit(None)

    found = Subscription("bench.on_parcel_sent", ParcelSent, on_parcel_sent)
    database.readers = readers_of([found])
    return found


async def opened(url: str) -> PostgresDatabase:
    """The database at this URL, with the tables it needs."""
    await migrations.upgrade_async(url, [])
    await asyncio.to_thread(execute, url, f"{CreateTable(parcels).compile(dialect=POSTGRESQL)}")
    database = PostgresDatabase(url)
    await database.open()
    return database


async def send(database: Database) -> None:
    """One command: a parcel, and the event that it was sent."""
    parcel = Parcel(id=uuid7())
    parcel._record(ParcelSent(occurred_at=datetime.now(UTC), parcel_id=parcel.id))
    async with ParcelsUnitOfWork(database) as uow:
        uow.parcels.add(parcel)
        await uow.commit(None)


async def send_many(database: Database, count: int) -> None:
    left = iter(range(count))

    async def some() -> None:
        for _ in left:
            await send(database)

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


async def enqueue_many(database: Database, count: int, each: int = 100) -> None:
    for start in range(0, count, each):
        async with ParcelsUnitOfWork(database) as uow:
            for number in range(start, min(count, start + each)):
                uow.enqueue(Weigh(number))
            await uow.commit(None)


async def send_at(url: str, rate: int, seconds: int) -> None:
    """Send at fixed times, whatever becomes of what was sent before: a slow answer hides no wait."""
    database = PostgresDatabase(url)
    await database.open()
    subscription(database)
    loop, under_way = asyncio.get_running_loop(), set()
    started = loop.time()
    for number in range(rate * seconds):
        await asyncio.sleep(max(0.0, started + number / rate - loop.time()))
        task = asyncio.ensure_future(send(database))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)
    await database.close()
