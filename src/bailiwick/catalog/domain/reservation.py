"""A reservation: goods set aside for a time. They leave by a commit, or are available again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType, Self
from uuid import UUID

from bailiwick.catalog.contract import Line
from bailiwick.kernel.domain import Aggregate, Conflict, Invalid

ReservationId = NewType("ReservationId", UUID)
ReturnId = NewType("ReturnId", UUID)

LONGEST_SECONDS = 7 * 24 * 3600


class ReservationStatus(StrEnum):
    """How a reservation stands. Only held goods can leave; what is committed has left."""

    HELD = "held"
    COMMITTED = "committed"
    RELEASED = "released"
    EXPIRED = "expired"


class ReservationOver(Conflict):
    """Nothing is reserved under this key any more, or ever will be. `status` says how it ended."""


class ReservationDiffers(Conflict):
    """The key was used before, for something else."""


class MoreThanHasLeft(Conflict):
    """So much did not leave with the reservation, or is back already. `left` says what is out, by SKU."""


@dataclass(eq=False, kw_only=True)
class ReservedLine:
    """So many pieces of one SKU, and how many of them have come back after they had left."""

    sku: str
    quantity: int
    given_back: int = 0


@dataclass(eq=False, kw_only=True)
class Reservation(Aggregate):
    """Goods set aside, all or none, until `expires_at`. Its id is the key that its maker chose.

    One without lines was released before it was ever made: it stands in the way of a request that is late.
    """

    id: ReservationId
    lines: list[ReservedLine] = field(default_factory=list)
    status: ReservationStatus
    reserved_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None

    @classmethod
    def hold(cls, id: ReservationId, lines: Sequence[Line], expires_in: int, now: datetime) -> Self:
        """`expires_in` is in seconds. Raises Invalid unless that is 1 second to 7 days."""
        if not 1 <= expires_in <= LONGEST_SECONDS:
            raise Invalid("goods are reserved for 1 second to 7 days", field="expires_in")
        return cls(
            id=id,
            lines=[ReservedLine(sku=line.sku, quantity=line.quantity) for line in lines],
            status=ReservationStatus.HELD,
            reserved_at=now,
            expires_at=now + timedelta(seconds=expires_in),
        )

    @classmethod
    def refused_in_advance(cls, id: ReservationId, now: datetime) -> Self:
        """What is left where it is released before it was made."""
        return cls(id=id, status=ReservationStatus.RELEASED, reserved_at=now, expires_at=now, ended_at=now)

    @property
    def goods(self) -> list[Line]:
        """All that it was made for."""
        return [Line(line.sku, line.quantity) for line in self.lines]

    @property
    def out(self) -> list[Line]:
        """What has left with it and has not come back."""
        if self.status is not ReservationStatus.COMMITTED:
            return []
        left = (Line(line.sku, line.quantity - line.given_back) for line in self.lines)
        return [line for line in left if line.quantity]

    def holds(self, now: datetime) -> bool:
        """Whether its goods are set aside. Its time limits it, even where nobody has ended it yet."""
        return self.status is ReservationStatus.HELD and now < self.expires_at

    def asked_again(self, lines: Sequence[Line], now: datetime) -> None:
        """Somebody repeats the request that made it, which changes nothing.

        Raises ReservationOver where the goods are neither set aside nor gone, ReservationDiffers where others
        are wanted.
        """
        if self.status is not ReservationStatus.COMMITTED:
            self._check_held(now)
        if self.goods != list(lines):
            raise ReservationDiffers("other goods were reserved under this key")

    def leave(self, now: datetime) -> None:
        """The goods are gone. Raises ReservationOver, also when its time is up and nobody has noticed."""
        self._check_held(now)
        self._end(ReservationStatus.COMMITTED, now)

    def release(self, now: datetime) -> None:
        """The goods are free again, or are all back."""
        if self.status is ReservationStatus.COMMITTED:
            for line in self.lines:
                line.given_back = line.quantity
        self._end(ReservationStatus.RELEASED, now)

    def expire(self, now: datetime) -> None:
        """Its time is up: the goods are free again."""
        self._end(ReservationStatus.EXPIRED, now)

    def give_back(self, lines: Sequence[Line]) -> None:
        """Goods that have left come back. Raises MoreThanHasLeft; then none do."""
        out = {line.sku: line.quantity for line in self.out}
        if any(line.quantity > out.get(line.sku, 0) for line in lines):
            raise MoreThanHasLeft("so much has not left with this reservation, or is back", left=out)
        back = {line.sku: line.quantity for line in lines}
        for line in self.lines:
            line.given_back += back.get(line.sku, 0)

    def _check_held(self, now: datetime) -> None:
        if not self.holds(now):
            held = self.status is ReservationStatus.HELD
            status = ReservationStatus.EXPIRED if held else self.status
            raise ReservationOver(f"the reservation is {status}", status=status.value)

    def _end(self, status: ReservationStatus, now: datetime) -> None:
        self.status, self.ended_at = status, now


@dataclass(eq=False, kw_only=True)
class Return(Aggregate):
    """Goods that came back, once for each key: its id is the key that whoever gave them back chose."""

    id: ReturnId
    reservation_id: UUID
    lines: tuple[Line, ...]
    returned_at: datetime

    def asked_again(self, reservation_id: UUID, lines: Sequence[Line]) -> None:
        """Raises ReservationDiffers where it was made for another reservation or other goods."""
        if (self.reservation_id, self.lines) != (reservation_id, tuple(lines)):
            raise ReservationDiffers("other goods were given back under this key")
