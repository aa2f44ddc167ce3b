"""Proves that a process ends well whatever happens: it is refused, timed out, failed and killed everywhere.

`prove` runs a process on a real database, once in each of the bad days that its steps allow, and each of
these days again and again, killed at every point that it passes: before and after each commit, before and
after each step, and where another context does its part. Every time it must end as on the same day without
a kill, with each effect exactly once or taken back.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import Dialect, func, select
from sqlalchemy.sql.expression import ClauseElement
from uuid_utils.compat import uuid7

from bailiwick.kernel.application import Unavailable
from bailiwick.kernel.database.connections import Database, Row
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.database.unit_of_work import SqlUnitOfWork
from bailiwick.kernel.domain import Aggregate, Conflict, Event
from bailiwick.kernel.messaging.handlers import delivery, readers_of
from bailiwick.kernel.messaging.outbox import stored_event
from bailiwick.kernel.messaging.processes import Conductor, ProcessHandler, RunsUnitOfWork
from bailiwick.kernel.messaging.queue import LEASE
from bailiwick.kernel.messaging.runs import OVER, Run, Status
from bailiwick.kernel.messaging.tables import work
from bailiwick.kernel.messaging.worker import Worker
from bailiwick.kernel.operations.console import Console
from bailiwick.kernel.operations.processes import retry
from bailiwick.kernel.processes import Process, Step

S = TypeVar("S")
P = TypeVar("P")

MOST_ROUNDS = 500
MOST_SECONDS = 30.0
FEW_ATTEMPTS = 3

_NEXT = select(func.min(func.coalesce(work.c.leased_until, work.c.available_at)))
_LEFT = select(func.count()).select_from(work)


class Killed(asyncio.CancelledError):
    """The process of the operating system ended here, as by `kill -9`."""


class Clock:
    """Real time, and as much more as it was told to leap."""

    def __init__(self) -> None:
        self._ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def leap_to(self, time: datetime) -> None:
        self._ahead += max(timedelta(0), time - self())


class Fate:
    """Kills at the `at`th point, counted from 1. Nothing of the dead goes on until it is revived."""

    def __init__(self, at: int | None = None) -> None:
        self.points, self.died, self._at = 0, asyncio.Event(), at

    def point(self) -> None:
        self.check()
        self.points += 1
        if self.points == self._at:
            self.died.set()
            self.check()

    def check(self) -> None:
        if self.died.is_set():
            raise Killed

    def revive(self) -> None:
        self.died.clear()


class MortalDatabase:
    """A database as a process sees it that may be killed before and after each of its commits."""

    def __init__(self, database: Database, fate: Fate) -> None:
        self._database, self._fate = database, fate
        self.readers: Mapping[str, Sequence[str]] = {}
        self.work_added, self.event_added = asyncio.Event(), asyncio.Event()
        self.dialect: Dialect = database.dialect
        self.statements = self.round_trips = 0

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def all(self, statement: ClauseElement, /, **params: Any) -> list[Row]:
        self._fate.check()
        return await self._database.all(statement, **params)

    async def first(self, statement: ClauseElement, /, **params: Any) -> Row | None:
        self._fate.check()
        return await self._database.first(statement, **params)

    async def write(self, *phases: Sequence[Write]) -> None:
        self._fate.point()
        await self._database.write(*phases)
        self._fate.point()


class Elsewhere:
    """Another context that keeps its promises: one effect for each key, and none once it was taken back.

    It goes on when the process is killed. It fails to take back `failures` times for each key.
    """

    def __init__(self, fate: Fate | None = None, failures: int = 0) -> None:
        self._fate, self._failures = fate or Fate(), failures
        self._done: dict[UUID, str] = {}
        self._over: set[UUID] = set()
        self._tries: Counter[UUID] = Counter()

    @property
    def standing(self) -> Mapping[str, int]:
        """How often each effect was made and not taken back."""
        return Counter(what for key, what in self._done.items() if key not in self._over)

    async def make(self, what: str, key: UUID) -> None:
        self._fate.point()
        if key not in self._over:
            self._done.setdefault(key, what)
        self._fate.point()

    async def take_back(self, key: UUID) -> None:
        self._fate.point()
        self._tries[key] += 1
        if self._tries[key] <= self._failures:
            raise Unavailable("elsewhere does not answer")
        self._over.add(key)
        self._fate.point()


async def _nothing_else() -> object:
    return None


@dataclass(frozen=True)
class Trial(Generic[S, P]):
    """A process to be tried, with what it starts from.

    `key` must be new for each trial. `events` are what it waits for. `observe` tells what came of it in the
    own context, as plain data that is equal whenever all is well.
    """

    process: Process[S, P]
    ports: P
    state: S
    key: str
    events: tuple[Event, ...] = ()
    observe: Callable[[], Awaitable[object]] = _nothing_else


@dataclass(frozen=True)
class Day:
    """What happens to a process besides being killed."""

    name: str
    ends: Status = Status.COMPLETED
    refused: str | None = None
    unanswered: str | None = None
    silent: bool = False
    early: bool = False
    failures: int = 0


@dataclass(frozen=True)
class Outcome:
    status: Status
    standing: Mapping[str, int]
    observed: object
    was_stuck: bool = field(compare=False)
    points: int = field(compare=False)


Make = Callable[[Database, Elsewhere], Awaitable[Trial[Any, Any]]]
"""Makes a new trial: its ports commit to this database, and ask this other context."""


async def prove(database: Database, make: Make) -> int:
    """Raises AssertionError for a process that does not end well. Returns how often it was killed."""
    calm = {}
    for day in _days((await make(database, Elsewhere())).process):
        outcome = calm[day] = await live(database, make, day)
        assert outcome.status is day.ends, f"{day.name}: it is {outcome.status}, not {day.ends}"
        assert outcome.was_stuck == (day.failures >= FEW_ATTEMPTS), f"{day.name}: nobody was told"
        if day.ends is Status.COMPENSATED:
            assert not outcome.standing, f"{day.name}: not taken back is {dict(outcome.standing)}"
    for day, outcome in calm.items():
        for point in range(1, outcome.points + 1):
            struck = await live(database, make, day, point)
            assert struck == outcome, f"{day.name}, killed at point {point}: {struck}, not {outcome}"
    return sum(outcome.points for outcome in calm.values())


async def live(database: Database, make: Make, day: Day, kill_at: int | None = None) -> Outcome:
    """One day of one process. Raises AssertionError where nothing brings it to an end."""
    fate = Fate(kill_at)
    mortal, elsewhere = MortalDatabase(database, fate), Elsewhere(fate, day.failures)
    trial = await make(mortal, elsewhere)
    life = _Life(database, mortal, fate, trial, day)
    status = await life.until_over()
    observed = await trial.observe()
    return Outcome(status, elsewhere.standing, observed, life.was_stuck, fate.points)


def _days(process: Process[Any, Any]) -> Iterator[Day]:
    acting = [step for step in process.steps if step.do is not None]
    waits = any(step.waits_for for step in process.steps)
    yield Day("a good day")
    for step in acting:
        yield Day(f"{step.name} refused", Status.COMPENSATED, refused=step.name)
        yield Day(f"{step.name} unanswered", Status.COMPENSATED, unanswered=step.name)
    if waits:
        yield Day("early events, each twice", early=True)
        yield Day("no events", Status.COMPENSATED, silent=True)
    bad = Day("", Status.COMPENSATED, refused=acting[-1].name)
    if len([step for step in acting[:-1] if step.undo is not None]):
        yield replace(bad, name="failing to take back", failures=FEW_ATTEMPTS - 1)
        yield replace(bad, name="stuck", failures=FEW_ATTEMPTS)


async def killed(worker: Worker, fate: Fate) -> bool:
    """Have it do all that is due, or until it is killed. Raises AssertionError for a worker that fails."""
    working = asyncio.ensure_future(worker.until_idle())
    dying = asyncio.ensure_future(fate.died.wait())
    await asyncio.wait([working, dying], timeout=MOST_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    tasks = [working, dying, *(task for _, task in worker.running.values())]
    for task in tasks:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    if not fate.died.is_set() and isinstance(ends[0], BaseException):
        raise AssertionError("a worker failed, or did not come to an end") from ends[0]
    return fate.died.is_set()


class _Life:
    """The workers of a process, one after the other, each until it is killed."""

    def __init__(
        self, database: Database, mortal: MortalDatabase, fate: Fate, trial: Trial[Any, Any], day: Day
    ) -> None:
        self.was_stuck = False
        self._database, self._mortal, self._fate, self._trial, self._day = database, mortal, fate, trial, day
        self._clock, self._told = Clock(), False
        self._process = _planned(trial.process, day)
        conductor = Conductor(ProcessHandler(self._process, trial.ports), mortal, self._clock)
        self._listening = conductor.subscriptions()
        self._handlers = [*map(delivery, self._listening), *conductor.handlers()]
        self._id: UUID

    async def until_over(self) -> Status:
        async with SqlUnitOfWork(self._database) as uow:
            self._id = uow.start(self._process, self._trial.state, key=self._trial.key)
            await uow.commit(None)
        if self._day.early:
            await self._publish(2)
        for _ in range(MOST_ROUNDS):
            await self._work()
            run = await self._run()
            if run.status in OVER and not await self._left():
                return run.status
            await self._intervene(run)
        raise AssertionError(f"{self._day.name}: it does not end")

    async def _intervene(self, run: Run) -> None:
        """What others do when the process itself can do nothing now: operators, the world, and time."""
        if run.status is Status.STUCK:
            self.was_stuck = True
            await retry(Console(self._database, self._clock), run.id)
        elif run.status is Status.WAITING and not self._told and not self._day.silent:
            await self._publish(1)
        else:
            row = await self._database.first(_NEXT)
            assert row is not None, "a minimum"
            assert row[0] is not None, f"{self._day.name}: it is {run.status}, and nothing will move it"
            self._clock.leap_to(row[0] + timedelta(milliseconds=1))

    async def _run(self) -> Run:
        async with RunsUnitOfWork(self._database) as uow:
            return await uow.runs.get(self._id)

    async def _left(self) -> int:
        row = await self._database.first(_LEFT)
        return int(row[0]) if row else 0

    async def _publish(self, times: int) -> None:
        self._told = True
        readers = readers_of(self._listening)
        for event in self._trial.events * times:
            source = _Source(id=uuid7(), version=1)
            await self._database.write(stored_event(source, event, 0, readers))

    async def _work(self) -> None:
        if await killed(Worker(self._mortal, self._handlers, self._clock), self._fate):
            self._fate.revive()
            self._clock.leap_to(self._clock() + LEASE)


@dataclass(eq=False, kw_only=True)
class _Source(Aggregate):
    """Whoever in another context an event is about."""

    id: UUID


def _planned(process: Process[S, P], day: Day) -> Process[S, P]:
    steps = tuple(_step(step, day) for step in process.steps)
    return replace(process, steps=steps, most_attempts=FEW_ATTEMPTS)


def _step(step: Step[S, P], day: Day) -> Step[S, P]:
    do = step.do
    if do is None:
        return step
    if step.name == day.refused:
        return replace(step, do=_refuse)
    if step.name == day.unanswered:

        async def unanswered(state: S, ports: P, key: UUID) -> S | None:
            if not step.commits:
                await do(state, ports, key)
            raise Unavailable("the answer was lost")

        return replace(step, do=unanswered)
    return step


async def _refuse(state: object, ports: object, key: UUID) -> None:
    raise Conflict("not today")
