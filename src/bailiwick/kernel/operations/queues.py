"""Queues at a glance: what waits in each, what is given up, who reads it and who stopped it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, func, select

from bailiwick.kernel.messaging.outbox import job_name, queue_of
from bailiwick.kernel.messaging.queue import GIVEN_UP, HANDED_OVER
from bailiwick.kernel.messaging.tables import pauses, readers, schedules, work
from bailiwick.kernel.operations.console import Console

SEEN_WITHIN = timedelta(seconds=90)
"""A reader that no worker has reported for so long is not handled by any."""


@dataclass
class PauseView:
    """Who stopped a queue, when, and why."""

    at: datetime
    by: str
    reason: str


@dataclass
class ReaderView:
    """A subscriber that gets work for each event of a type. `handled` is False where no worker that knows
    it has been seen for 90 seconds."""

    reader: str
    type: str
    seen_at: datetime
    handled: bool


@dataclass
class QueueView:
    """How much of a queue waits, runs, failed and waits again, and was given up. `oldest_due_at` is since
    when the longest due has been due. `places` is how many one worker runs at once, as far as known here."""

    queue: str
    waiting: int
    running: int
    retrying: int
    dead: int
    oldest_due_at: datetime | None
    places: int
    paused: PauseView | None
    readers: list[ReaderView]


@dataclass
class ScheduleView:
    """A job by the clock. What only another process knows has no `cron`, `job` and `next_due_at` here."""

    name: str
    cron: str | None
    time_zone: str | None
    job: str | None
    last_due_at: datetime | None
    next_due_at: datetime | None


_running = work.c.leased_by.is_not(None) & (work.c.leased_by != HANDED_OVER)
_retrying = ~_running & work.c.last_error.is_not(None)
_COUNTS = select(
    work.c.queue,
    func.count(),
    func.sum(case((_running, 1), else_=0)),
    func.sum(case((_retrying, 1), else_=0)),
    func.min(case((~_running, work.c.available_at))),
).group_by(work.c.queue)
_PAUSES = select(pauses.c.queue, pauses.c.paused_at, pauses.c.paused_by, pauses.c.reason)
_READERS = select(readers.c.reader, readers.c.type, readers.c.seen_at).order_by(
    readers.c.reader, readers.c.type
)
_SCHEDULES = select(schedules.c.name, schedules.c.last_due_at)


async def queues(console: Console) -> list[QueueView]:
    """All that have work, a reader, a handler here, or a pause, by name."""
    database, now = console.database, console.clock()
    counts = {queue: rest for queue, *rest in await database.all(_COUNTS)}
    dead: Mapping[str, int] = dict(await database.all(GIVEN_UP))
    paused = {queue: PauseView(*rest) for queue, *rest in await database.all(_PAUSES)}
    reading = await all_readers(console)
    read = {queue_of(each.reader) for each in reading}
    known = {each.queue for each in console.handlers}
    found = []
    for queue in sorted(counts.keys() | dead.keys() | paused.keys() | read | known):
        total, running, retrying, oldest = counts.get(queue, (0, 0, 0, None))
        view = QueueView(
            queue=queue,
            waiting=total - running - retrying,
            running=running,
            retrying=retrying,
            dead=dead.get(queue, 0),
            oldest_due_at=oldest if oldest and oldest <= now else None,
            places=console.places(queue),
            paused=paused.get(queue),
            readers=[each for each in reading if queue_of(each.reader) == queue],
        )
        found.append(view)
    return found


async def all_readers(console: Console) -> list[ReaderView]:
    long_ago = console.clock() - SEEN_WITHIN
    rows = await console.database.all(_READERS)
    return [ReaderView(reader, type, seen_at, seen_at >= long_ago) for reader, type, seen_at in rows]


async def all_schedules(console: Console) -> list[ScheduleView]:
    """Those of this process, and those that another one has left its mark of."""
    now = console.clock()
    last: Mapping[str, datetime] = dict(await console.database.all(_SCHEDULES))
    here = {each.name: each for each in console.schedules}
    found = []
    for name in sorted(here.keys() | last.keys()):
        if (each := here.get(name)) is None:
            found.append(ScheduleView(name, None, None, None, last[name], None))
        else:
            job, due = job_name(type(each.job)), each.after(now)
            found.append(ScheduleView(name, each.cron, each.time_zone, job, last.get(name), due))
    return found
