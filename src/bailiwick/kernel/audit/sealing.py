"""The sealer: chains the rows of the audit trail shortly after their commit, off the write path."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import BigInteger, String, Uuid, bindparam, column, func, insert, select

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
# One look into the index for each row, whatever the planner thinks: a join is planned by how many ids it
# expects in the range, of which PostgreSQL knows nothing within one hundredth of the table.
_without_seal = (
    select(seals.c.position)
    .where(seals.c.audit_id == audit.c.id)
    .correlate(audit)
    .scalar_subquery()
    .is_(None)
)
_within = audit.c.id > _after, audit.c.id <= _last
_UNSEALED = select(audit).where(*_within, _without_seal).order_by(audit.c.id).limit(bindparam("most"))
COUNT_UNSEALED = select(func.count(), func.min(audit.c.at)).where(*_within, _without_seal)
_NEWEST = select(audit.c.id).order_by(audit.c.id.desc()).limit(1)
HEAD = select(seals.c.position, seals.c.digest).order_by(seals.c.position.desc()).limit(1)
_STEP = select(audit.c.id).where(audit.c.id > _after).order_by(audit.c.id).offset(STRIDE - 1).limit(1)

_rows: Any = bindparam("rows", type_=Json)
_each = func.json_each(_rows).table_valued(column("value", String), name="each")
_recorded = (
    func.jsonb_to_recordset(_rows)
    .table_valued(
        column("position", BigInteger),
        column("audit_id", Uuid),
        column("details_digest", String),
        column("digest", String),
    )
    .render_derived(name="each", with_types=True)
)
# One parameter however many rows: the database plans one statement, not one for each size of a batch.
_columns = seals.c.keys()
_extracted = (func.json_extract(_each.c.value, f"$.{name}") for name in _columns)
_APPEND = {
    "postgresql": insert(seals).from_select(_columns, select(*_recorded.c)),
    "sqlite": insert(seals).from_select(_columns, select(*_extracted)),
}


class Sealer:
    """Appends a seal for each row that has none. It runs in every worker.

    Two at once are safe: both would use the same position, and the one that is refused reads again and
    then stands by for five seconds. `clock` only keeps an id from the future out of the way.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
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
        return await self.seal(earlier(await self._newest(), reach), LAST)

    async def sweep(self) -> bool:
        """Seal whatever has no seal, from the first row on, in small steps."""
        alone = True
        async for after, last in strides(self._database):
            alone = await self.seal(after, last) and alone
        head = await self._database.first(HEAD)
        if head is not None:
            # Logs are kept elsewhere: a line of them proves later that the chain has not been cut.
            log.info("audit_chain", position=head[0], digest=head[1])
        return alone

    async def seal(self, after: UUID, last: UUID) -> bool:
        """Seal the rows in a range of ids. Returns whether no other sealer came in between."""
        alone = True
        while True:
            rows = await self._database.all(_UNSEALED, after=after, last=last, most=BATCH)
            if rows and not await self._append(rows):
                alone = False
                continue
            if len(rows) < BATCH:
                return alone
            after = rows[-1][0]

    async def _append(self, rows: Sequence[Sequence[Any]]) -> bool:
        position, previous = await self._database.first(HEAD) or (0, GENESIS)
        chained: list[Mapping[str, Any]] = []
        for row in rows:
            told = dict(zip(audit.c.keys(), row, strict=True))
            position, of_details = position + 1, details_digest(told["details"])
            previous = digest(previous, told, of_details)
            chained.append(
                {
                    "position": position,
                    "audit_id": told["id"].hex,
                    "details_digest": of_details,
                    "digest": previous,
                }
            )
        write = Write(_APPEND[self._database.dialect.name], {"rows": chained}, exactly=len(chained))
        try:
            reached("sealing.before_write")
            await self._database.write([write])
            reached("sealing.after_write")
        except Duplicate:
            return False
        return True

    async def _newest(self) -> UUID:
        """The newest id, or one of now where a clock that was wrong has made one of the future."""
        row = await self._database.first(_NEWEST)
        return min(UUID(str(row[0])), first_id(moment_of(self._clock()))) if row else FIRST


async def _repeat(step: Callable[[], Awaitable[bool]], pause: float) -> None:
    """Until cancelled. Whoever met another sealer, or no database, waits a while."""
    while True:
        wait = STANDBY
        with suppress(Unavailable, Contention):
            wait = pause if await step() else STANDBY
        await asyncio.sleep(wait * random.uniform(0.8, 1.2))


async def strides(database: Database) -> AsyncIterator[tuple[UUID, UUID]]:
    """Ranges of ids, after one and up to another, that together are the whole trail."""
    after = FIRST
    while row := await database.first(_STEP, after=after):
        yield after, row[0]
        after = row[0]
        await asyncio.sleep(0.005)
    yield after, LAST
