"""Jobs: commands that run later, in a worker, once their transaction has committed."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import ClassVar


class Priority(IntEnum):
    """Within a queue, all that is due of a lower number runs first."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


@dataclass(frozen=True)
class Job:
    """A command to be run later. Subclasses are frozen dataclasses of plain data.

    `queue` is what operators pause; at most `at_once` jobs of a queue run in one worker. A job that fails
    is tried `most_attempts` times. `time_limit` ends a run that takes longer.

    With `one_commit` (the default) the job's commit and its end are one transaction: it has exactly one
    effect. A long job that commits in steps sets it to False: then a step may be repeated after a crash,
    but two workers never write for the same job at once.
    """

    queue: ClassVar[str] = "default"
    at_once: ClassVar[int] = 16
    most_attempts: ClassVar[int] = 12
    time_limit: ClassVar[timedelta] = timedelta(minutes=15)
    one_commit: ClassVar[bool] = True


class GiveUp(Exception):
    """Raised by a job or a subscriber for which trying again is pointless. The text is kept as the reason."""


Report = Callable[[float, str], Awaitable[None]]

reporting: ContextVar[Report | None] = ContextVar("reporting", default=None)
"""Where `report` goes. Set by the worker that runs a job."""


async def report(done: float, note: str = "") -> None:
    """Say how far the running job has got: `done` from 0 to 1. Outside a job it does nothing."""
    tell = reporting.get()
    if tell is not None:
        await tell(done, note)
