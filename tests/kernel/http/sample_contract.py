"""A contract with every kind of value that travels, and somebody who answers it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from bailiwick.kernel.application import PermissionRequired, Stale, TooMany, Unauthenticated
from bailiwick.kernel.domain import Conflict, DomainError, Forbidden, Invalid, NotFound
from bailiwick.kernel.module import Module

NOW = datetime(2026, 3, 1, 12, 30, 1, 123456, tzinfo=UTC)


class Speed(StrEnum):
    SLOW = "slow"
    FAST = "fast"


@dataclass(frozen=True, slots=True)
class Parcel:
    id: UUID
    weight: Decimal
    speed: Speed
    sent_at: datetime | None = None
    marks: tuple[str, ...] = ()
    opened_by: frozenset[UUID] = frozenset()


class ParcelTaken(Conflict):
    """Somebody else was quicker."""


class Parcels(Protocol):
    """Questions about parcels."""

    async def found(self, ids: Sequence[UUID], *, speed: Speed | None = None) -> dict[UUID, Parcel]: ...

    async def same(self, parcel: Parcel, times: int = 2) -> list[Parcel]: ...

    async def check(self, what: str) -> None: ...


REFUSALS: dict[str, Callable[[], Exception]] = {
    "not found": lambda: NotFound("no such parcel"),
    "a named conflict": lambda: ParcelTaken("it is gone", by="Ben", since=[1, 2]),
    "invalid": lambda: Invalid("too heavy", field="weight", most=30),
    "forbidden": lambda: Forbidden("not yours"),
    "a permission": lambda: PermissionRequired("you are not allowed to do this", permission="parcels.open"),
    "unauthenticated": lambda: Unauthenticated("who are you?"),
    "stale": lambda: Stale("changed since", version=3),
    "too many": lambda: TooMany("slowly", retry_after=7),
}


@dataclass
class Storeroom:
    """Answers from memory, and refuses what it is told to refuse."""

    parcels: dict[UUID, Parcel] = field(default_factory=dict)
    asked: list[Any] = field(default_factory=list)

    async def found(self, ids: Sequence[UUID], *, speed: Speed | None = None) -> dict[UUID, Parcel]:
        self.asked.append((ids, speed))
        here = [self.parcels[id] for id in ids if id in self.parcels]
        return {each.id: each for each in here if speed in (None, each.speed)}

    async def same(self, parcel: Parcel, times: int = 2) -> list[Parcel]:
        return [parcel] * times

    async def check(self, what: str) -> None:
        self.asked.append(what)
        if what in REFUSALS:
            raise REFUSALS[what]()
        if what == "a mistake":
            raise RuntimeError("a secret of the storeroom")


@dataclass
class LiarRoom(Storeroom):
    """Answers otherwise than the contract says."""

    async def same(self, parcel: Parcel, times: int = 2) -> list[Parcel]:
        return "nothing"  # type: ignore[return-value]  # that is the lie


def module(answerer: Parcels) -> Module:
    return Module("storage", routers=(), provides=(), contracts={Parcels: answerer})


def told(error: DomainError) -> tuple[type[DomainError], str, str, str | None, dict[str, Any], int | None]:
    """What a caller can tell of a refusal."""
    kinds = (Unauthenticated, TooMany, Stale, NotFound, Forbidden, Conflict, Invalid)
    kind = next(kind for kind in kinds if isinstance(error, kind))
    wait = error.retry_after if isinstance(error, TooMany) else None
    return kind, error.code, error.detail, error.field, error.extra, wait
