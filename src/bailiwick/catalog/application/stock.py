"""The use cases of stock: what operators move, and what the passing of time ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from bailiwick.catalog.application.ports import CatalogPorts, CatalogUnitOfWork
from bailiwick.catalog.contract import CatalogPermission, Line, StockMove
from bailiwick.catalog.domain.product import ProductId
from bailiwick.catalog.domain.reservation import Reservation, ReservationId, ReservationStatus
from bailiwick.catalog.domain.stock import Movement, MovementId, Stock, StockId
from bailiwick.kernel.application import Actor, Contention
from bailiwick.kernel.jobs import Job


@dataclass(frozen=True)
class MoveStock:
    """Receive or adjust one SKU of a product."""

    product_id: ProductId
    sku: str
    move: StockMove
    quantity: int
    note: str
    by: Actor


async def move_stock(command: MoveStock, ports: CatalogPorts) -> Movement:
    """Raises OutOfStock where an adjustment would take what is reserved or not there."""
    command.by.require(CatalogPermission.MANAGE)
    now = ports.clock()
    async with ports.uow() as uow:
        await uow.products.check_has(command.product_id, command.sku)
        stock = (await uow.stocks.of([command.sku])).get(command.sku)
        if stock is None:
            stock = Stock(id=StockId(ports.new_id()), sku=command.sku)
            uow.stocks.add(stock)
        id = MovementId(ports.new_id())
        movement = Movement.record(
            id, command.sku, command.move, command.quantity, now, note=command.note, by=command.by.id
        )
        stock.apply(movement)
        uow.movements.add(movement)
        return await uow.commit(movement)


@dataclass(frozen=True)
class MendStock:
    """Have the stock of a SKU, as it was at this version (0: there was none), say what a recount found."""

    sku: str
    version: int
    on_hand: int
    reserved: int


async def mend_stock(command: MendStock, ports: CatalogPorts) -> None:
    """Raises Contention where the stock has moved since it was counted: count again."""
    async with ports.uow() as uow:
        stock = (await uow.stocks.of([command.sku])).get(command.sku)
        if stock is None:
            stock = Stock(id=StockId(ports.new_id()), sku=command.sku)
            uow.stocks.add(stock)
        if stock.version != command.version:
            raise Contention("the stock has moved since it was counted; count again")
        stock.recount(command.on_hand, command.reserved, ports.clock())
        await uow.commit(None)


@dataclass(frozen=True)
class ExpireReservation(Job):
    """Free what is still reserved when its time is up."""

    reservation_id: UUID

    queue: ClassVar[str] = "catalog.reservations"


async def expire_reservation(command: ExpireReservation, ports: CatalogPorts) -> None:
    async with ports.uow() as uow:
        reservation, stocks = await uow.reservations.with_stocks(ReservationId(command.reservation_id))
        if reservation is None or reservation.status is not ReservationStatus.HELD:
            return
        now = ports.clock()
        if reservation.holds(now):
            # The clock that made it was ahead of this one.
            uow.enqueue(command, delay=reservation.expires_at - now)
        else:
            reservation.expire(now)
            move_lines(StockMove.RELEASE, reservation.goods, reservation, stocks, uow, ports, now)
        await uow.commit(None)


def move_lines(
    move: StockMove,
    lines: Sequence[Line],
    reservation: Reservation,
    stocks: Mapping[str, Stock],
    uow: CatalogUnitOfWork,
    ports: CatalogPorts,
    now: datetime,
) -> None:
    """Move the stock of every line, on behalf of a reservation."""
    for line in lines:
        id = MovementId(ports.new_id())
        movement = Movement.record(id, line.sku, move, line.quantity, now, reservation_id=reservation.id)
        stocks[line.sku].apply(movement)
        uow.movements.add(movement)
