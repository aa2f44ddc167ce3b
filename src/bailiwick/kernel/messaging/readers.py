"""Who listens: known to every writer of the database, also to those that run other contexts or older code."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, exists, insert, select, update

from bailiwick.kernel.application import Clock, Unavailable
from bailiwick.kernel.database.connections import Database, Duplicate
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.failpoints import reached
from bailiwick.kernel.messaging.tables import readers

EVERY_SECONDS = 5.0
REPORT_SECONDS = 30.0

_ALL = select(readers.c.type, readers.c.reader)
_this = (readers.c.type == bindparam("kind")) & (readers.c.reader == bindparam("reader"))
_ADD = insert(readers).from_select(
    ["type", "reader", "seen_at"],
    select(
        bindparam("kind", type_=readers.c.type.type),
        bindparam("reader", type_=readers.c.reader.type),
        bindparam("now", type_=readers.c.seen_at.type),
    ).where(~exists(select(readers.c.type).where(_this))),
)
_SEEN = update(readers).where(_this).values(seen_at=bindparam("now")).returning(readers.c.reader)


class Readers:
    """The register of readers. What this process listens to is in it before its first request."""

    def __init__(self, database: Database, own: Mapping[str, Sequence[str]], clock: Clock) -> None:
        self._database, self._own, self._clock = database, own, clock
        database.readers = own

    async def register(self) -> None:
        """Enter our own and learn all others."""
        now = self._clock()
        for kind, names in self._own.items():
            for name in names:
                await self._enter(kind, name, now)
        await self.learn()

    async def _enter(self, kind: str, name: str, now: datetime) -> None:
        row: dict[str, Any] = {"kind": kind, "reader": name, "now": now}
        reached("readers.before_write")
        try:
            await self._database.write([Write(_ADD, row)])
            reached("readers.after_write")
        except Duplicate:
            return  # another worker was quicker

    async def learn(self) -> None:
        known: dict[str, list[str]] = {kind: list(names) for kind, names in self._own.items()}
        for kind, name in await self._database.all(_ALL):
            if name not in known.setdefault(kind, []):
                known[kind].append(name)
        self._database.readers = known

    async def watch(self) -> None:
        """Until cancelled: learn of readers that other processes bring along."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await self.learn()
            except Unavailable:
                continue

    async def report(self) -> None:
        """Until cancelled: leave word that a worker is here which handles our own."""
        while True:
            with suppress(Unavailable):
                await self.seen()
            await asyncio.sleep(REPORT_SECONDS)

    async def seen(self) -> None:
        rows = [{"kind": kind, "reader": name} for kind, names in self._own.items() for name in names]
        for row in rows:
            await self._database.all(_SEEN, **row, now=self._clock())
