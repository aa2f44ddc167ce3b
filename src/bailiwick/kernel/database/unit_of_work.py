"""The unit of work: reads as they come, then one commit that stores everything or nothing."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from datetime import timedelta
from types import TracebackType
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar, cast
from uuid import UUID

from sqlalchemy import Index, PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy.sql.expression import ClauseElement

from bailiwick.kernel.application import Contention, Stale
from bailiwick.kernel.audit.trail import Change, audit_row
from bailiwick.kernel.database.connections import Database, Duplicate, Row
from bailiwick.kernel.database.mapper import Mapper
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.domain import Aggregate, DomainError, NotFound
from bailiwick.kernel.failpoints import reached
from bailiwick.kernel.jobs import Job, Priority
from bailiwick.kernel.messaging.outbox import enqueued, stored_event
from bailiwick.kernel.messaging.runs import begun
from bailiwick.kernel.messaging.tables import processes, unique_process, unique_work, work
from bailiwick.kernel.processes import AlreadyStarted, Process

A = TypeVar("A", bound=Aggregate)
Id = TypeVar("Id", bound=UUID)
R = TypeVar("R")
Result = TypeVar("Result")
State = TypeVar("State")

Unique = Index | UniqueConstraint | PrimaryKeyConstraint


class Companion(Protocol):
    """Writes that must share the fate of a unit of work, such as the mark that a message was read.

    `table` is where they go: where that refuses it as a duplicate, the work was done before and
    `AlreadyDone` is raised instead of storing it again.
    """

    table: Table

    def writes(self, result: object) -> list[Write]: ...

    def stored(self) -> None:
        """Told once the commit that it joined has succeeded. A second commit is a mistake to refuse."""
        ...


class AlreadyDone(Exception):
    """The work that a companion marks was committed before. Nothing was stored this time."""


companions: ContextVar[tuple[Companion, ...]] = ContextVar("companions", default=())
"""Joins every commit made in this context: set by whoever runs a handler, never by a handler."""

writer: ContextVar[Callable[..., Awaitable[None]] | None] = ContextVar("writer", default=None)
"""Takes the place of `Database.write` for the commits of this context, to store several at once."""


class SqlUnitOfWork:
    """One transaction over the repositories that a subclass offers.

    `refusals` turns a unique index, a constraint or a primary key into the refusal that it stands for.
    """

    refusals: ClassVar[Mapping[Unique, Callable[[], DomainError]]] = {}

    def __init__(self, database: Database) -> None:
        self.database = database
        self._tracked: dict[tuple[str, UUID], tuple[Mapper[Any], Aggregate, Any]] = {}
        self._statements: list[Write] = []
        self._jobs: list[Write] = []
        self._open = False

    async def __aenter__(self) -> Self:
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._open = False

    def _repository(self, kind: type[R]) -> R:
        return kind(self)  # type: ignore[call-arg]  # every SqlRepository takes its unit of work

    def track(self, mapper: Mapper[Any], key: UUID, aggregate: Aggregate, loaded: Any) -> None:
        self._tracked[mapper.table.name, key] = (mapper, aggregate, loaded)

    def tracked(self, mapper: Mapper[Any], key: UUID) -> Aggregate | None:
        """The aggregate, where this unit of work has it already: there is only one of each."""
        known = self._tracked.get((mapper.table.name, key))
        return known[1] if known else None

    def execute(self, statement: ClauseElement, **params: Any) -> None:
        self._statements.append(Write(statement, params))

    def enqueue(
        self,
        job: Job,
        *,
        delay: timedelta = timedelta(0),
        key: str | None = None,
        unique: str | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> UUID:
        """Have `job` run after the commit, as `UnitOfWork.enqueue` says. Returns its id."""
        id, write = enqueued(job, delay=delay, key=key, unique=unique, priority=priority)
        self._jobs.append(write)
        return id

    def start(self, process: Process[State, Any], state: State, *, key: str) -> UUID:
        """Have `process` run after the commit, as `UnitOfWork.start` says. Returns its id."""
        id, writes = begun(process, state, key)
        self._jobs += writes
        return id

    async def commit(self, result: Result) -> Result:
        """Store every change at once, with the events, and hand `result` back. Once per block.

        Raises Contention, AlreadyDone, or the refusal that a unique index stands for.
        """
        if not self._open:
            raise RuntimeError("commit belongs inside the block, and once")
        self._open = False
        changes, removals, rest = self._changes()
        recorded = self._recorded()
        joined = companions.get()
        follow = [*recorded, *self._jobs, *(write for each in joined for write in each.writes(result))]
        phases = [*_apart(self._statements), removals, rest + follow]
        if any(phases):
            phases[-1].append(audit_row(changes))
            await self._write(phases, joined)
            self._wake(recorded)
        for companion in joined:
            companion.stored()
        return result

    def _changes(self) -> tuple[list[Change], list[Write], list[Write]]:
        """What was done to which aggregate, and the writes of it: removals, and the rest."""
        changes = [_in_bulk(write) for write in self._statements]
        removals, rest = [], []
        # In one order whoever asks, so that two units of work never wait for each other's rows.
        for (_, key), (mapper, aggregate, loaded) in sorted(self._tracked.items(), key=_by_key):
            found = mapper.writes(aggregate, loaded)
            if found.writes:
                removals += found.removals
                rest += found.writes
                aggregate.version += 1
                kind = mapper.kind.__name__.lower()
                changes.append(
                    Change(kind, key, aggregate.version, found.fields, found.values, found.subject)
                )
        return changes, removals, rest

    def _recorded(self) -> list[Write]:
        readers = self.database.readers
        return [
            write
            for _, aggregate, _ in self._tracked.values()
            for position, event in enumerate(aggregate.pull_events())
            for write in stored_event(aggregate, event, position, readers)
        ]

    async def _write(self, phases: Sequence[Sequence[Write]], joined: tuple[Companion, ...]) -> None:
        write = writer.get() or self.database.write
        try:
            reached("unit_of_work.before_write")
            await write(*phases)
            reached("unit_of_work.after_write")
        except Duplicate as duplicate:
            raise self._refusal(duplicate, joined) from duplicate

    def _wake(self, recorded: Sequence[Write]) -> None:
        if self._jobs or any("queue" in write.params for write in recorded):
            self.database.work_added.set()
        if any(write.params.get("audience") for write in recorded):
            self.database.event_added.set()

    def _refusal(self, duplicate: Duplicate, joined: tuple[Companion, ...]) -> Exception:
        if any(companion.table.name in duplicate.constraint for companion in joined):
            return AlreadyDone()
        if duplicate.constraint in (unique_work.name, f"{work.name}.unique_key"):
            return Contention("somebody else has just enqueued the same job")
        if duplicate.constraint in (unique_process.name, f"{processes.name}.name, {processes.name}.key"):
            return AlreadyStarted("this has been started before")
        for constraint, refusal in self.refusals.items():
            assert isinstance(constraint.table, Table)
            columns = ", ".join(f"{constraint.table.name}.{column.name}" for column in constraint.columns)
            if duplicate.constraint in (constraint.name, columns, f"index '{constraint.name}'"):
                return refusal()
        return duplicate


def _by_key(tracked: tuple[tuple[str, UUID], object]) -> tuple[str, UUID]:
    return tracked[0]


def _in_bulk(write: Write) -> Change:
    statement: Any = write.statement
    return Change(f"{statement.table.name} ({statement.__visit_name__})", None, None, (), {})


def _apart(writes: Iterable[Write]) -> list[list[Write]]:
    """Phases in which no table is written twice: what two writes of one phase do to one row is undefined."""
    phases: list[list[Write]] = []
    tables: set[Any] = set()
    for write in writes:
        table = getattr(write.statement, "table", None)
        if not phases or table in tables:
            phases.append([])
            tables = set()
        phases[-1].append(write)
        tables.add(table)
    return phases


class SqlRepository(Generic[A, Id]):
    """Aggregates of one kind in their tables. Subclasses name the mapper and add finders."""

    mapper: ClassVar[Mapper[Any]]

    def __init__(self, unit: SqlUnitOfWork) -> None:
        self._unit = unit

    def add(self, aggregate: A) -> None:
        self._unit.track(self.mapper, getattr(aggregate, "id"), aggregate, None)  # noqa: B009  # all have one

    async def get(self, id: Id, *, version: int | None = None) -> A:
        return self._expected(await self._first(self.mapper.by_id, id=id), version)

    def _expected(self, aggregate: A | None, version: int | None) -> A:
        """What was found, at the version that the caller has seen. Raises NotFound or Stale."""
        if aggregate is None:
            raise NotFound(f"no such {self.mapper.kind.__name__.lower()}")
        if version is not None and aggregate.version != version:
            raise Stale("it has changed since you read it; read it again", version=aggregate.version)
        return aggregate

    async def _first(self, statement: ClauseElement, **params: Any) -> A | None:
        row = await self._unit.database.first(statement, **params)
        return None if row is None else await self._load(row)

    async def _all(self, statement: ClauseElement, **params: Any) -> list[A]:
        return [await self._load(row) for row in await self._unit.database.all(statement, **params)]

    def _execute(self, statement: ClauseElement, **params: Any) -> None:
        """A set-based write that joins the commit, before the aggregates that were changed."""
        self._unit.execute(statement, **params)

    async def _load(self, row: Row) -> A:
        mapper: Mapper[A] = self.mapper
        key = row[mapper.id_at]
        if (known := self._unit.tracked(mapper, key)) is not None:
            return cast(A, known)
        rows = [await self._unit.database.all(c.of_parent, parent=key) for c in mapper.children]
        aggregate = mapper.load(row, *rows)
        self._unit.track(mapper, key, aggregate, mapper.stored(row, *rows))
        return aggregate
