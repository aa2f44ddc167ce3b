"""Notes what was refused. There is no transaction to share, so these rows are written a little later."""

import asyncio
from collections import deque
from uuid import UUID

from bailiwick.kernel.application import Cause, Unavailable, cause
from bailiwick.kernel.audit.trail import audit_row
from bailiwick.kernel.database.batches import batch_size
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.failpoints import reached
from bailiwick.kernel.observability import audit_refusals_dropped

MOST_WAITING = 512
AT_A_TIME = 64
EVERY_SECONDS = 1.0


class Refusals:
    """A buffer of bounded size, written every second and at the end. Only the rows of changes are promised:
    these are lost with a killed process, and dropped (and counted) where more come than it holds. Strangers
    may fill half of it, so that they cannot crowd out what known actors did."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[Write] = deque()

    def note(self, why: Cause, outcome: str, subject_id: UUID | None = None) -> None:
        """Remember that what `why` names was refused. `outcome` is the code of the refusal."""
        if len(self._waiting) >= (MOST_WAITING if why.actor_id else MOST_WAITING // 2):
            audit_refusals_dropped.inc()
            return
        token = cause.set(why)
        self._waiting.append(audit_row((), outcome, subject_id))
        cause.reset(token)

    async def run(self) -> None:
        """Until cancelled; then what waits is written."""
        try:
            while True:
                await asyncio.sleep(EVERY_SECONDS)
                await self.flush()
        finally:
            await self.flush()

    async def flush(self) -> None:
        """Write what waits. Where the database does not answer it goes on waiting."""
        while self._waiting:
            size = batch_size(len(self._waiting), AT_A_TIME)
            group = [self._waiting.popleft() for _ in range(size)]
            try:
                reached("refusals.before_write")
                await self._database.write(group)
                reached("refusals.after_write")
            except Unavailable:
                self._waiting.extendleft(reversed(group))
                return
