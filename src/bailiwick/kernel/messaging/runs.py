"""A run of a process: where it stands, what it decides next, and the row that it is stored in."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, Generic, Self, TypeVar
from uuid import UUID, uuid5

from pydantic import TypeAdapter
from uuid_utils.compat import uuid7

from bailiwick.kernel.database.mapper import Mapper
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.domain import Aggregate, DomainError, Event
from bailiwick.kernel.jobs import Job
from bailiwick.kernel.messaging.handlers import NewerSchema, decoder
from bailiwick.kernel.messaging.outbox import enqueued, event_type
from bailiwick.kernel.messaging.tables import processes
from bailiwick.kernel.processes import GAVE_UP, TIMED_OUT, Ended, On, Process, Step

S = TypeVar("S")

LONGEST_PAUSE = 30.0
LONGEST_REASON = 500
LONGEST_KEY = 200


class Status(StrEnum):
    RUNNING = "running"
    WAITING = "waiting"
    COMPENSATING = "compensating"
    COMPLETED = "completed"
    COMPENSATED = "compensated"
    STUCK = "stuck"


OVER = (Status.COMPLETED, Status.COMPENSATED)


@dataclass(frozen=True)
class Moment:
    """One line of the history: what came of a step, or of the whole where there is no step."""

    at: datetime
    step: str | None
    what: str
    detail: str = ""


@dataclass(frozen=True)
class Plan(Generic[S]):
    """A process with what it takes to read and write its state and its events. Made once for each."""

    process: Process[S, Any]
    state: TypeAdapter[S]
    kinds: Mapping[str, type[Event]]
    decode: Mapping[str, Callable[[dict[str, Any], int], Event]]

    @classmethod
    def of(cls, process: Process[S, Any]) -> "Plan[S]":
        return _plan(process)

    def step(self, name: str | None) -> Step[S, Any]:
        """Raises NewerSchema for one that only other code knows."""
        for step in self.process.steps:
            if step.name == name:
                return step
        raise NewerSchema(f"{self.process.name} has no step {name} here")

    def after(self, name: str | None) -> Step[S, Any] | None:
        steps = self.process.steps
        at = 0 if name is None else steps.index(self.step(name)) + 1
        return steps[at] if at < len(steps) else None

    def dump(self, state: S) -> dict[str, Any]:
        plain: dict[str, Any] = self.state.dump_python(state, mode="json")
        return plain

    def awaited(self, step: Step[S, Any], type: str) -> On[Any, S] | None:
        return next((on for on in step.waits_for if event_type(on.kind) == type), None)


@lru_cache(maxsize=1000)
def _plan(process: Process[Any, Any]) -> Plan[Any]:
    kinds = {event_type(on.kind): on.kind for step in process.steps for on in step.waits_for}
    decode = {name: decoder(kind) for name, kind in kinds.items()}
    return Plan(process, TypeAdapter(process.state), kinds, decode)


@dataclass(frozen=True)
class Hearing:
    """An event as it is stored while it waits for the process, or the process for it."""

    type: str
    schema: int
    payload: dict[str, Any]


@dataclass(eq=False, kw_only=True)
class Run(Aggregate):
    """One process on its way.

    `step` is what it does or waits for; None once nothing but its end is left. `done` are the steps with
    something to take back. `refusal` is set as soon as it is being taken back. The whole is given up at
    `expires_at`, the step at `deadline`.
    """

    id: UUID
    name: str
    key: str
    status: Status
    step: str | None
    state: dict[str, Any]
    done: tuple[str, ...] = ()
    heard: tuple[Hearing, ...] = ()
    refusal: str | None = None
    reason: str | None = None
    attempts: int = 0
    last_error: str | None = None
    started_at: datetime
    changed_at: datetime
    expires_at: datetime
    deadline: datetime
    ended_at: datetime | None = None
    history: tuple[Moment, ...] = ()

    @classmethod
    def start(cls, plan: Plan[S], state: S, key: str, now: datetime) -> Self:
        ends = now + plan.process.within
        run = cls(
            id=uuid7(),
            name=plan.process.name,
            key=key,
            status=Status.RUNNING,
            step=None,
            state=plan.dump(state),
            started_at=now,
            changed_at=now,
            expires_at=ends,
            deadline=ends,
        )
        run._enter(plan, None, now)
        return run

    def key_of(self, step: str) -> UUID:
        """The same for each repetition of the step, and for taking it back."""
        return uuid5(self.id, step)

    def loaded_state(self, plan: Plan[S]) -> S:
        return plan.state.validate_python(self.state)

    def ended(self, plan: Plan[S]) -> Ended[S]:
        return Ended(self.loaded_state(plan), self.refusal, self.reason or "")

    def is_late(self, now: datetime) -> bool:
        """Only what goes on can be too late: not what is being taken back, nor what has only to end."""
        return self.step is not None and self.refusal is None and now >= self.deadline

    def did(self, plan: Plan[S], state: object, now: datetime) -> None:
        """The `do` of the step succeeded. What is no state, such as None, leaves the state as it is."""
        step = plan.step(self.step)
        self._keep(plan, state)
        self._note(now, "done")
        if step.undo is not None:
            self.done += (step.name,)
        self._wait(plan, step, now)

    def hear(self, plan: Plan[S], heard: Hearing, now: datetime) -> bool:
        """Keep an event for the step that waits for it. Returns whether the process goes on by it."""
        if self.status not in (Status.RUNNING, Status.WAITING) or self.step is None:
            return False
        steps = plan.process.steps
        rest = steps[steps.index(plan.step(self.step)) :]
        if heard in self.heard or not any(plan.awaited(step, heard.type) for step in rest):
            return False
        self.heard += (heard,)
        before = (self.status, self.step)
        if self.status is Status.WAITING:
            self._wait(plan, plan.step(self.step), now)
        return (self.status, self.step) != before

    def time_out(self, plan: Plan[S], now: datetime) -> None:
        """The step took too long. Whether its `do` had an effect is not known, so it is taken back, too."""
        step = plan.step(self.step)
        self._doubt(step)
        self._take_back(now, TIMED_OUT, f"{step.name.replace('_', ' ')} took too long")

    def refuse(self, plan: Plan[S], refusal: DomainError, now: datetime) -> None:
        """The business said no. A try before this one, whose answer was lost, may still arrive, though."""
        if self.attempts:
            self._doubt(plan.step(self.step))
        self._take_back(now, refusal.code, refusal.detail)

    def fail(self, plan: Plan[S], reason: str, last: bool, now: datetime) -> None:
        """It is to be tried again, or was tried for the last time."""
        self.attempts += 1
        self.last_error = reason[:LONGEST_REASON]
        self.changed_at = now
        if not last and self.attempts < plan.process.most_attempts:
            return
        if self.status is Status.RUNNING and self.step is not None:
            step = plan.step(self.step)
            self._doubt(step)
            self._take_back(now, GAVE_UP, f"{step.name.replace('_', ' ')} could not be done")
        else:
            self._note(now, "stuck", reason)
            self.status, self.last_error = Status.STUCK, reason[:LONGEST_REASON]

    def undone(self, plan: Plan[S], state: object, now: datetime) -> None:
        self._keep(plan, state)
        self._note(now, "undone", step=self.done[-1])
        self.done = self.done[:-1]

    def end(self, now: datetime) -> None:
        self.status = Status.COMPLETED if self.refusal is None else Status.COMPENSATED
        self.ended_at = now
        self._note(now, self.status.value, self.reason or "")

    def resume(self, now: datetime) -> None:
        """An operator has what was stuck tried again."""
        self._note(now, "retried")
        self.status = Status.RUNNING if self.refusal is None else Status.COMPENSATING

    def _keep(self, plan: Plan[S], state: object) -> None:
        if isinstance(state, plan.process.state):
            self.state = plan.dump(state)

    def _note(self, now: datetime, what: str, detail: str = "", step: str | None = None) -> None:
        self.history += (Moment(now, step or self.step, what, detail[:LONGEST_REASON]),)
        self.attempts, self.last_error, self.changed_at = 0, None, now

    def _enter(self, plan: Plan[S], after: str | None, now: datetime) -> None:
        step = plan.after(after)
        self.status, self.step = Status.RUNNING, None if step is None else step.name
        if step is None:
            return
        within = step.within or plan.process.within
        self.deadline = min(now + within, self.expires_at)
        if step.do is None:
            self._wait(plan, step, now)

    def _wait(self, plan: Plan[S], step: Step[S, Any], now: datetime) -> None:
        """Wait for one of the events of the step, or take one that is there, or go on if there are none."""
        if not step.waits_for:
            self._enter(plan, step.name, now)
            return
        self.status = Status.WAITING
        for heard in self.heard:
            if (on := plan.awaited(step, heard.type)) is not None:
                self.heard = tuple(each for each in self.heard if each is not heard)
                self._take(plan, on, heard, now)
                return

    def _take(self, plan: Plan[S], on: On[Any, S], heard: Hearing, now: datetime) -> None:
        event = plan.decode[heard.type](heard.payload, heard.schema)
        self._note(now, "heard", heard.type)
        try:
            if on.take is not None:
                self._keep(plan, on.take(self.loaded_state(plan), event))
        except DomainError as refusal:
            self.refuse(plan, refusal, now)
        else:
            self._enter(plan, self.step, now)

    def _doubt(self, step: Step[S, Any]) -> None:
        if step.undo is not None and not step.commits and step.name not in self.done:
            self.done += (step.name,)

    def _take_back(self, now: datetime, refusal: str, reason: str) -> None:
        self.status, self.refusal, self.reason = Status.COMPENSATING, refusal, reason[:LONGEST_REASON]
        self._note(now, "timed_out" if refusal == TIMED_OUT else "refused", f"{refusal}: {reason}")


RUNS: Mapper[Run] = Mapper(Run, processes, audited=("status", "step", "refusal"))


@dataclass(frozen=True)
class Advance(Job):
    """Make the next move of a process, whatever it is."""

    id: UUID


@dataclass(frozen=True)
class Expire(Job):
    """End the wait of a step for its event."""

    id: UUID
    step: str


@dataclass(frozen=True)
class Hear(Job):
    """Tell a process of an event."""

    key: str
    heard: Hearing


def begun(process: Process[S, Any], state: S, key: str) -> tuple[UUID, list[Write]]:
    """A new run, and what stores it and has it make its first move. Raises ValueError for a bad key."""
    if not 0 < len(key) <= LONGEST_KEY:
        raise ValueError(f"the key of a process has 1 to {LONGEST_KEY} characters")
    now = datetime.now(UTC)
    run = Run.start(Plan.of(process), state, key, now)
    return run.id, [*RUNS.writes(run, None).writes, *follow(run, now)]


def told(process: str, key: str, heard: Hearing) -> Write:
    """Work of the process with this key: one after the other with whatever else it does."""
    return _work(process, Hear(key, heard), key, datetime.now(UTC))


def follow(run: Run, now: datetime) -> list[Write]:
    """The work that brings it on from where it stands. Nothing where it ended, or is stuck."""
    if run.status in (Status.RUNNING, Status.COMPENSATING):
        return [_work(run.name, Advance(run.id), run.key, now + _pause(run, now))]
    if run.status is Status.WAITING and run.step is not None:
        # Without the key, so that the events that it waits for do not wait for the deadline.
        return [_work(run.name, Expire(run.id, run.step), None, run.deadline)]
    return []


def _pause(run: Run, now: datetime) -> timedelta:
    if not run.attempts:
        return timedelta(0)
    pause = timedelta(seconds=min(LONGEST_PAUSE, 2.0 ** min(run.attempts, 20)) * random.uniform(0.8, 1.2))
    if run.status is Status.RUNNING and run.step is not None:
        return max(timedelta(0), min(pause, run.deadline - now))
    return pause


def _work(process: str, job: Job, key: str | None, at: datetime) -> Write:
    _, write = enqueued(job, key=key)
    name = f"{process}.{type(job).__name__.lower()}"
    return replace(write, params={**write.params, "queue": process, "name": name, "available_at": at})
