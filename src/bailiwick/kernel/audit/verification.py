"""Walks the chain over the audit trail and says what does not fit, and where."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select

from bailiwick.kernel.audit.chain import GENESIS, details_digest, digest
from bailiwick.kernel.audit.sealing import TRAIL, strides
from bailiwick.kernel.database.connections import Database, Row
from bailiwick.kernel.messaging.tables import audit, seals

PAGE = 1000
MOST_DAMAGES = 100

_PAGE = (
    select(seals, audit)
    .select_from(seals.outerjoin(audit, audit.c.id == seals.c.audit_id))
    .where(seals.c.position > bindparam("after", type_=seals.c.position.type))
    .order_by(seals.c.position)
    .limit(PAGE)
)
_KEYS = [*seals.c.keys(), *audit.c.keys()]


@dataclass(slots=True)
class Damage:
    """One place that does not fit. `audit_id` is unknown where the seal itself is gone."""

    position: int
    audit_id: UUID | None
    problem: str

    def __str__(self) -> str:
        row = f", row {self.audit_id}" if self.audit_id else ""
        return f"position {self.position}{row}: {self.problem}"


@dataclass(slots=True)
class Report:
    """What a walk found. `damages` are the first 100 of `damaged`. `erased` rows have lost their details."""

    sealed: int = 0
    erased: int = 0
    damaged: int = 0
    damages: list[Damage] = field(default_factory=list)
    unsealed: int = 0
    oldest_unsealed: datetime | None = None
    head: tuple[int, str] = (0, GENESIS)


async def verify(
    database: Database,
    anchors: Mapping[int, str] | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> Report:
    """Recompute every seal. `anchors` are heads of the chain, by position, as they were told before.

    `progress` is called with the number of seals walked, after each thousand.
    """
    walk = _Walk(dict(anchors or {}))
    while rows := await database.all(_PAGE, after=walk.report.head[0]):
        for row in rows:
            walk.step(_Link.of(row))
        progress(walk.report.sealed)
    walk.end()
    report = walk.report
    async for after, last in strides(database):
        found = await database.first(TRAIL.count_unsealed, after=after, last=last)
        assert found is not None
        report.unsealed += found[0]
        report.oldest_unsealed = min(filter(None, (report.oldest_unsealed, found[1])), default=None)
    return report


@dataclass(frozen=True, slots=True)
class _Link:
    position: int
    audit_id: UUID
    details_digest: str | None
    digest: str
    row: Mapping[str, Any] | None

    @classmethod
    def of(cls, row: Row) -> "_Link":
        told = dict(zip(_KEYS, row, strict=True))
        return cls(
            told["position"],
            told["audit_id"],
            told["details_digest"],
            told["digest"],
            told if told["id"] is not None else None,
        )

    def fits(self, previous: str, row: Mapping[str, Any]) -> bool:
        return digest(previous, row, self.details_digest) == self.digest


class _Walk:
    """Goes from seal to seal. After a damage it trusts the stored digest, so that each is told once."""

    def __init__(self, anchors: dict[int, str]) -> None:
        self.report = Report()
        self._anchors = anchors
        self._recomputed: str | None = None
        self._misfits: list[tuple[Damage, _Link, str]] = []

    def step(self, link: _Link) -> None:
        at, previous = self.report.head
        self.report.sealed += 1
        if link.position != at + 1:
            missing = f"the seals from {at + 1} to {link.position - 1} are missing"
            self._damaged(link.position - 1, None, missing)
            self._recomputed = None
        elif link.row is None:
            self._damaged(link.position, link.audit_id, "the row is missing")
            self._recomputed = None
        else:
            self._compare(link, link.row, previous)
        if self._anchors.pop(link.position, link.digest) != link.digest:
            self._damaged(link.position, link.audit_id, "the chain is another one than when it was anchored")
        self.report.head = (link.position, link.digest)

    def _compare(self, link: _Link, row: Mapping[str, Any], previous: str) -> None:
        recomputed, self._recomputed = self._recomputed, None
        if link.fits(previous, row):
            self._settle(recomputed, "the row was altered")
        elif recomputed is not None and link.fits(recomputed, row):
            self._settle(recomputed, "the seal was altered")
        else:
            damage = self._damaged(link.position, link.audit_id, "the row or its seal was altered")
            if len(self._misfits) < MOST_DAMAGES:
                self._recomputed = digest(previous, row, link.details_digest)
                self._misfits.append((damage, link, previous))
            return
        if row["details"] is None:
            self.report.erased += link.details_digest is not None
        elif details_digest(row["details"]) != link.details_digest:
            self._damaged(link.position, link.audit_id, "the details were altered")

    def _settle(self, recomputed: str | None, problem: str) -> None:
        """The next seal tells what was wrong before: whether it was made over the digest that is stored."""
        if recomputed is not None:
            self._misfits[-1][0].problem = problem

    def end(self) -> None:
        for damage, link, previous in self._misfits:
            for _, other, _ in self._misfits:
                if other is not link and other.row and link.fits(previous, other.row):
                    damage.problem = f"reordered: it stood for row {other.audit_id}"
        for position in sorted(self._anchors):
            self._damaged(position, None, "it was anchored and is gone")

    def _damaged(self, position: int, audit_id: UUID | None, problem: str) -> Damage:
        damage = Damage(position, audit_id, problem)
        self.report.damaged += 1
        if len(self.report.damages) < MOST_DAMAGES:
            self.report.damages.append(damage)
        return damage
