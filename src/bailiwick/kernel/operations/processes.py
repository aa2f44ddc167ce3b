"""Process managers for operators: which there are, what each has done, and having a stuck one tried again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select

from bailiwick.kernel.application import Actor, Page
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.listing import Filter, ListRequest, columns_of
from bailiwick.kernel.domain import Conflict
from bailiwick.kernel.http.routing import Router
from bailiwick.kernel.messaging.processes import RunsUnitOfWork
from bailiwick.kernel.messaging.runs import OVER, Status
from bailiwick.kernel.messaging.tables import processes, work
from bailiwick.kernel.operations.console import MANAGE, READ, Console
from bailiwick.kernel.operations.lists import Stream, id_by, named_by_digits
from bailiwick.kernel.specification import Relation

router = Router("operations", prefix="/api/v1/operations")


class ProcessStateForbids(Conflict):
    """A process goes on by itself or has ended, so there is nothing to try again; `status` says which."""


@dataclass
class ProcessView:
    """A process. `step` is what it does or waits for, until `deadline`; `refusal` and `reason` say why it is
    taken back; `attempts` and `last_error` are those of the step that fails now."""

    id: UUID
    name: str
    key: str
    status: Status
    step: str | None
    refusal: str | None
    reason: str | None
    attempts: int
    last_error: str | None
    started_at: datetime
    changed_at: datetime
    deadline: datetime
    ended_at: datetime | None


@dataclass
class MomentView:
    """What came of a step, or of the whole: done, heard, refused, timed_out, undone, stuck, retried, or how
    it ended."""

    at: datetime
    step: str | None
    what: str
    detail: str


@dataclass
class WholeProcessView(ProcessView):
    """The same with its state, which may be personal, the steps that can be taken back, and its history."""

    state: dict[str, Any]
    done: list[str]
    expires_at: datetime
    history: list[MomentView]


PROCESSES = Stream(
    ProcessView,
    select(*columns_of(ProcessView, processes)),
    processes.c.id,
    filters={
        "status": Filter(processes.c.status, Status),
        "name": Filter(processes.c.name, str),
        "key": Filter(processes.c.key, str),
        "step": Filter(processes.c.step, str),
        "refusal": Filter(processes.c.refusal, str),
        "before": Filter(processes.c.started_at, datetime, Relation.BEFORE),
        "after": Filter(processes.c.started_at, datetime, Relation.AFTER),
    },
)
_PENDING = select(work.c.id).where(
    work.c.queue == bindparam("queue"), work.c.key == bindparam("key", type_=work.c.key.type)
)


_NAMED = named_by_digits(processes.c.id)


async def process_id_from(database: Database, text: str) -> UUID:
    """From a part of the id, as `id_by` says."""
    return await id_by(database, _NAMED, "process", text)


async def one_process(database: Database, id: UUID) -> WholeProcessView:
    """Raises NotFound."""
    async with RunsUnitOfWork(database) as uow:
        run = await uow.runs.get(id)
    return WholeProcessView(
        id=run.id,
        name=run.name,
        key=run.key,
        status=run.status,
        step=run.step,
        refusal=run.refusal,
        reason=run.reason,
        attempts=run.attempts,
        last_error=run.last_error,
        started_at=run.started_at,
        changed_at=run.changed_at,
        deadline=run.deadline,
        ended_at=run.ended_at,
        state=run.state,
        done=list(run.done),
        expires_at=run.expires_at,
        history=[MomentView(each.at, each.step, each.what, each.detail) for each in run.history],
    )


async def retry(console: Console, id: UUID) -> None:
    """Have what is stuck tried again, or one go on whose work was cancelled. Raises ProcessStateForbids."""
    database, now = console.database, console.clock()
    async with RunsUnitOfWork(database) as uow:
        run = await uow.runs.get(id)
        if run.status in OVER:
            raise ProcessStateForbids(f"it is {run.status} already", status=run.status)
        if run.status is Status.STUCK:
            run.resume(now)
        elif await database.first(_PENDING, queue=run.name, key=run.key) is not None:
            raise ProcessStateForbids(f"it is {run.status} and goes on by itself", status=run.status)
        uow.go_on(run, now)
        await uow.commit(None)


@router.get("/processes", listing=PROCESSES)
async def list_processes(asked: ListRequest, actor: Actor, database: Database) -> Page[ProcessView]:
    """Every process that runs, waits, is stuck or ended not long ago, the newest first."""
    actor.require(READ)
    return await PROCESSES.page(database, asked)


@router.get("/processes/{id}")
async def show_process(id: UUID, actor: Actor, database: Database) -> WholeProcessView:
    """One of them with its state, which may be personal, and what it has done so far."""
    actor.require(READ)
    return await one_process(database, id)


@router.post("/processes/{id}/retry", idempotent=True)
async def retry_process(id: UUID, actor: Actor, console: Console) -> None:
    """Try again what is stuck, or have one go on whose work was cancelled."""
    actor.require(MANAGE)
    await retry(console, id)
