"""The proof of the books: what wallets say against what journals, their seals and holds say."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, NamedTuple
from uuid import UUID

import structlog
from prometheus_client import Gauge
from sqlalchemy import bindparam, delete, func, literal_column, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import BigInteger, Integer, String

from bailiwick.kernel.application import Clock, Contention, Unavailable
from bailiwick.kernel.audit import sealing
from bailiwick.kernel.audit.chain import GENESIS
from bailiwick.kernel.database.columns import UtcDateTime
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.failpoints import reached
from bailiwick.kernel.ids import earlier
from bailiwick.kernel.jobs import Job
from bailiwick.kernel.messaging.schedules import Schedule
from bailiwick.payments.infrastructure import balances, chain
from bailiwick.payments.infrastructure.chain import LEDGER, WHOLE, Account, Stride, digest
from bailiwick.payments.infrastructure.tables import checkpoints, holds, journals, proved_sums, seals, wallets

log = structlog.get_logger("ledger")

MOST_DAMAGES = 100
WATCH_SECONDS = 10.0
OVERDUE = timedelta(minutes=1)
"""How long after its time a hold may still be open: a worker ends it within seconds."""

ledger_holds = Gauge(
    "ledger_holds", "1 where the books held at their last proof, else 0.", multiprocess_mode="livemostrecent"
)
ledger_held_at = Gauge(
    "ledger_held_at_seconds",
    "When the books held last, in seconds since 1970; 0 before their first proof.",
    multiprocess_mode="livemostrecent",
)

Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class ProveLedger(Job):
    """Prove what came in since the books last held."""

    queue: ClassVar[str] = "ledger"
    at_once: ClassVar[int] = 1
    one_commit: ClassVar[bool] = False


EVERY_FIVE_MINUTES = Schedule("payments.prove_ledger", "*/5 * * * *", ProveLedger())


class Checkpoint(NamedTuple):
    """Up to which seal the books were proved, and how the last proof ended."""

    position: int = 0
    digest: str = GENESIS
    held_at: datetime | None = None
    looked_at: datetime | None = None
    damages: int = 0


@dataclass(slots=True)
class Report:
    """What a proof found. It went on from the seal `since`; `damages` are the first 100 of `damaged`."""

    since: int
    head: tuple[int, str]
    journals: int = 0
    entries: int = 0
    wallets: int = 0
    open_holds: int = 0
    damaged: int = 0
    damages: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def note(self, damages: Sequence[str]) -> None:
        self.damaged += len(damages)
        self.damages = [*self.damages, *damages][:MOST_DAMAGES]


class Prover:
    """Proves the books of one database. Any number may do so at once, and while money moves."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def prove(self, *, full: bool = False, progress: Progress = lambda done, all: None) -> Report:
        """Go on from where the books last held, or from the beginning with `full`, and remember how far.

        `progress` is called with how many journals have been looked at, and of how many.
        """
        started = time.monotonic()
        report = await self._prove(full, progress)
        while report is None:
            report = await self._prove(full, progress)
        report.seconds = time.monotonic() - started
        return report

    async def _prove(self, full: bool, progress: Progress) -> Report | None:
        """None where another proof has moved the saved sums while this one went on from them."""
        before = await self.checkpoint()
        run = _Run(self._database, self._clock, Checkpoint() if full else before)
        await run.walk(progress)
        await run.compare_wallets()
        if run.report.damaged and not full and (await self.checkpoint()).position != before.position:
            return None
        await run.look_at_holds()
        await self._remember(before, run, full=full)
        return run.report

    async def checkpoint(self) -> Checkpoint:
        row = await self._database.first(_CHECKPOINT)
        return Checkpoint(*row) if row else Checkpoint()

    async def _remember(self, before: Checkpoint, run: "_Run", *, full: bool) -> None:
        now, dialect = self._clock(), self._database.dialect.name
        (position, head), damages = run.report.head, run.report.damaged
        moved = {"was": before.position, "position": position, "digest": head, "now": now}
        writes = [[Write(_HELD, moved, exactly=1), *([Write(_FORGET, {})] if full else [])]]
        accounts = sorted(run.sums)
        for start in range(0, len(accounts), balances.AT_ONCE):
            rows = balances.rows_of(run.sums, accounts[start : start + balances.AT_ONCE])
            writes.append([Write(_ADD[dialect], {"sums": rows})])
        if damages:
            writes = [[Write(_FAILED, {"found": damages, "now": now})]]
            if full:  # what was proved before does not hold: until it does, every proof finds that out
                writes = [[Write(_BEGIN_AGAIN, {"found": damages, "now": now}), Write(_FORGET, {})]]
        reached("proof.before_write")
        with suppress(Contention):  # then somebody else has proved as much meanwhile
            await self._database.write(*writes)
        reached("proof.after_write")

    async def run_job(self, job: ProveLedger) -> dict[str, int]:
        """What the schedule asks for. Damages go to the log as errors."""
        report = await self.prove()
        if report.damaged:
            log.error("ledger_does_not_hold", damaged=report.damaged, damages=report.damages)
        return {"position": report.head[0], "wallets": report.wallets, "damaged": report.damaged}

    async def watch(self) -> None:
        """Until cancelled: show how the last proof ended, whoever made it."""
        while True:
            with suppress(Unavailable):
                self.show(await self.checkpoint())
            await asyncio.sleep(WATCH_SECONDS)

    def show(self, last: Checkpoint) -> None:
        ledger_holds.set(last.held_at is not None and not last.damages)
        ledger_held_at.set(last.held_at.timestamp() if last.held_at else 0)


class _Run:
    """One proof. Journals are looked at in the order of their seals: those before the head never change."""

    def __init__(self, database: Database, clock: Clock, since: Checkpoint) -> None:
        self._database, self._clock, self._since = database, clock, since
        self._sealer = sealing.Sealer(database, clock, LEDGER)
        self.report = Report(since=since.position, head=(since.position, since.digest))
        self.sums: Counter[Account] = Counter()

    async def walk(self, progress: Progress) -> None:
        """Look at every journal, up to those of now."""
        await self._sealer.look()
        if await self._digest_at(self._since.position) != self._since.digest:
            what = "the chain is another one than when the books last held: prove them with --full"
            self.report.note([f"position {self._since.position}: {what}"])
        await self._advance(progress)

    async def _advance(self, progress: Progress) -> None:
        dialect, found = self._database.dialect.name, Stride()
        step, at_once = chain.STRIDE[dialect], chain.AT_ONCE[dialect]
        while (head := await self._head()) > self.report.head[0]:
            for start in range(self.report.head[0], head, step * at_once):
                ends = range(start, min(start + step * at_once, head), step)
                parts = (chain.check(self._database, at, min(at + step, head), found) for at in ends)
                await asyncio.gather(*parts)
                done = min(start + step * at_once, head) - self._since.position
                progress(done, head - self._since.position)
            self.report.head = (head, await self._digest_at(head))
        self.sums.update(found.sums)
        self.report.journals += found.journals
        self.report.entries += found.entries
        self.report.note([*found.damages, *await self._named(found.altered)])

    async def _head(self) -> int:
        row = await self._database.first(LEDGER.head)
        return int(row[0]) if row else 0

    async def _digest_at(self, position: int) -> str:
        row = await self._database.first(_DIGEST, position=position)
        return str(row[0]) if row else GENESIS

    async def _named(self, altered: Sequence[tuple[int, UUID]]) -> list[str]:
        named, explained = list[str](), set[int]()
        for position, journal_id in sorted(altered):
            if position in explained:
                continue
            what = await self._blame(position) if len(named) < MOST_DAMAGES else UNSURE
            if what is SEAL:
                explained.add(position + 1)
            named.append(f"journal {journal_id} (position {position}): {what}")
        return named

    async def _blame(self, position: int) -> str:
        """The next seal tells what was altered: whether it was made over the digest that is stored."""
        rows = await self._database.all(_AROUND, first=position - 1, last=position + 1)
        around = {at: (stored, told) for at, stored, told in rows}
        if position + 1 not in around or (position > 1 and position - 1 not in around):
            return UNSURE
        previous = around[position - 1][0] if position > 1 else GENESIS
        stored, told = around[position]
        next_stored, next_told = around[position + 1]
        if digest(digest(previous, told), next_told) == next_stored:
            return SEAL
        return JOURNAL if digest(stored, next_told) == next_stored else UNSURE

    async def compare_wallets(self) -> None:
        """What does not fit is looked at again with everything sealed: a commit may come late."""
        found = await self._compared(sealing.NARROW)
        if found.damages:
            async for after, last in sealing.strides(self._database, LEDGER):
                await self._sealer.seal(after, last)
            await self._advance(lambda done, all: None)
            found = await self._compared(sealing.WIDE)
        self.report.wallets = found.wallets
        self.report.note(found.damages)

    async def _compared(self, reach: int) -> balances.Balances:
        position, recent = self.report.head[0], earlier(await self._sealer.newest(), reach)
        go_on = self._since.position > 0
        return await balances.compared(
            self._database, self.sums, position=position, recent=recent, go_on=go_on
        )

    async def look_at_holds(self) -> None:
        counted = await self._database.first(_OPEN)
        self.report.open_holds = counted[0] if counted else 0
        found = await self._database.all(_OVERDUE, before=self._clock() - OVERDUE)
        self.report.note([_overdue(*row) for row in found])


SEAL = "its seal was altered"
JOURNAL = "it or one of its entries was altered"
UNSURE = "it, one of its entries, or its seal was altered"


def _overdue(id: UUID, expired_at: datetime, wallet_id: UUID | None) -> str:
    if wallet_id is None:
        return f"hold {id}: it is open, and its wallet is not there"
    return f"hold {id}: its time passed at {expired_at:%Y-%m-%d %H:%M:%S} UTC, and it is still open"


_CHECKPOINT = select(
    checkpoints.c.position,
    checkpoints.c.digest,
    checkpoints.c.held_at,
    checkpoints.c.looked_at,
    checkpoints.c.damages,
)
_now = bindparam("now", type_=UtcDateTime)
_HELD = (
    update(checkpoints)
    .where(checkpoints.c.position == bindparam("was", type_=BigInteger))
    .values(
        position=bindparam("position", type_=BigInteger),
        digest=bindparam("digest", type_=String),
        held_at=_now,
        looked_at=_now,
        damages=0,
    )
)
_FAILED = update(checkpoints).values(looked_at=_now, damages=bindparam("found", type_=Integer))
_BEGIN_AGAIN = _FAILED.values(position=0, digest=GENESIS)
_FORGET = delete(proved_sums)

_DIGEST = select(seals.c.digest).where(seals.c.position == bindparam("position", type_=BigInteger))
_AROUND = (
    select(seals.c.position, seals.c.digest, WHOLE.label("told"))
    .select_from(seals.join(journals, journals.c.id == seals.c.journal_id))
    .where(
        seals.c.position >= bindparam("first", type_=BigInteger),
        seals.c.position <= bindparam("last", type_=BigInteger),
    )
)
_open = holds.c.status == literal_column("'open'", String)
_OPEN = select(func.count()).select_from(holds).where(_open)
_OVERDUE = (
    select(holds.c.id, holds.c.expires_at, wallets.c.id)
    .select_from(holds.outerjoin(wallets, wallets.c.id == holds.c.wallet_id))
    .where(_open, or_(holds.c.expires_at < bindparam("before", type_=UtcDateTime), wallets.c.id.is_(None)))
    .order_by(holds.c.expires_at)
    .limit(MOST_DAMAGES)
)

_names = proved_sums.c.keys()
_pg, _lite = balances.sums_given("postgresql"), balances.sums_given("sqlite")
_to_pg = postgresql.insert(proved_sums).from_select(_names, select(*_pg.c))
# A WHERE keeps SQLite from reading ON CONFLICT as the condition of a join.
_to_lite = sqlite.insert(proved_sums).from_select(_names, select(*_lite.c).where(literal_column("1") == 1))
_ADD = {
    "postgresql": _to_pg.on_conflict_do_update(
        index_elements=["wallet_id", "currency"],
        set_={"amount": proved_sums.c.amount + _to_pg.excluded.amount},
    ),
    "sqlite": _to_lite.on_conflict_do_update(
        index_elements=["wallet_id", "currency"],
        set_={"amount": proved_sums.c.amount + _to_lite.excluded.amount},
    ),
}
