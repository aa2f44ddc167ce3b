"""Locks that all processes of one database share, with fencing tokens, and leaders that hold one.

A lock is a lease: a row that says who holds it until when. "When" is the database's clock alone, so the
clocks of the processes may differ. How long its own lease still lasts a holder measures by its monotonic
clock, from before it asked. With SQLite the one clock is that of the machine.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

import structlog
from sqlalchemy import (
    BigInteger,
    Float,
    bindparam,
    exists,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement

from bailiwick.kernel.application import Unavailable
from bailiwick.kernel.database.columns import Id, UtcDateTime
from bailiwick.kernel.database.connections import Database, Duplicate
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.failpoints import reached
from bailiwick.kernel.messaging.tables import leases

log = structlog.get_logger("locks")

LEASE = 15.0  # seconds: with CANDIDACY, a leader that dies is succeeded within 20
CANDIDACY = 5.0  # seconds between two tries to become the leader
RENEWALS = 4  # in one lease
KEPT = 0.9  # of a lease; the rest is for what ends the work of a lock that was lost
FIRST_LOOK, LONGEST_LOOK = 0.05, 1.0  # seconds between two tries to get a lock


class _FromNow(FunctionElement[datetime]):
    """The database's time in so many seconds."""

    type = UtcDateTime
    inherit_cache = True


@compiles(_FromNow, "postgresql")
def _interval(element: _FromNow, compiler: SQLCompiler, **options: object) -> str:
    seconds = compiler.process(element.clauses, **options)
    return f"clock_timestamp() + make_interval(secs => {seconds})"


@compiles(_FromNow, "sqlite")
def _text(element: _FromNow, compiler: SQLCompiler, **options: object) -> str:
    """In the form of UtcDateTime, so that text order is time order."""
    seconds = compiler.process(element.clauses, **options)
    return f"strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', {seconds} || ' seconds')"


_NOW = _FromNow(literal_column("0"))
_THEN = _FromNow(bindparam("seconds", type_=Float))
_this = leases.c.name == bindparam("lock", type_=leases.c.name.type)
_mine = _this & (leases.c.holder == bindparam("me", type_=Id))

_MAKE = insert(leases).from_select(
    ["name", "holder", "token", "until"],
    select(
        bindparam("lock", type_=leases.c.name.type),
        bindparam("me", type_=Id),
        literal_column("0", BigInteger),
        _NOW,
    ).where(~exists(select(leases.c.name).where(_this))),
)
_TAKE = (
    update(leases)
    .where(_this, leases.c.until <= _NOW)
    .values(holder=bindparam("me", type_=Id), token=leases.c.token + 1, until=_THEN)
    .returning(leases.c.token)
)
_RENEW = update(leases).where(_mine).values(until=_THEN).returning(leases.c.token)
_RELEASE = update(leases).where(_mine).values(until=_NOW).returning(leases.c.token)
_FENCE = (
    update(leases)
    .where(_this, leases.c.token == bindparam("held", type_=BigInteger))
    .values(token=leases.c.token)
)


class LockHeld(Unavailable):
    """Somebody else holds the lock, and did so for as long as we waited."""


class LockLost(Unavailable):
    """We held the lock, but not to the end: the database was away for too long, or we were."""


@dataclass(slots=True)
class _Lease:
    """One holding of a lock. `until` is by the clock of the event loop."""

    name: str
    seconds: float
    holder: UUID = field(default_factory=uuid4)
    token: int = 0
    until: float = 0.0


class Locks:
    """Locks in the database. Any number of processes may ask for them; each lock is held once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._made: set[str] = set()

    @asynccontextmanager
    async def hold(self, name: str, *, seconds: float = LEASE, patience: float = 10.0) -> AsyncIterator[int]:
        """Run the block while nobody else runs one of this `name` (at most 128 characters).

        Yields the token, which is higher than that of every holder before. The lease of `seconds` (at
        least 1) is renewed until the block ends; others have it that long after a holder died. Raises
        LockHeld after `patience` seconds, and LockLost where the lease is lost: the block is cancelled
        before somebody else can have it. A block that stalls the event loop may still come too late:
        what it writes then is refused by `fence`.
        """
        lease = await self._wait(_Lease(name, seconds), patience)
        ended = asyncio.Event()
        try:
            async with asyncio.timeout_at(lease.until) as limit:
                renewing = asyncio.create_task(self._renew(lease, limit, ended))
                try:
                    yield lease.token
                finally:
                    # Not cancelled: that would cut its connection off.
                    ended.set()
                    await asyncio.wait([renewing])
        except TimeoutError as error:
            if limit.expired():
                raise LockLost(f"the lock {name} was lost") from error
            raise
        finally:
            await self._release(lease)
        if limit.expired():
            raise LockLost(f"the lock {name} was lost")

    def fence(self, name: str, token: int) -> Write:
        """To be written with what a holder writes: Contention where somebody has held the lock since."""
        return Write(_FENCE, {"lock": name, "held": token}, exactly=1)

    async def leader(
        self, name: str, run: Callable[[int], Awaitable[None]], *, seconds: float = LEASE
    ) -> None:
        """Run `run` with our token whenever we lead, which one process of all does, until it returns.

        It is cancelled where we no longer lead. After a leader died another one leads within `seconds`
        and 5; after one that failed or was stopped, within 5. Never raises but for its cancellation.
        """
        while True:
            try:
                async with self.hold(name, seconds=seconds, patience=0) as token:
                    log.info("leading", lock=name, token=token)
                    await run(token)
                    return
            except LockHeld:
                pass
            except Unavailable as error:
                log.warning("not_leading", lock=name, error=str(error))
            except Exception:
                log.exception("leader_failed", lock=name)
            await asyncio.sleep(CANDIDACY * random.uniform(0.5, 1))

    async def _wait(self, lease: _Lease, patience: float) -> _Lease:
        now = asyncio.get_running_loop().time
        deadline, pause = now() + patience, FIRST_LOOK
        while not await self._take(lease):
            left = deadline - now()
            if left <= 0:
                raise LockHeld(f"somebody else holds the lock {lease.name}")
            await asyncio.sleep(min(left, pause * random.uniform(0.5, 1)))
            pause = min(2 * pause, LONGEST_LOOK)
        return lease

    async def _make(self, lease: _Lease) -> None:
        reached("locks.before_make")
        with suppress(Duplicate):  # somebody else has just made it
            await self._database.write([Write(_MAKE, {"lock": lease.name, "me": lease.holder})])
        reached("locks.after_make")
        self._made.add(lease.name)

    async def _take(self, lease: _Lease) -> bool:
        if lease.name not in self._made:
            await self._make(lease)
        asked = asyncio.get_running_loop().time()
        try:
            row = await self._database.first(_TAKE, lock=lease.name, me=lease.holder, seconds=lease.seconds)
        except BaseException:
            await self._release(lease)  # it may be ours without our having heard of it
            raise
        if row is None:
            return False
        reached("locks.taken")
        lease.token, lease.until = row[0], asked + KEPT * lease.seconds
        return True

    async def _renew(self, lease: _Lease, limit: asyncio.Timeout, ended: asyncio.Event) -> None:
        now = asyncio.get_running_loop().time
        while not await _within(lease.seconds / RENEWALS, ended):
            asked = now()
            try:
                row = await self._database.first(
                    _RENEW, lock=lease.name, me=lease.holder, seconds=lease.seconds
                )
            except Unavailable:
                continue  # until the limit, which runs on
            if ended.is_set() or limit.expired():
                return
            limit.reschedule(now() if row is None else asked + KEPT * lease.seconds)

    async def _release(self, lease: _Lease) -> None:
        with suppress(Unavailable):  # then it runs out
            await self._database.first(_RELEASE, lock=lease.name, me=lease.holder)


async def _within(seconds: float, event: asyncio.Event) -> bool:
    """Whether `event` happens in the next `seconds`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
