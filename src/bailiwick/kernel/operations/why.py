"""Why has this not run? Every obstacle between a message or a job and a worker, in words and in facts."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, distinct, func, select, tuple_

from bailiwick.kernel.messaging.queue import HANDED_OVER
from bailiwick.kernel.messaging.tables import pauses, readers, work
from bailiwick.kernel.messaging.worker import HEARTBEAT_SECONDS
from bailiwick.kernel.operations.console import Console
from bailiwick.kernel.operations.lists import Kind, WholeWorkView, WorkState, one_work
from bailiwick.kernel.operations.queues import SEEN_WITHIN

PATIENCE = timedelta(seconds=5)
"""What is due for longer than this, with nothing in its way, is not noticed by any worker."""


@dataclass
class Reason:
    """One obstacle, or how it ended. `code` is for programs, `sentence` for people."""

    code: str
    sentence: str
    facts: dict[str, Any]


@dataclass
class Explanation:
    """Why something has not run, most important first. `answer` is all the sentences."""

    id: UUID
    queue: str
    name: str
    state: WorkState
    answer: str
    reasons: list[Reason]


_PAUSE = select(pauses.c.paused_at, pauses.c.paused_by, pauses.c.reason).where(
    pauses.c.queue == bindparam("queue")
)
_place = tuple_(work.c.sequence, work.c.id)
_BEFORE_IT = (
    select(work.c.id)
    .where(
        work.c.queue == bindparam("queue"),
        work.c.key == bindparam("key"),
        _place < tuple_(bindparam("sequence"), bindparam("id", type_=work.c.id.type)),
    )
    .order_by(work.c.sequence, work.c.id)
)
_FIRST = _BEFORE_IT.limit(1)
_HOW_MANY = select(func.count()).select_from(_BEFORE_IT.subquery())
_BUSY = select(func.count(), func.count(distinct(work.c.leased_by))).where(
    work.c.queue == bindparam("queue"),
    work.c.leased_until >= bindparam("now"),
    work.c.leased_by != HANDED_OVER,
)
_SEEN = select(func.max(readers.c.seen_at, type_=readers.c.seen_at.type)).where(
    readers.c.reader == bindparam("reader")
)


async def explain(console: Console, kind: Kind, id: UUID) -> Explanation:
    """Raises NotFound."""
    item = await one_work(console.database, kind, id)
    reasons = await _reasons(console, kind, item)
    answer = " ".join(each.sentence for each in reasons)
    return Explanation(item.id, item.queue, item.name, item.state, answer, reasons)


async def _reasons(console: Console, kind: Kind, item: WholeWorkView) -> list[Reason]:
    now = console.clock()
    if item.finished_at is not None:
        return [_ended(item, item.finished_at)]
    if item.leased_until is not None and item.leased_until >= now and item.leased_by != HANDED_OVER:
        return [_being_run(item)]
    obstacles = [
        await _paused(console, item),
        await _behind(console, kind, item),
        _not_due(item, now),
        _handed_over(item, now),
        _no_handler(console, item) if kind is Kind.JOB else await _no_reader(console, item, now),
    ]
    found = [each for each in obstacles if each is not None]
    return found or [*_abandoned(item), await _unobstructed(console, item, now)]


def _ended(item: WholeWorkView, at: datetime) -> Reason:
    facts = {"finished_at": at, "attempts": item.attempts, "error": item.error}
    if item.state is WorkState.SUCCEEDED:
        return Reason("succeeded", f"It succeeded at {_time(at)}, {_attempt(item)}.", facts)
    if item.state is WorkState.CANCELLED:
        return Reason("cancelled", f"It was cancelled at {_time(at)}.", facts)
    times = _times(item.attempts)
    return Reason(
        "dead",
        f"It was given up at {_time(at)}, after {times}, because of {item.error}. Replay it to try again.",
        facts,
    )


def _being_run(item: WholeWorkView) -> Reason:
    assert item.leased_until is not None
    facts: dict[str, Any] = {"worker": item.leased_by, "leased_until": item.leased_until}
    facts |= {"attempts": item.attempts, "progress": item.progress}
    runs = f"Worker {item.leased_by} runs it now, {_attempt(item)}"
    if item.cancelled:
        stops = f"it was told to stop, and does so within {HEARTBEAT_SECONDS:.0f} seconds"
        return Reason("being_cancelled", f"{runs}; {stops}.", facts)
    lease = f"its lease, renewed as it runs, ends at {_time(item.leased_until)}"
    return Reason("running", f"{runs}; {lease}.", facts)


def _handed_over(item: WholeWorkView, now: datetime) -> Reason | None:
    if item.leased_by != HANDED_OVER or item.leased_until is None or item.leased_until < now:
        return None
    told = "A message was sent to the Celery workers, and none has begun it; "
    again = f"if none does, another is sent at {_time(item.leased_until)}."
    return Reason("handed_over", told + again, {"sent_again_at": item.leased_until})


async def _paused(console: Console, item: WholeWorkView) -> Reason | None:
    row = await console.database.first(_PAUSE, queue=item.queue)
    if row is None:
        return None
    at, by, why = row
    facts = {"queue": item.queue, "paused_at": at, "paused_by": by, "reason": why}
    return Reason("paused", f"The queue {item.queue} was paused at {_time(at)} by {by}: {why}.", facts)


async def _behind(console: Console, kind: Kind, item: WholeWorkView) -> Reason | None:
    place = {"queue": item.queue, "key": item.key, "sequence": item.sequence, "id": item.id}
    first = await console.database.first(_FIRST, **place) if item.key is not None else None
    if first is None:
        return None
    row = await console.database.first(_HOW_MANY, **place)
    ahead = row[0] if row else 1
    theirs = await explain(console, kind, first[0])
    facts = {"key": item.key, "ahead": ahead, "first": first[0], "first_reasons": theirs.reasons}
    others = "another" if ahead == 1 else f"{ahead} others"
    which = "That is" if ahead == 1 else "The first is"
    return Reason(
        "behind",
        f"It waits behind {others} of the same key, {item.key}. {which} {first[0]}: {theirs.answer}",
        facts,
    )


def _not_due(item: WholeWorkView, now: datetime) -> Reason | None:
    if item.due_at is None or item.due_at <= now:
        return None
    facts = {"due_at": item.due_at, "attempts": item.attempts, "error": item.error}
    if item.error is None:
        return Reason("not_due", f"It is not due until {_time(item.due_at)}.", facts)
    failed = f"It has failed at {_times(item.attempts)}, last because of {item.error}"
    return Reason("retrying", f"{failed}; it is tried again at {_time(item.due_at)}.", facts)


def _no_handler(console: Console, item: WholeWorkView) -> Reason | None:
    if console.knows(item.queue, item.name):
        return None
    told = f"This process knows no handler for {item.name} in the queue {item.queue}"
    return Reason("no_handler", f"{told}; it waits for a worker that has one.", {"name": item.name})


async def _no_reader(console: Console, item: WholeWorkView, now: datetime) -> Reason | None:
    row = await console.database.first(_SEEN, reader=item.name)
    seen = row[0] if row else None
    if seen is None:
        told = f"Nobody is registered as {item.name}: the subscriber was removed, or forgotten."
        return Reason("no_reader", told, {"reader": item.name})
    if seen >= now - SEEN_WITHIN:
        return None
    told = f"No worker that knows {item.name} has been seen since {_time(seen)}."
    return Reason("reader_not_seen", told, {"reader": item.name, "seen_at": seen})


def _abandoned(item: WholeWorkView) -> list[Reason]:
    if item.leased_by in (None, HANDED_OVER) or item.leased_until is None:
        return []
    facts = {"worker": item.leased_by, "leased_until": item.leased_until, "attempts": item.attempts}
    told = f"Worker {item.leased_by} had it, {_attempt(item)}, and is gone: its lease ended at "
    return [Reason("lease_ran_out", f"{told}{_time(item.leased_until)}. Any worker may take it now.", facts)]


async def _unobstructed(console: Console, item: WholeWorkView, now: datetime) -> Reason:
    assert item.due_at is not None
    row = await console.database.first(_BUSY, queue=item.queue, now=now)
    running, workers = row or (0, 0)
    places = console.places(item.queue) * workers
    facts = {"due_at": item.due_at, "running": running, "workers": workers, "places": places}
    if workers and 0 < places <= running:
        told = f"All {places} places of the queue {item.queue} are taken, in {_count(workers, 'worker')}"
        return Reason("no_free_place", f"{told}; it runs as soon as one is free.", facts)
    since = max(item.due_at, item.leased_until or item.due_at)
    if now - since > PATIENCE:
        told = f"It has been due since {_time(since)} with nothing in its way: no worker seems to run."
        return Reason("no_worker", f"{told} Start one with `bailiwick worker`.", facts)
    return Reason("due", "It is due, and a worker that runs takes it within a second.", facts)


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _times(attempts: int) -> str:
    return _count(attempts, "attempt")


def _attempt(item: WholeWorkView) -> str:
    return f"at attempt {item.attempts}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
