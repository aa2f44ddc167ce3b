"""The errands: an async one with an effect, a plain one, one that fails, and one that takes its time."""

import asyncio
import os
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import uuid4

from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.jobs import GiveUp, Job, report
from tests.kernel.samples import SampleUnitOfWork, Shelf, ShelfId

QUEUE = "errands"


@dataclass(frozen=True)
class Copy(Job):
    """Its effect can be counted: each run would leave a shelf of its own."""

    number: int
    seconds: float = 0.0

    queue: ClassVar[str] = QUEUE


@dataclass(frozen=True)
class Double(Job):
    number: int

    queue: ClassVar[str] = QUEUE


@dataclass(frozen=True)
class Refuse(Job):
    why: str

    queue: ClassVar[str] = QUEUE


@dataclass(frozen=True)
class Tell(Job):
    """Says that it is half done, and takes so long."""

    seconds: float

    queue: ClassVar[str] = QUEUE


async def copy(command: Copy, database: Database) -> dict[str, Any]:
    async with SampleUnitOfWork(database) as uow:
        uow.shelves.add(Shelf(id=ShelfId(uuid4()), name=f"copy {command.number} {uuid4().hex}"))
        await asyncio.sleep(command.seconds)
        return await uow.commit({"number": command.number, "process": os.getpid()})


def double(command: Double) -> int:
    return command.number * 2


async def refuse(command: Refuse) -> None:
    raise GiveUp(command.why)


async def tell(command: Tell) -> None:
    await report(0.5, "half")
    await asyncio.sleep(command.seconds)
