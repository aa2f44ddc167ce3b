"""Who listens: known to every writer of the database, also to those that run other contexts or older code."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

from sqlalchemy import bindparam, insert, select, update

from bailiwick.kernel.application import Clock, Unavailable
from bailiwick.kernel.database.connections import Database, Duplicate
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.failpoints import reached
from bailiwick.kernel.messaging.tables import readers

EVERY_SECONDS = 5.0
REPORT_SECONDS = 30.0

_ALL = select(readers.c.type, readers.c.reader)
_this = (readers.c.type == bindparam("kind")) & (readers.c.reader == bindparam("reader"))
_ADD = insert(readers)
_SEEN = update(readers).where(_this).values(seen_at=bindparam("now")).returning(readers.c.reader)


class Readers:
    """The register of readers. What this process listens to is in it before its first request."""

    def __init__(self, database: Database, own: Mapping[str, Sequence[str]], clock: Clock) -> None:
        self._database, self.own, self._clock = database, own, clock

    async def register(self) -> None:
        """Enter our own and learn all others."""
        entered = [(kind, name) for kind, name in await self._database.all(_ALL)]
        for kind, names in self.own.items():
            for name in names:
                if (kind, name) not in entered:
                    await self._enter(kind, name)
        self._know(entered)

    async def _enter(self, kind: str, name: str) -> None:
        reached("readers.before_write")
        with suppress(Duplicate):  # another worker was quicker
            await self._database.write(
                [Write(_ADD, {"type": kind, "reader": name, "seen_at": self._clock()})]
            )
        reached("readers.after_write")

    async def learn(self) -> None:
        self._know([(kind, name) for kind, name in await self._database.all(_ALL)])

    def _know(self, entered: Sequence[tuple[str, str]]) -> None:
        known: dict[str, list[str]] = {kind: list(names) for kind, names in self.own.items()}
        for kind, name in entered:
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
        rows = [{"kind": kind, "reader": name} for kind, names in self.own.items() for name in names]
        for row in rows:
            await self._database.all(_SEEN, **row, now=self._clock())
