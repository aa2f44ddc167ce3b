"""The queue in SQL: claiming what is due, keeping it, and letting go of it in every way there is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Integer,
    Select,
    Update,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
    union_all,
    update,
)

from bailiwick.kernel.database.batches import one_of, these
from bailiwick.kernel.database.columns import UtcDateTime
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.failpoints import reached
from bailiwick.kernel.jobs import Priority
from bailiwick.kernel.messaging.tables import DEAD, KEPT, finished, pauses, work

LEASE = timedelta(seconds=20)
HANDED_OVER = UUID("000000ce-1e27-7000-8000-000000000000")
"""Holds what waits for a worker of another system, such as Celery, to take it by its id."""
AT_A_TIME = 50

_mine = (work.c.id == bindparam("key")) & (work.c.leased_by == bindparam("holder"))
DONE = delete(work).where(_mine)
HELD = select(work.c.id).where(_mine)
RETRY = (
    update(work)
    .where(_mine)
    .values(
        available_at=bindparam("at"),
        leased_by=None,
        leased_until=None,
        last_error=bindparam("error"),
        progress=None,
    )
)
RELEASE = (
    update(work)
    .where(_mine)
    .values(leased_by=None, leased_until=None, attempts=work.c.attempts - 1, progress=None)
)
FENCE = update(work).where(_mine).values(leased_until=bindparam("lease"))
PROGRESS = update(work).where(_mine).values(progress=bindparam("told"))
EXTEND = (
    update(work)
    .where(one_of(work.c.id, AT_A_TIME), work.c.leased_by == bindparam("holder"))
    .values(leased_until=bindparam("lease"))
    .returning(work.c.id, work.c.cancelled)
)
FINISH = insert(finished).from_select(
    [*KEPT, "outcome", "result", "error", "finished_at"],
    select(
        *(work.c[name] for name in KEPT),
        bindparam("outcome", type_=finished.c.outcome.type),
        bindparam("result", type_=finished.c.result.type),
        bindparam("error", type_=finished.c.error.type),
        bindparam("now", type_=UtcDateTime),
    ).where(_mine),
)
GIVEN_UP = select(finished.c.queue, func.count()).where(finished.c.outcome == DEAD).group_by(finished.c.queue)


@dataclass(frozen=True, slots=True)
class Item:
    """A piece of work that was claimed. `attempts` counts this one; `followed` if more of its key waits."""

    id: UUID
    queue: str
    name: str
    schema: int
    payload: dict[str, Any]
    actor_id: UUID | None
    correlation_id: str
    attempts: int
    cancelled: bool
    enqueued_at: datetime
    key: str | None
    followed: bool


# As text: in RETURNING, SQLAlchemy leaves out the names of tables for SQLite, and every column equals itself.
_followed: ColumnElement[bool] = literal_column(
    'EXISTS (SELECT 1 FROM kernel_work AS mate WHERE mate.queue = kernel_work.queue AND mate."key" = '
    'kernel_work."key" AND (mate.sequence, mate.id) > (kernel_work.sequence, kernel_work.id))',
    Boolean,
).label("followed")
CLAIMED = [*(work.c[name] for name in Item.__slots__[:-1]), _followed]
_leased: dict[str, Any] = {"leased_by": bindparam("holder"), "leased_until": bindparam("lease")}
TAKE = (
    update(work)
    .where(
        work.c.id == bindparam("which", type_=work.c.id.type),
        work.c.leased_by == HANDED_OVER,
        ~exists(select(pauses.c.queue).where(pauses.c.queue == work.c.queue)),
    )
    .values(_leased | {"attempts": work.c.attempts + 1})
    .returning(*CLAIMED)
)
_mate = work.alias("mate")
_first_of_key = (
    select(_mate.c.id)
    .where(_mate.c.queue == bindparam("of_queue"), _mate.c.key == bindparam("of_key"))
    .order_by(_mate.c.sequence, _mate.c.id)
    .limit(1)
    .scalar_subquery()
)
NEXT = (
    update(work)
    .where(
        work.c.id == _first_of_key,
        work.c.available_at <= bindparam("now"),
        or_(work.c.leased_until.is_(None), work.c.leased_until < bindparam("now")),
        ~exists(select(pauses.c.queue).where(pauses.c.queue == work.c.queue)),
    )
    .values(_leased | {"attempts": work.c.attempts + 1})
    .returning(*CLAIMED)
)
"""Takes what is first of a key now, without looking through all that is due."""
TAKE_BACK = (
    update(work)
    .where(work.c.id == bindparam("which", type_=work.c.id.type), work.c.leased_by == HANDED_OVER)
    .values(leased_by=None, leased_until=None)
)


def _due(queue: str, priority: Priority, free: str) -> Select[Any]:
    """What may run now: of each key only the first, and nothing of a paused queue."""
    earlier = work.alias("earlier")
    first = ~exists(
        select(earlier.c.id).where(
            earlier.c.queue == work.c.queue,
            earlier.c.key == work.c.key,
            tuple_(earlier.c.sequence, earlier.c.id) < tuple_(work.c.sequence, work.c.id),
        )
    )
    due = (
        select(work.c.id)
        .where(
            work.c.queue == literal(queue),
            work.c.priority == literal(int(priority)),
            work.c.available_at <= bindparam("now"),
            or_(work.c.leased_until.is_(None), work.c.leased_until < bindparam("now")),
            or_(work.c.key.is_(None), first),
            ~exists(select(pauses.c.queue).where(pauses.c.queue == literal(queue))),
        )
        .order_by(work.c.available_at, work.c.id)
        .limit(bindparam(free, type_=Integer))
        .with_for_update(skip_locked=True, of=work)
        .subquery()
    )
    return select(due.c.id)


def claim_of(
    queues: Mapping[str, Sequence[Priority]],
    columns: Sequence[ColumnElement[Any]] = CLAIMED,
    *,
    attempt: bool = True,
) -> Update:
    """One statement that leases, for each queue, at most `free<n>` of what is due, `n` being its number.

    It counts as an attempt, unless it is only to be handed over.
    """
    each = tuple((queue, tuple(priorities)) for queue, priorities in queues.items())
    return _claim(each, tuple(columns), int(attempt))


@lru_cache(maxsize=100)
def _claim(
    queues: tuple[tuple[str, tuple[Priority, ...]], ...],
    columns: tuple[ColumnElement[Any], ...],
    attempts: int,
) -> Update:
    branches = []
    for number, (queue, priorities) in enumerate(queues):
        lanes = [_due(queue, priority, f"free{number}") for priority in priorities]
        if len(lanes) == 1:
            branches += lanes
        else:
            lane = union_all(*lanes).subquery()
            branches.append(
                select(select(lane.c.id).limit(bindparam(f"free{number}", type_=Integer)).subquery().c.id)
            )
    due = union_all(*branches).cte("due").prefix_with("MATERIALIZED", dialect="postgresql")
    return (
        update(work)
        .where(work.c.id.in_(select(due.c.id)))
        .values(_leased | {"attempts": work.c.attempts + attempts})
        .returning(*columns)
    )


class Lease:
    """What one worker holds, and the ways in which it lets go. Every write is refused for what it lost."""

    def __init__(self, database: Database, holder: UUID) -> None:
        self._database, self.holder = database, holder

    def done(self, id: UUID) -> Write:
        """Ends it, if it is still ours: otherwise the whole commit that this joins is refused."""
        return Write(DONE, {"key": id, "holder": self.holder}, exactly=1)

    def finish(
        self, id: UUID, now: datetime, outcome: str, *, result: Any = None, error: str | None = None
    ) -> list[Write]:
        """Ends it and keeps what became of it."""
        row = {"key": id, "holder": self.holder, "outcome": outcome, "result": result, "error": error}
        return [Write(FINISH, row | {"now": now}, exactly=1), self.done(id)]

    def fence(self, id: UUID, now: datetime) -> Write:
        """Joins a commit of a job that goes on after it: refused once somebody else has the job."""
        return Write(FENCE, {"key": id, "holder": self.holder, "lease": now + LEASE}, exactly=1)

    async def held(self, id: UUID) -> bool:
        return await self._database.first(HELD, key=id, holder=self.holder) is not None

    async def store(self, *writes: Write) -> None:
        """Raises Contention where one of them ends what is no longer ours."""
        reached("lease.before_write")
        await self._database.write(writes)
        reached("lease.after_write")

    async def retry(self, id: UUID, at: datetime, error: str) -> None:
        await self.store(Write(RETRY, {"key": id, "holder": self.holder, "at": at, "error": error}))

    async def release(self, id: UUID) -> None:
        """Give it back unfinished, for anybody to take at once. This attempt does not count."""
        await self.store(Write(RELEASE, {"key": id, "holder": self.holder}))

    async def tell(self, id: UUID, progress: Mapping[str, Any]) -> None:
        await self.store(Write(PROGRESS, {"key": id, "holder": self.holder, "told": dict(progress)}))

    async def extend(self, ids: Iterable[UUID], now: datetime) -> dict[UUID, bool]:
        """Keep these for another while. Those still ours, each with whether it is to be cancelled."""
        waiting = list(ids)
        kept: dict[UUID, bool] = {}
        while waiting:
            some, waiting = waiting[:AT_A_TIME], waiting[AT_A_TIME:]
            keys = these(some, AT_A_TIME)
            rows = await self._database.all(EXTEND, **keys, holder=self.holder, lease=now + LEASE)
            kept.update((row[0], row[1]) for row in rows)
        return kept
