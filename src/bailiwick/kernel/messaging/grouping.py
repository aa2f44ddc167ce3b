"""Commits of several handlers stored as one statement: what they cost then is shared by all of them."""

import asyncio
from collections.abc import Sequence

from sqlalchemy import Insert

from bailiwick.kernel.application import Contention
from bailiwick.kernel.database.batches import batch_size
from bailiwick.kernel.database.connections import Database, Duplicate
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.failpoints import reached

MOST = 32


class Grouping:
    """Stands in for `Database.write`. While one group is being stored, the next one gathers.

    Every commit keeps its own fate: where a group is refused, each of its commits is tried alone.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[Sequence[Write], asyncio.Future[None]]] = []
        self._busy = False

    async def write(self, *phases: Sequence[Write]) -> None:
        """As `Database.write`. Raises what that raises for these phases."""
        [*earlier, last] = [phase for phase in phases if phase] or [[]]
        if earlier or not all(_independent(write) for write in last):
            reached("group.before_one")
            await self._database.write(*phases)
            reached("group.after_one")
            return
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((last, stored))
        if not self._busy:
            self._busy = True
            self._storing = asyncio.ensure_future(self._store_all())
        # Whoever is cancelled must not take the others of the group along.
        await asyncio.shield(stored)

    async def _store_all(self) -> None:
        try:
            # Handlers that were started together reach their commits a few turns of the loop apart.
            for _ in range(4):
                await asyncio.sleep(0)
            while self._waiting:
                size = batch_size(len(self._waiting), MOST)
                group, self._waiting = self._waiting[:size], self._waiting[size:]
                await self._store(group)
        finally:
            self._busy = False

    async def _store(self, group: Sequence[tuple[Sequence[Write], "asyncio.Future[None]"]]) -> None:
        reached("group.before_write")
        try:
            await self._database.write([write for writes, _ in group for write in writes])
            reached("group.after_write")
        except (Contention, Duplicate) as refused:
            if len(group) == 1:
                _settle(group, refused)
            else:
                for one in group:
                    await self._store([one])
        except Exception as error:
            _settle(group, error)
        else:
            _settle(group, None)


def _settle(group: Sequence[tuple[Sequence[Write], "asyncio.Future[None]"]], error: Exception | None) -> None:
    for _, stored in group:
        if stored.cancelled():
            continue
        if error is None:
            stored.set_result(None)
        else:
            stored.set_exception(error)
            stored.exception()  # somebody who no longer waits for it has nothing to be told


def _independent(write: Write) -> bool:
    """Whether it may run beside others: one that adds, or that is refused where it does not find its row."""
    return write.exactly is not None or isinstance(write.statement, Insert)
