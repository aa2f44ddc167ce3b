"""Process managers at work: each move of a process is one job, and one transaction with what it decides.

Where a step asks others, its `do` runs first and what came of it is stored then: a crash in between has it
run again with the same key. Where a step commits aggregates of its own context, its commit carries the
progress of the process with it, so nothing of it is repeated.
"""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import structlog
from pydantic import TypeAdapter
from sqlalchemy import Table, bindparam, select

from bailiwick.kernel.application import Clock, Contention, TooMany
from bailiwick.kernel.contention import uncontended
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.database.unit_of_work import (
    AlreadyDone,
    SqlRepository,
    SqlUnitOfWork,
    companions,
)
from bailiwick.kernel.domain import DomainError, Event
from bailiwick.kernel.failpoints import reached
from bailiwick.kernel.jobs import GiveUp, Job
from bailiwick.kernel.messaging.handlers import Handler, NewerSchema, Subscription, reason_of
from bailiwick.kernel.messaging.outbox import event_type
from bailiwick.kernel.messaging.runs import (
    RUNS,
    Advance,
    Expire,
    Hear,
    Hearing,
    Plan,
    Run,
    Status,
    follow,
    told,
)
from bailiwick.kernel.messaging.tables import processes, work
from bailiwick.kernel.processes import On, Process

log = structlog.get_logger("processes")

J = TypeVar("J", bound=Job)

AT_ONCE = 32
CALL_SECONDS = 60.0
SPARE_SECONDS = 30.0
FOR_EVER = 1_000_000_000
"""Moves are never given up by the queue: the process itself counts its attempts and decides."""

_ADVANCE, _EXPIRE, _HEAR = TypeAdapter(Advance), TypeAdapter(Expire), TypeAdapter(Hear)
_BY_KEY = select(processes).where(processes.c.name == bindparam("name"), processes.c.key == bindparam("key"))


@dataclass(frozen=True, slots=True)
class ProcessHandler:
    """A process of this context, with the ports that its steps are given."""

    process: Process[Any, Any]
    ports: Any


class SqlRuns(SqlRepository[Run, UUID]):
    mapper = RUNS

    async def find(self, id: UUID) -> Run | None:
        return await self._first(RUNS.by_id, id=id)

    async def of(self, name: str, key: str) -> Run | None:
        return await self._first(_BY_KEY, name=name, key=key)


class RunsUnitOfWork(SqlUnitOfWork):
    """Holds no transaction while its block is open, so a step may take its time there."""

    @property
    def runs(self) -> SqlRuns:
        return self._repository(SqlRuns)

    def go_on(self, run: Run, now: datetime) -> None:
        self._jobs += follow(run, now)

    def tell(self, process: str, key: str, heard: Hearing) -> None:
        self._jobs.append(told(process, key, heard))


@dataclass(frozen=True, slots=True)
class Move:
    """What a process does next, and what it means for the process where that succeeds."""

    name: str
    act: Callable[[], Awaitable[object]]
    commits: bool
    succeed: Callable[[Run, object], None]


class Joined:
    """Stores the progress of a process in the commit of its own context that the step makes."""

    table: Table = work

    def __init__(self, database: Database, run: Run, move: Move, clock: Clock) -> None:
        self.done = False
        self._database, self._run, self._move, self._clock = database, run, move, clock
        self._loaded = RUNS.snapshot(run)

    def writes(self, result: object) -> list[Write]:
        run = copy.copy(self._run)  # where this commit is refused, nothing was done
        self._move.succeed(run, result)
        return [*RUNS.writes(run, self._loaded).writes, *follow(run, self._clock())]

    def stored(self) -> None:
        self.done = True
        self._database.work_added.set()


class Conductor:
    """Carries out one kind of process."""

    def __init__(self, handler: ProcessHandler, database: Database, clock: Clock) -> None:
        self._plan, self._ports = Plan.of(handler.process), handler.ports
        self._database, self._clock = database, clock

    def handlers(self) -> list[Handler]:
        """What a worker must know to bring the processes of this kind on."""
        return [
            self._handler(Advance, _ADVANCE, self.advance),
            self._handler(Expire, _EXPIRE, self.expire),
            self._handler(Hear, _HEAR, self.hear),
        ]

    def subscriptions(self) -> list[Subscription]:
        """One for each kind of event that some step waits for."""
        name, kinds = self._plan.process.name, self._plan.kinds
        return [Subscription(f"{name}.{kind.__name__}", kind, self._tell(kind)) for kind in kinds.values()]

    def _handler(
        self, kind: type[J], adapter: TypeAdapter[J], handle: Callable[[J], Awaitable[None]]
    ) -> Handler:
        name = self._plan.process.name
        return Handler(
            queue=name,
            name=f"{name}.{kind.__name__.lower()}",
            decode=lambda payload, schema: adapter.validate_python(payload),
            handle=handle,
            at_once=AT_ONCE,
            most_attempts=FOR_EVER,
            time_limit=CALL_SECONDS + SPARE_SECONDS,
            one_commit=True,
            is_job=False,
        )

    def _tell(self, kind: type[Event]) -> Callable[[Any], Awaitable[None]]:
        name, adapter = self._plan.process.name, TypeAdapter[Any](kind)
        waits: Sequence[On[Any, Any]] = [
            on for step in self._plan.process.steps for on in step.waits_for if on.kind is kind
        ]

        async def react(event: Event) -> None:
            heard = Hearing(event_type(kind), kind.schema, adapter.dump_python(event, mode="json"))
            keys = {key for on in waits if (key := on.key(event)) is not None}
            async with RunsUnitOfWork(self._database) as uow:
                for key in sorted(keys):
                    uow.tell(name, key, heard)
                await uow.commit(None)

        return react

    async def advance(self, job: Advance) -> None:
        async with RunsUnitOfWork(self._database) as uow:
            run = await uow.runs.find(job.id)
            if run is None or run.status not in (Status.RUNNING, Status.COMPENSATING):
                return
            if run.is_late(self._clock()):
                run.time_out(self._plan, self._clock())
            elif await self._make(self._next(run), run):
                return
            await self._store(uow, run)

    async def hear(self, job: Hear) -> None:
        async with RunsUnitOfWork(self._database) as uow:
            run = await uow.runs.of(self._plan.process.name, job.key)
            if run is None:
                return
            moved = run.hear(self._plan, job.heard, self._clock())
            await self._store(uow, run, go_on=moved)

    async def expire(self, job: Expire) -> None:
        async with RunsUnitOfWork(self._database) as uow:
            run = await uow.runs.find(job.id)
            if run is None or run.status is not Status.WAITING or run.step != job.step:
                return
            if run.is_late(self._clock()):
                run.time_out(self._plan, self._clock())
            await self._store(uow, run)

    async def _store(self, uow: RunsUnitOfWork, run: Run, *, go_on: bool = True) -> None:
        if go_on:
            uow.go_on(run, self._clock())
        await uow.commit(None)

    async def _make(self, move: Move, run: Run) -> bool:
        """Do, or take back, one step, or tell of the end. Returns whether that has stored everything."""
        joined = Joined(self._database, run, move, self._clock)
        # What others commit for us must not end this job: only the progress of the process does.
        before = companions.set((*companions.get(), joined) if move.commits else ())
        try:
            reached("process.before_step")
            async with asyncio.timeout(CALL_SECONDS):
                result = await (move.act() if move.commits else uncontended(move.act, again=5, pause=0.01))
            reached("process.after_step")
        except Exception as error:
            if move.commits and isinstance(error, Contention | AlreadyDone):
                raise  # about our own rows: the worker knows what to do
            self._failed(run, move, error, stored=joined.done)
        else:
            if not joined.done:
                move.succeed(run, result)
        finally:
            companions.reset(before)
        return joined.done

    def _next(self, run: Run) -> Move:
        forward, plan, clock = run.refusal is None, self._plan, self._clock
        name = run.step if forward else next(reversed(run.done), None)
        if name is None:
            return Move("end", partial(self._tell_end, run), True, lambda run, _: run.end(clock()))
        step = plan.step(name)
        act, succeed = (step.do, Run.did) if forward else (step.undo, Run.undone)
        if act is None:
            raise NewerSchema(f"{run.name} has nothing to do for its step {name} here")
        return Move(
            name,
            partial(act, run.loaded_state(plan), self._ports, run.key_of(name)),
            step.commits,
            lambda run, found: succeed(run, plan, found, clock()),
        )

    async def _tell_end(self, run: Run) -> None:
        if (tell := self._plan.process.on_end) is not None:
            await tell(run.ended(self._plan), self._ports)

    def _failed(self, run: Run, move: Move, error: Exception, *, stored: bool) -> None:
        reason, forward = reason_of(error), run.refusal is None and run.step is not None
        log.warning("process_step_failed", process=run.name, key=run.key, step=move.name, reason=reason)
        if stored:
            return
        if forward and isinstance(error, DomainError) and not isinstance(error, TooMany | Contention):
            run.refuse(self._plan, error, self._clock())
            return
        run.fail(self._plan, reason, isinstance(error, GiveUp), self._clock())
        if run.status is Status.STUCK:
            log.error("process_stuck", process=run.name, key=run.key, step=move.name, reason=reason)
