"""The sealer: chains rows, such as those of the audit trail, soon after their commit, off the write path."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Column, ColumnElement, Insert, String, Table, bindparam, column, func, insert, select

from bailiwick.kernel.application import Clock, Contention, Unavailable
from bailiwick.kernel.audit.chain import GENESIS, details_digest, digest
from bailiwick.kernel.database.columns import Id, Json
from bailiwick.kernel.database.connections import Database, Duplicate
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.failpoints import reached
from bailiwick.kernel.ids import earlier, first_id, moment_of
from bailiwick.kernel.messaging.tables import audit, seals

log = structlog.get_logger("audit")

BATCH = 500
STRIDE = 10_000
"""How many rows of the trail one step of a sweep looks at."""

POLL, STANDBY, WIDE_EVERY, SWEEP_EVERY = 0.5, 5.0, 15.0, 3600.0  # seconds
NARROW, WIDE = 6_000, 90_000
"""How far back from the newest id, in milliseconds, it looks each time and now and then: a commit takes as
long as the statement time-out at most, and clocks of writers may differ by a minute."""

FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)

_after, _last = bindparam("after", type_=Id), bindparam("last", type_=Id)
_rows: Any = bindparam("rows", type_=Json)


class Chain:
    """What is sealed: rows that never change, of a table whose ids begin with the time of their making.

    A seal is made of what is `told` of a row, first of all its id; `seal` makes it, without its position,
    from the digest before. `covers` is the column of `seals` with the row's id, `at` the time of a row.
    """

    def __init__(
        self,
        name: str,
        rows: Table,
        covers: Column[UUID],
        at: ColumnElement[datetime],
        told: Sequence[ColumnElement[Any]],
        seal: Callable[[str, Sequence[Any]], Mapping[str, Any]],
    ) -> None:
        seals = covers.table
        self.name, self.seal = name, seal
        # One look into the index for each row, whatever the planner thinks: a join is planned by how many
        # ids it expects in the range, of which PostgreSQL knows nothing within one hundredth of the table.
        without_seal = (
            select(seals.c.position).where(covers == rows.c.id).correlate(rows).scalar_subquery().is_(None)
        )
        missing = rows.c.id > _after, rows.c.id <= _last, without_seal
        self.unsealed = select(*told).where(*missing).order_by(rows.c.id).limit(bindparam("most"))
        self.count_unsealed = select(func.count(), func.min(at)).where(*missing)
        self.newest = select(rows.c.id).order_by(rows.c.id.desc()).limit(1)
        self.head = select(seals.c.position, seals.c.digest).order_by(seals.c.position.desc()).limit(1)
        later = select(rows.c.id).where(rows.c.id > _after)
        self.step = later.order_by(rows.c.id).offset(STRIDE - 1).limit(1)
        self.append = _append_to(seals)


def _append_to(seals: Any) -> Mapping[str, Insert]:
    """One parameter however many rows: the database plans one statement, not one for each size of a batch."""
    recorded = (
        func.jsonb_to_recordset(_rows)
        .table_valued(*(column(c.name, c.type) for c in seals.c))
        .render_derived(name="each", with_types=True)
    )
    each = func.json_each(_rows).table_valued(column("value", String), name="each")
    names: list[str] = seals.c.keys()
    extracted = (func.json_extract(each.c.value, f"$.{name}") for name in names)
    return {
        "postgresql": insert(seals).from_select(names, select(*recorded.c)),
        "sqlite": insert(seals).from_select(names, select(*extracted)),
    }


def _seal(previous: str, row: Sequence[Any]) -> Mapping[str, Any]:
    told = dict(zip(audit.c.keys(), row, strict=True))
    of_details = details_digest(told["details"])
    return {
        "audit_id": told["id"].hex,
        "details_digest": of_details,
        "digest": digest(previous, told, of_details),
    }


TRAIL = Chain("audit_chain", audit, seals.c.audit_id, audit.c.at, list(audit.c), _seal)


class Sealer:
    """Appends a seal for each row that has none. It runs in every worker.

    Two at once are safe: both would use the same position, and the one that is refused reads again and
    then stands by for five seconds. `clock` only keeps an id from the future out of the way.
    """

    def __init__(self, database: Database, clock: Clock, chain: Chain = TRAIL) -> None:
        self._database, self._clock, self._chain = database, clock, chain
        self._widen_at = 0.0

    async def run(self) -> None:
        """Until cancelled. What is new is not kept waiting by a sweep."""
        async with asyncio.TaskGroup() as both:
            both.create_task(_repeat(self.look, POLL))
            both.create_task(_repeat(self.sweep, SWEEP_EVERY))

    async def look(self) -> bool:
        """Seal what was committed lately, now and then further back.

        Returns whether no other sealer came in between.
        """
        now, reach = time.monotonic(), NARROW
        if now >= self._widen_at:
            self._widen_at, reach = now + WIDE_EVERY, WIDE
        return await self.seal(earlier(await self.newest(), reach), LAST)

    async def sweep(self) -> bool:
        """Seal whatever has no seal, from the first row on, in small steps."""
        alone = True
        async for after, last in strides(self._database, self._chain):
            alone = await self.seal(after, last) and alone
        head = await self._database.first(self._chain.head)
        if head is not None:
            # Logs are kept elsewhere: a line of them proves later that the chain has not been cut.
            log.info(self._chain.name, position=head[0], digest=head[1])
        return alone

    async def seal(self, after: UUID, last: UUID) -> bool:
        """Seal the rows in a range of ids. Returns whether no other sealer came in between."""
        alone = True
        while True:
            rows = await self._database.all(self._chain.unsealed, after=after, last=last, most=BATCH)
            if rows and not await self._append(rows):
                alone = False
                continue
            if len(rows) < BATCH:
                return alone
            after = rows[-1][0]

    async def _append(self, rows: Sequence[Sequence[Any]]) -> bool:
        last, previous = await self._database.first(self._chain.head) or (0, GENESIS)
        chained: list[Mapping[str, Any]] = []
        for position, row in enumerate(rows, last + 1):
            sealed = self._chain.seal(previous, row)
            previous = sealed["digest"]
            chained.append({**sealed, "position": position})
        append = self._chain.append[self._database.dialect.name]
        write = Write(append, {"rows": chained}, exactly=len(chained))
        try:
            reached("sealing.before_write")
            await self._database.write([write])
            reached("sealing.after_write")
        except Duplicate:
            return False
        return True

    async def newest(self) -> UUID:
        """The newest id, or one of now where a clock that was wrong has made one of the future."""
        row = await self._database.first(self._chain.newest)
        return min(UUID(str(row[0])), first_id(moment_of(self._clock()))) if row else FIRST


async def _repeat(step: Callable[[], Awaitable[bool]], pause: float) -> None:
    """Until cancelled. Whoever met another sealer, or no database, waits a while."""
    while True:
        wait = STANDBY
        with suppress(Unavailable, Contention):
            wait = pause if await step() else STANDBY
        await asyncio.sleep(wait * random.uniform(0.8, 1.2))


async def strides(database: Database, chain: Chain = TRAIL) -> AsyncIterator[tuple[UUID, UUID]]:
    """Ranges of ids, after one and up to another, that together are all rows."""
    after = FIRST
    while row := await database.first(chain.step, after=after):
        yield after, row[0]
        after = row[0]
        await asyncio.sleep(0.005)
    yield after, LAST
