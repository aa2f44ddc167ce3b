"""What operators do: have work tried now or once more, stop it, stop a queue, forget what is gone.

Each is one transaction with its row in the audit trail, and does the same when two do it at once.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, or_, select, update

from bailiwick.kernel.application import Contention
from bailiwick.kernel.audit.trail import Change, audit_row
from bailiwick.kernel.contention import uncontended
from bailiwick.kernel.database.columns import UtcDateTime
from bailiwick.kernel.database.connections import Duplicate
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.database.unit_of_work import AlreadyDone, companions
from bailiwick.kernel.domain import Conflict, NotFound
from bailiwick.kernel.failpoints import reached
from bailiwick.kernel.messaging.queue import HANDED_OVER
from bailiwick.kernel.messaging.tables import KEPT, finished, pauses, readers, work
from bailiwick.kernel.operations.console import Console
from bailiwick.kernel.operations.lists import Kind, WorkState, one_work
from bailiwick.kernel.operations.queues import all_readers, queues

AT_A_TIME = 500
LONGEST_REASON = 500
OVER = (WorkState.DEAD.value, WorkState.CANCELLED.value)
OPEN = (WorkState.WAITING, WorkState.RETRYING)


class WorkStateForbids(Conflict):
    """A message or a job is in a state in which this cannot be done to it; `state` says which."""


class QueueUnknown(NotFound):
    """Nothing has ever waited in a queue of this name, and nobody here handles one."""


class ReaderUnknown(NotFound):
    """No subscriber of this name is registered."""


_this = work.c.id == bindparam("which", type_=work.c.id.type)
_free = or_(
    work.c.leased_until.is_(None),
    work.c.leased_until < bindparam("now", type_=UtcDateTime),
    work.c.leased_by == HANDED_OVER,
)
_HASTEN = (
    update(work)
    .where(_this, _free, work.c.available_at == bindparam("due", type_=UtcDateTime))
    .values(available_at=bindparam("now", type_=UtcDateTime))
)
_TELL = (
    update(work)
    .where(_this, work.c.leased_until >= bindparam("now", type_=UtcDateTime), ~work.c.cancelled)
    .values(cancelled=True)
)
_KEEP_CANCELLED = insert(finished).from_select(
    [*KEPT, "outcome", "error", "finished_at"],
    select(
        *(work.c[name] for name in KEPT),
        bindparam("outcome", WorkState.CANCELLED.value, type_=finished.c.outcome.type),
        work.c.last_error,
        bindparam("now", type_=UtcDateTime),
    ).where(_this, _free),
)
_TAKE_OUT = delete(work).where(_this, _free)

_fresh: dict[str, Any] = {
    "attempts": bindparam("attempts", 0, type_=work.c.attempts.type),
    "enqueued_at": bindparam("now", type_=UtcDateTime),
    "available_at": bindparam("now", type_=UtcDateTime),
    "cancelled": bindparam("cancelled", False, type_=work.c.cancelled.type),
}
_again = [column.name for column in work.c if column.name in _fresh or column.name in KEPT]
_ended = (finished.c.id == bindparam("which", type_=finished.c.id.type)) & or_(
    *(finished.c.outcome == outcome for outcome in OVER)
)
_given_up = (
    (finished.c.queue == bindparam("queue"))
    & (finished.c.outcome == WorkState.DEAD.value)
    & finished.c.id.between(
        bindparam("first", type_=finished.c.id.type), bindparam("last", type_=finished.c.id.type)
    )
    & (finished.c.finished_at <= bindparam("before", type_=UtcDateTime))
)


def _put_back(which: Any) -> Any:
    values = (_fresh[name] if name in _fresh else finished.c[name] for name in _again)
    return insert(work).from_select(_again, select(*values).where(which))


_REPLAY, _REPLAY_SOME = _put_back(_ended), _put_back(_given_up)
_DISCARD, _DISCARD_SOME = delete(finished).where(_ended), delete(finished).where(_given_up)
_DEAD_IDS = (
    select(finished.c.id)
    .where(
        finished.c.queue == bindparam("queue"),
        finished.c.outcome == WorkState.DEAD.value,
        finished.c.finished_at <= bindparam("before", type_=UtcDateTime),
    )
    .order_by(finished.c.id)
    .limit(AT_A_TIME)
)

_PAUSED = select(pauses.c.paused_by, pauses.c.reason).where(pauses.c.queue == bindparam("which"))
_PAUSE = insert(pauses)
_PAUSE_ANEW = (
    update(pauses)
    .where(pauses.c.queue == bindparam("which"))
    .values(paused_by=bindparam("by"), reason=bindparam("why"))
)
_RESUME = delete(pauses).where(pauses.c.queue == bindparam("which"))
_FORGET = delete(readers).where(readers.c.reader == bindparam("which"))


async def retry(console: Console, kind: Kind, id: UUID) -> None:
    """Have it tried now instead of later. Raises WorkStateForbids for what runs or is over."""
    item, now = await one_work(console.database, kind, id), console.clock()
    if item.state not in OPEN:
        raise WorkStateForbids(f"it is {item.state}; only what waits can be tried now", state=item.state)
    if item.due_at is not None and item.due_at > now:
        hastened = Write(_HASTEN, {"which": id, "now": now, "due": item.due_at}, exactly=1)
        await _store(console, [hastened], _moved(kind, id, "due_at", item.due_at, now))
    console.database.work_added.set()


async def replay(console: Console, kind: Kind, id: UUID) -> None:
    """Put back what was given up or cancelled, as if it had never been tried. Raises WorkStateForbids."""
    item, now = await one_work(console.database, kind, id), console.clock()
    if item.state not in OVER:
        raise WorkStateForbids(f"it is {item.state}; only what is over can be replayed", state=item.state)
    moves = [
        Write(_REPLAY, {"which": id, "now": now}),
        Write(_DISCARD, {"which": id}, exactly=1),
    ]
    await _store(console, moves, _moved(kind, id, "state", item.state, WorkState.WAITING))
    console.database.work_added.set()


async def replay_dead(console: Console, queue: str) -> int:
    """Put back all that was given up in a queue until now. Returns how much that was."""
    replayed = await _all_dead(console, queue, WorkState.WAITING, _REPLAY_SOME, _DISCARD_SOME)
    console.database.work_added.set()
    return replayed


async def discard(console: Console, kind: Kind, id: UUID) -> None:
    """Forget what was given up or cancelled. Raises WorkStateForbids."""
    item = await one_work(console.database, kind, id)
    if item.state not in OVER:
        raise WorkStateForbids(f"it is {item.state}; only what is over can be discarded", state=item.state)
    await _store(
        console,
        [Write(_DISCARD, {"which": id}, exactly=1)],
        _moved(kind, id, "state", item.state, "discarded"),
    )


async def discard_dead(console: Console, queue: str) -> int:
    """Forget all that was given up in a queue until now. Returns how much that was."""
    return await _all_dead(console, queue, "discarded", _DISCARD_SOME)


async def cancel(console: Console, kind: Kind, id: UUID) -> None:
    """Stop it: at once where it waits, within a heartbeat of its worker where it runs.

    Raises WorkStateForbids for what is over. It may still succeed before its worker hears of it.
    """
    item, now = await one_work(console.database, kind, id), console.clock()
    runs = item.leased_until is not None and item.leased_until >= now and item.leased_by != HANDED_OVER
    if item.cancelled and (runs or item.finished_at is not None):
        return
    if item.finished_at is not None:
        raise WorkStateForbids(f"it is {item.state} already", state=item.state)
    params = {"which": id, "now": now}
    if runs:
        stops = [Write(_TELL, params, exactly=1)]
    else:
        stops = [Write(_KEEP_CANCELLED, params), Write(_TAKE_OUT, params, exactly=1)]
    await _store(console, stops, _moved(kind, id, "state", item.state, WorkState.CANCELLED))


async def pause(console: Console, queue: str, by: str, reason: str) -> None:
    """Let nothing of a queue start; what runs ends. Raises QueueUnknown. Pausing again changes the reason."""
    if all(each.queue != queue for each in await queues(console)):
        raise QueueUnknown(f"there is no queue {queue}")
    row = await console.database.first(_PAUSED, which=queue)
    if row is None:
        values = {"queue": queue, "paused_at": console.clock(), "paused_by": by, "reason": reason}
        write = Write(_PAUSE, values)
    elif tuple(row) == (by, reason):
        return
    else:
        write = Write(_PAUSE_ANEW, {"which": queue, "by": by, "why": reason}, exactly=1)
    before = None if row is None else row[1]
    await _store(console, [write], _of_queue(queue, "paused", before, reason))


async def resume(console: Console, queue: str) -> None:
    """Let a queue go on. One that is not paused stays as it is."""
    row = await console.database.first(_PAUSED, which=queue)
    if row is None:
        return
    await _store(
        console, [Write(_RESUME, {"which": queue}, exactly=1)], _of_queue(queue, "paused", row[1], None)
    )
    console.database.work_added.set()


async def forget_reader(console: Console, reader: str) -> None:
    """Make no more work for a subscriber that was removed from the code. Raises ReaderUnknown."""
    types = sum(each.reader == reader for each in await all_readers(console))
    if not types:
        raise ReaderUnknown(f"nobody is registered as {reader}")
    forgotten = Write(_FORGET, {"which": reader}, exactly=types)
    await _store(console, [forgotten], Change(f"reader {reader}", None, None, ("registered",), {}))


async def _all_dead(console: Console, queue: str, becomes: str, *statements: Any) -> int:
    """In steps, so that no transaction is long. What is given up meanwhile is left alone."""
    before, done = console.clock(), 0

    async def some() -> int:
        rows = await console.database.all(_DEAD_IDS, queue=queue, before=before)
        if not rows:
            return 0
        params = {"queue": queue, "before": before, "first": rows[0][0], "last": rows[-1][0]}
        *others, last = statements
        writes = [Write(each, params | {"now": before}) for each in others]
        writes.append(Write(last, params, exactly=len(rows)))
        await _store(console, writes, _of_queue(queue, "dead", len(rows), becomes))
        return len(rows)

    while moved := await uncontended(some, again=12, pause=0.01):
        done += moved
        await asyncio.sleep(0)
    return done


def _moved(kind: Kind, id: UUID, field: str, before: str | datetime, after: str | datetime) -> Change:
    return Change(kind.value, id, None, (field,), {field: (before, after)})


def _of_queue(queue: str, field: str, before: object, after: object) -> Change:
    return Change(f"queue {queue}", None, None, (field,), {field: (before, after)})


async def _store(console: Console, writes: Sequence[Write], change: Change) -> None:
    """One transaction with the audit trail, and with what must share its fate. Raises Contention."""
    joined = companions.get()
    follow = [write for each in joined for write in each.writes(None)]
    reached("operations.before_write")
    try:
        await console.database.write([*writes, *follow, audit_row([change])])
    except Duplicate as duplicate:
        if any(companion.table.name in duplicate.constraint for companion in joined):
            raise AlreadyDone from duplicate
        raise Contention("somebody else has just done the same; try again") from duplicate
    reached("operations.after_write")
    for companion in joined:
        companion.stored()
