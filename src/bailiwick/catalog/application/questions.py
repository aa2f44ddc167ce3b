"""What other contexts may ask, and have done with the stock. The same key has the same effect, once.

Whoever loses against somebody quicker meets Contention, comes again, and finds what the other has done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from bailiwick.catalog.application.ports import CatalogPorts
from bailiwick.catalog.application.stock import ExpireReservation, move_lines
from bailiwick.catalog.contract import MOST_LINES, Line, Offer, StockMove
from bailiwick.catalog.domain.reservation import (
    Reservation,
    ReservationId,
    ReservationOver,
    ReservationStatus,
    Return,
    ReturnId,
)
from bailiwick.catalog.domain.stock import check_enough, gathered
from bailiwick.kernel.domain import Invalid, NotFound


@dataclass(frozen=True)
class CatalogQuestions:
    """Answers the contract `Catalog`."""

    ports: CatalogPorts

    async def offers(self, skus: Sequence[str], currency: str) -> dict[str, Offer]:
        if len(skus) > MOST_LINES:
            raise Invalid(f"ask for at most {MOST_LINES} SKUs at once", field="skus")
        return await self.ports.offers(skus, currency)

    async def reserve(self, key: UUID, lines: Sequence[Line], expires_in: int) -> None:
        wanted, now = gathered(lines), self.ports.clock()
        reservation = Reservation.hold(ReservationId(key), wanted, expires_in, now)
        async with self.ports.uow() as uow:
            stocks = await uow.stocks.of_unless_reserved([line.sku for line in wanted], reservation.id)
            if stocks is None:
                made = await uow.reservations.get(reservation.id)
                made.asked_again(wanted, now)
                return
            check_enough(wanted, stocks)
            uow.reservations.add(reservation)
            move_lines(StockMove.RESERVE, wanted, reservation, stocks, uow, self.ports, now)
            uow.enqueue(ExpireReservation(key), delay=timedelta(seconds=expires_in))
            await uow.commit(None)

    async def release(self, key: UUID) -> None:
        now = self.ports.clock()
        async with self.ports.uow() as uow:
            reservation, stocks = await uow.reservations.with_stocks(ReservationId(key))
            if reservation is None:
                uow.reservations.add(Reservation.refused_in_advance(ReservationId(key), now))
            elif reservation.status is ReservationStatus.HELD:
                reservation.release(now)
                move_lines(StockMove.RELEASE, reservation.goods, reservation, stocks, uow, self.ports, now)
            elif reservation.status is ReservationStatus.COMMITTED:
                out = reservation.out
                reservation.release(now)
                move_lines(StockMove.RETURN, out, reservation, stocks, uow, self.ports, now)
            await uow.commit(None)

    async def commit(self, key: UUID) -> None:
        now = self.ports.clock()
        async with self.ports.uow() as uow:
            reservation, stocks = await uow.reservations.with_stocks(ReservationId(key))
            if reservation is None:
                raise ReservationOver("nothing was reserved under this key", status="unknown")
            if reservation.status is ReservationStatus.COMMITTED:
                return
            reservation.leave(now)
            move_lines(StockMove.COMMIT, reservation.goods, reservation, stocks, uow, self.ports, now)
            await uow.commit(None)

    async def give_back(self, key: UUID, reservation: UUID, lines: Sequence[Line]) -> None:
        back, now = gathered(lines), self.ports.clock()
        async with self.ports.uow() as uow:
            left_with, stocks = await uow.reservations.with_stocks(ReservationId(reservation))
            # Read last: what somebody quicker has given back is then found, not missed in what is left.
            made = await uow.returns.find(ReturnId(key))
            if made is not None:
                made.asked_again(reservation, back)
                return
            if left_with is None:
                raise NotFound("no such reservation")
            left_with.give_back(back)
            given = Return(id=ReturnId(key), reservation_id=reservation, lines=tuple(back), returned_at=now)
            uow.returns.add(given)
            move_lines(StockMove.RETURN, back, left_with, stocks, uow, self.ports, now)
            await uow.commit(None)
