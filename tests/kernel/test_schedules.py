"""Schedules: once for each time that is due, whoever is awake; never for a time before they were known."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cronsim import CronSimError
from sqlalchemy import func, select

from bailiwick.backend import utc_now
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.jobs import Job
from bailiwick.kernel.messaging.schedules import Clockwork, Schedule
from bailiwick.kernel.messaging.tables import work

MIDNIGHT = datetime(2031, 3, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Sweep(Job):
    room: str


class Time:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


HOURLY = Schedule("samples.sweep", "0 * * * *", Sweep("hall"))


async def enqueued(database: Database) -> int:
    row = await database.first(select(func.count()).select_from(work))
    return int(row[0]) if row else 0


async def test_a_job_is_enqueued_once_for_each_hour(database: Database) -> None:
    time = Time(MIDNIGHT + timedelta(minutes=30))
    clockwork = Clockwork(database, [HOURLY], time)
    assert await clockwork.enqueue_due() == 0
    for minutes, expected in ((20, 0), (20, 1), (10, 0), (50, 1)):
        time.now += timedelta(minutes=minutes)
        assert await clockwork.enqueue_due() == expected
    rows = await database.all(select(work.c.payload, work.c.correlation_id))
    [(payload, why)] = {(row[0]["room"], row[1].partition("@")[0]) for row in rows}
    assert (payload, why) == ("hall", "samples.sweep")


async def test_of_many_workers_that_wake_at_once_one_enqueues(database: Database) -> None:
    time = Time(MIDNIGHT)
    workers = [Clockwork(database, [HOURLY], time) for _ in range(8)]
    await asyncio.gather(*(each.enqueue_due() for each in workers))
    for hours in range(1, 6):
        time.now += timedelta(hours=1)
        assert sum(await asyncio.gather(*(each.enqueue_due() for each in workers))) == 1
        assert await enqueued(database) == hours


async def test_after_a_long_night_only_the_last_time_is_made_up_for(database: Database) -> None:
    time = Time(MIDNIGHT)
    clockwork = Clockwork(database, [HOURLY], time)
    await clockwork.enqueue_due()
    time.now += timedelta(days=40, minutes=5)
    assert [await clockwork.enqueue_due() for _ in range(3)] == [1, 0, 0]


@pytest.mark.parametrize(
    ("cron", "since", "now", "due"),
    [
        ("0 6 * * *", "2031-06-01T03:00", "2031-06-01T05:00", "2031-06-01T04:00"),
        ("0 6 * * *", "2031-01-01T03:00", "2031-01-01T04:59", None),
        ("0 6 * * *", "2031-01-01T03:00", "2031-01-01T05:00", "2031-01-01T05:00"),
        # Half past two does not exist on this day: it runs right after the gap.
        ("30 2 * * *", "2031-03-30T00:00", "2031-03-30T02:00", "2031-03-30T01:00"),
    ],
)
def test_a_time_of_day_is_that_of_its_zone(cron: str, since: str, now: str, due: str | None) -> None:
    def utc(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)

    schedule = Schedule("samples.sweep", cron, Sweep("hall"), time_zone="Europe/Berlin")
    assert schedule.last_until(utc(since), utc(now)) == (due and utc(due))


def test_a_schedule_of_every_minute_is_as_quick_after_a_year() -> None:
    schedule = Schedule("samples.sweep", "* * * * *", Sweep("hall"))
    now = MIDNIGHT.replace(second=30) + timedelta(days=365)
    assert schedule.last_until(MIDNIGHT, now) == now.replace(second=0)


def test_a_wrong_expression_and_an_unknown_zone_are_refused_at_once() -> None:
    with pytest.raises(CronSimError):
        Schedule("samples.sweep", "every day", Sweep("hall"))
    with pytest.raises(Exception, match="Atlantis"):
        Schedule("samples.sweep", "0 0 * * *", Sweep("hall"), time_zone="Atlantis/City")


async def test_two_schedules_of_one_name_are_refused(database: Database) -> None:
    with pytest.raises(ValueError, match="same name"):
        Clockwork(database, [HOURLY, HOURLY], Time(MIDNIGHT))


async def test_the_clockwork_sleeps_until_something_is_due(database: Database) -> None:
    clockwork = Clockwork(database, [Schedule("samples.sweep", "* * * * * *", Sweep("hall"))], utc_now)
    running = asyncio.ensure_future(clockwork.run())
    async with asyncio.timeout(10):
        while await enqueued(database) < 2:  # noqa: ASYNC110 - another's progress
            await asyncio.sleep(0.05)
    running.cancel()
