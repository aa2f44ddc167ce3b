"""Schedules: jobs that are enqueued by the clock, once for each time that is due, whoever is awake."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim
from sqlalchemy import bindparam, insert, select, update

from bailiwick.kernel.application import Cause, Clock, Contention, Unavailable, cause
from bailiwick.kernel.database.connections import Database, Duplicate
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.failpoints import reached
from bailiwick.kernel.jobs import Job
from bailiwick.kernel.messaging.outbox import enqueued
from bailiwick.kernel.messaging.tables import schedules

LONGEST_SLEEP = 30.0

_LAST = select(schedules.c.last_due_at).where(schedules.c.name == bindparam("which"))
_BEGIN = insert(schedules)
_ADVANCE = (
    update(schedules)
    .where(schedules.c.name == bindparam("which"), schedules.c.last_due_at == bindparam("before"))
    .values(last_due_at=bindparam("due"))
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """`job` is enqueued whenever `cron` says so in `time_zone` (an IANA name).

    `name` is unique and never changes. Of several times that passed while nobody was awake, only the last
    is made up for. In a change to summer time a skipped time runs right after the gap; in one back, a
    repeated time runs once. Raises CronSimError for an expression that makes no sense.
    """

    name: str
    cron: str
    job: Job
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        self.after(datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")))

    def after(self, time: datetime) -> datetime:
        """The first time after this one that is due."""
        due: datetime = next(CronSim(self.cron, time.astimezone(ZoneInfo(self.time_zone))))
        return due.astimezone(ZoneInfo("UTC"))

    def last_until(self, since: datetime, now: datetime) -> datetime | None:
        """The last time after `since` that is due by now, if there is one."""
        due = self.after(since)
        if due > now:
            return None
        # Backwards from now, so that a schedule of every second is as cheap after a month.
        past = CronSim(
            self.cron, (now + timedelta(seconds=1)).astimezone(ZoneInfo(self.time_zone)), reverse=True
        )
        return max(due, next(past).astimezone(ZoneInfo("UTC")))


class Clockwork:
    """Enqueues what is due. It runs in every process; the first to advance the row of a schedule does it."""

    def __init__(self, database: Database, all: Sequence[Schedule], clock: Clock) -> None:
        if len({schedule.name for schedule in all}) < len(all):
            raise ValueError("two schedules have the same name")
        self._database, self._schedules, self._clock = database, all, clock

    async def run(self) -> None:
        """Until cancelled."""
        while self._schedules:
            try:
                await self.enqueue_due()
            except Unavailable:
                await asyncio.sleep(1)
                continue
            now = self._clock()
            next_due = min(schedule.after(now) for schedule in self._schedules)
            await asyncio.sleep(min(LONGEST_SLEEP, max(0.05, (next_due - now).total_seconds())))

    async def enqueue_due(self) -> int:
        """Enqueue every job that is due. Returns how many of them this process enqueued."""
        done = 0
        for schedule in self._schedules:
            row = await self._database.first(_LAST, which=schedule.name)
            if row is None:
                await self._begin(schedule)
            elif (due := schedule.last_until(row[0], self._clock())) is not None:
                done += await self._advance(schedule, row[0], due)
        return done

    async def _begin(self, schedule: Schedule) -> None:
        """A new schedule starts now: it does not make up for the time before it was known."""
        reached("schedule.before_begin")
        try:
            await self._database.write([Write(_BEGIN, {"name": schedule.name, "last_due_at": self._clock()})])
            reached("schedule.after_begin")
        except Duplicate:
            return

    async def _advance(self, schedule: Schedule, before: datetime, due: datetime) -> bool:
        token = cause.set(
            replace(Cause(), correlation_id=f"{schedule.name}@{due:%Y-%m-%dT%H:%MZ}"[:64], what=schedule.name)
        )
        try:
            _, job = enqueued(schedule.job)
            moved = Write(_ADVANCE, {"which": schedule.name, "before": before, "due": due}, exactly=1)
            reached("schedule.before_write")
            await self._database.write([moved, job])
            reached("schedule.after_write")
        except Contention:
            return False
        finally:
            cause.reset(token)
        self._database.work_added.set()
        return True
