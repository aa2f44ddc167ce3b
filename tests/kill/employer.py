"""Whoever gives the labour: commits events, jobs and errands, and remembers what is to follow from each."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.messaging.tables import work
from tests.kernel.samples import database_at
from tests.kill.labour.deeds import Chore, LabourUnitOfWork, Source, SourceId, Turn
from tests.kill.labour.errand import Errand, errands

AHEAD = 400
"""So much may wait: who gives faster than others work measures only how much waits."""
READERS = {
    "labour.Happened": ["labour.first", "labour.second"],
    "labour.Paid": ["labour.errand.Paid"],
}
FATES = ("good", "good", "refused", "silent", "failing", "stuck")

_WAITING = select(func.count()).select_from(work)


class Employer:
    """`promised` has who is to do what, by witness; `fates` the errands that were started."""

    def __init__(self, database: Database, seed: int = 0) -> None:
        self.promised: Counter[tuple[str, str]] = Counter()
        self.fates: dict[str, str] = {}
        self.database = database
        self._chance = random.Random(seed)
        self._process = errands(timedelta(minutes=1))
        database.readers = READERS

    async def give_until(self, stopped: asyncio.Event, *, errands: bool = False) -> None:
        """Some at once, each one after the other, never too far ahead of what is done."""

        async def give() -> None:
            while not stopped.is_set():
                await self.history(self._chance.randint(1, 6))
                if errands and self._chance.random() < 0.3:
                    await self.errand(self._chance.choice(FATES))
                while await self._waiting() > AHEAD and not stopped.is_set():  # noqa: ASYNC110  # others work
                    await asyncio.sleep(0.05)

        await asyncio.gather(*(give() for _ in range(4)))

    async def history(self, versions: int) -> None:
        """A source that tells something again and again, with some jobs each time."""
        id = SourceId(uuid7())
        for version in range(versions):
            async with LabourUnitOfWork(self.database) as uow:
                source = Source(id=id) if version == 0 else await uow.sources.get(id)
                if version == 0:
                    uow.sources.add(source)
                told = source.tell(self._chance.randint(1, 3))
                chores = [uuid4().hex for _ in range(self._chance.randint(0, 2))]
                for witness in chores:
                    uow.enqueue(Chore(witness))
                turn = f"{id}/{version}"
                uow.enqueue(Turn(turn, id, version), key=str(id))
                await uow.commit(None)
            self.promised.update((reader, witness) for witness in told for reader in ("first", "second"))
            self.promised.update(("chore", witness) for witness in chores)
            self.promised["turn", turn] += 1

    async def chores(self, count: int, seconds: float) -> list[str]:
        """Jobs that take so long. Returns their witnesses."""
        async with LabourUnitOfWork(self.database) as uow:
            witnesses = [uuid4().hex for _ in range(count)]
            for witness in witnesses:
                uow.enqueue(Chore(witness, seconds))
            await uow.commit(None)
        self.promised.update(("chore", witness) for witness in witnesses)
        return witnesses

    async def errand(self, fate: str) -> None:
        """Somebody pays with the start or after it, unless nobody does."""
        witness = uuid4().hex
        early = self._chance.random() < 0.5
        payer = Source(id=SourceId(uuid7()))
        async with LabourUnitOfWork(self.database) as uow:
            uow.start(self._process, Errand(witness, fate), key=witness)
            if early and fate != "silent":
                payer.pay(witness)
            uow.sources.add(payer)
            await uow.commit(None)
        self.fates[witness] = fate
        if not early and fate != "silent":
            await asyncio.sleep(self._chance.uniform(0, 0.2))
            async with LabourUnitOfWork(self.database) as uow:
                (await uow.sources.get(payer.id)).pay(witness)
                await uow.commit(None)

    async def _waiting(self) -> int:
        row: Any = await self.database.first(_WAITING)
        return int(row[0])


@asynccontextmanager
async def employer(url: str, seed: int = 0) -> AsyncIterator[Employer]:
    database = database_at(url, pool_size=20)
    await database.open()
    try:
        yield Employer(database, seed)
    finally:
        await database.close()
