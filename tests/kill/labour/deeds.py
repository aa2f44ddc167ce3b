"""Events that tell something, jobs that are given, and the deeds that are to follow from each, once."""

import asyncio
import os
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, NewType
from uuid import UUID

from sqlalchemy import bindparam, func, insert, select
from uuid_utils.compat import uuid7

from bailiwick.kernel.application import Unavailable
from bailiwick.kernel.database.columns import Id
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.mapper import Mapper
from bailiwick.kernel.database.unit_of_work import SqlRepository, SqlUnitOfWork
from bailiwick.kernel.domain import Aggregate, Event
from bailiwick.kernel.jobs import Job, report
from tests.kill.labour.tables import deeds, sources

STARTS = "LABOUR_STARTS"
FLAKY = float(os.environ.get("LABOUR_FLAKY", "0"))
"""How many of the jobs fail, and are tried again."""
LONGEST_DEED = float(os.environ.get("LABOUR_SECONDS", "0.05"))

SourceId = NewType("SourceId", UUID)
DeedId = NewType("DeedId", UUID)


@dataclass(frozen=True, kw_only=True)
class Happened(Event):
    witness: str
    source_id: UUID
    number: int


@dataclass(frozen=True, kw_only=True)
class Paid(Event):
    witness: str


@dataclass(frozen=True)
class Chore(Job):
    """In no order."""

    witness: str
    seconds: float = 0.0

    queue: ClassVar[str] = "chores"


@dataclass(frozen=True)
class Turn(Job):
    """One after the other, of each series."""

    witness: str
    series: UUID
    number: int

    queue: ClassVar[str] = "turns"


@dataclass(frozen=True)
class Tick(Job):
    """By the clock, every second."""

    queue: ClassVar[str] = "ticks"


@dataclass(eq=False, kw_only=True)
class Source(Aggregate):
    id: SourceId
    told: int = 0

    def tell(self, times: int) -> list[str]:
        """Record so many events. Returns their witnesses."""
        witnesses = []
        for _ in range(times):
            witness = f"{self.id}/{self.told}"
            self._record(
                Happened(occurred_at=datetime.now(UTC), witness=witness, source_id=self.id, number=self.told)
            )
            self.told += 1
            witnesses.append(witness)
        return witnesses

    def pay(self, witness: str) -> None:
        self.told += 1
        self._record(Paid(occurred_at=datetime.now(UTC), witness=witness))


@dataclass(eq=False, kw_only=True)
class Deed(Aggregate):
    id: DeedId
    handler: str
    witness: str
    source_id: UUID | None
    number: int
    seen: int
    by: int
    at: datetime


class SqlSources(SqlRepository[Source, SourceId]):
    mapper = Mapper(Source, sources)


class SqlDeeds(SqlRepository[Deed, DeedId]):
    mapper = Mapper(Deed, deeds)


class LabourUnitOfWork(SqlUnitOfWork):
    @property
    def sources(self) -> SqlSources:
        return self._repository(SqlSources)

    @property
    def deeds(self) -> SqlDeeds:
        return self._repository(SqlDeeds)


_SEEN = (
    select(func.count())
    .select_from(deeds)
    .where(deeds.c.handler == bindparam("who"), deeds.c.source_id == bindparam("source", type_=Id))
)


class Labour:
    """The handlers. Each says when it starts, in a file, and leaves one deed behind."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def first(self, event: Happened) -> None:
        await self._hear("first", event)

    async def second(self, event: Happened) -> None:
        await self._hear("second", event)

    async def _hear(self, handler: str, event: Happened) -> None:
        deed = await self._started(handler, event.witness, event.source_id, event.number)
        await asyncio.sleep(random.uniform(0, LONGEST_DEED))
        async with LabourUnitOfWork(self._database) as uow:
            uow.deeds.add(deed)
            await uow.commit(None)

    async def chore(self, job: Chore) -> None:
        deed = await self._started("chore", job.witness)
        await report(0.5, "begun")
        await asyncio.sleep(job.seconds or random.uniform(0, LONGEST_DEED))
        await self._store(deed)

    async def turn(self, job: Turn) -> None:
        await self._store(await self._started("turn", job.witness, job.series, job.number))

    async def tick(self, job: Tick) -> None:
        await self._store(await self._started("tick", ""))

    async def _started(
        self, handler: str, witness: str, source_id: UUID | None = None, number: int = 0
    ) -> Deed:
        started(handler, witness)
        if handler in ("chore", "turn") and random.random() < FLAKY:
            raise Unavailable("not in the mood")
        row = await self._database.first(_SEEN, who=handler, source=source_id)
        assert row is not None, "a count"
        return deed(handler, witness, source_id, number, row[0])

    async def _store(self, deed: Deed) -> None:
        async with LabourUnitOfWork(self._database) as uow:
            uow.execute(insert(deeds), **row_of(deed))
            await uow.commit(None)


def deed(handler: str, witness: str, source_id: UUID | None = None, number: int = 0, seen: int = 0) -> Deed:
    return Deed(
        id=DeedId(uuid7()),
        handler=handler,
        witness=witness,
        source_id=source_id,
        number=number,
        seen=seen,
        by=os.getpid(),
        at=datetime.now(UTC),
        version=1,
    )


def row_of(deed: Deed) -> dict[str, Any]:
    """To be inserted past the mapper, which makes it no part of a group."""
    return {column.name: getattr(deed, column.name) for column in deeds.c}


def started(handler: str, witness: str) -> None:
    """One line in the file of starts: who began what, and when. It outlives us."""
    if path := os.environ.get(STARTS):
        with Path(path).open("ab", buffering=0) as file:
            file.write(f"{time.time()} {os.getpid()} {handler} {witness}\n".encode())
