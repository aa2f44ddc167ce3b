"""Messages and jobs for operators to act upon, in a queue that no worker handles."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from uuid_utils.compat import uuid7

from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.database.unit_of_work import SqlUnitOfWork
from bailiwick.kernel.messaging.processes import RunsUnitOfWork
from bailiwick.kernel.messaging.runs import Status
from bailiwick.kernel.messaging.tables import finished, readers, work
from bailiwick.kernel.processes import Process, Step

QUEUE = "policy"
WAITING, GIVEN_UP, REGISTERED, STUCK = "waiting", "given up", "registered", "stuck"

_WAITING, _GIVEN_UP, _READER = insert(work), insert(finished), insert(readers)


def nobodys() -> Mapping[str, UUID]:
    return {"messages": uuid7(), "jobs": uuid7(), "processes": uuid7()}


async def left(database: Database, about: str) -> Mapping[str, UUID]:
    """The ids of a message and a job in the state that a line of the table is about, if it is about one."""
    ids = nobodys()
    if about in (STUCK, WAITING):
        ids = {**ids, "processes": await _process(database, about)}
    if about not in (WAITING, GIVEN_UP):
        return ids
    rows = [_row(ids["messages"], event_id=uuid7()), _row(ids["jobs"], event_id=None)]
    await database.write([_write(row, about) for row in rows])
    return ids


@dataclass(frozen=True)
class Decision:
    """Nothing to remember."""


async def _decide(state: Decision, ports: None, key: UUID) -> None: ...


DECIDING: Process[Decision, None] = Process(
    f"{QUEUE}.deciding", Decision, (Step("decide", _decide),), within=timedelta(days=1)
)


async def _process(database: Database, about: str) -> UUID:
    """The id of a new process, which nobody works on."""
    async with SqlUnitOfWork(database) as uow:
        id = await uow.commit(uow.start(DECIDING, Decision(), key=uuid7().hex))
    if about == STUCK:
        async with RunsUnitOfWork(database) as uow:
            (await uow.runs.get(id)).status = Status.STUCK
            await uow.commit(None)
    return id


def _row(id: UUID, **values: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    of_it = {"id": id, "queue": QUEUE, "name": "policy.reader", "priority": 1, "key": None, "sequence": 0}
    of_it |= {"schema": 1, "payload": {}, "actor_id": None, "correlation_id": "policy"}
    return of_it | {"enqueued_at": now, "attempts": 0} | values


def _write(row: dict[str, Any], about: str) -> Write:
    now = datetime.now(UTC)
    if about == GIVEN_UP:
        return Write(
            _GIVEN_UP, row | {"outcome": "dead", "error": "OSError", "result": None, "finished_at": now}
        )
    kept = {"available_at": now, "leased_by": None, "leased_until": None, "unique_key": None}
    return Write(_WAITING, row | kept | {"cancelled": False, "progress": None, "last_error": None})


async def reader(database: Database, about: str) -> str:
    """The name of a subscriber; registered if the line of the table is about one that is."""
    name = f"policy.reader_{uuid7().hex}"
    if about == REGISTERED:
        row = {"type": "policy.Decided", "reader": name, "seen_at": datetime.now(UTC)}
        await database.write([Write(_READER, row)])
    return name
