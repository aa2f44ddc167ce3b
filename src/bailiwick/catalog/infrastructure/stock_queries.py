"""What readers of stock see: SQL straight into a view."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select

from bailiwick.catalog.contract import CatalogPermission, StockMove
from bailiwick.catalog.domain.product import ProductId, ProductStatus
from bailiwick.catalog.domain.reservation import ReservationId, ReservationStatus
from bailiwick.catalog.domain.stock import Movement
from bailiwick.catalog.infrastructure.tables import (
    movements,
    products,
    reservation_lines,
    reservations,
    stocks,
    variants,
)
from bailiwick.kernel.application import Actor, Page
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.listing import Filter, InvalidListing, Listing, ListRequest, columns_of
from bailiwick.kernel.domain import NotFound
from bailiwick.kernel.specification import Relation


@dataclass
class StockView:
    """How much of a SKU is on hand, how much of that is reserved, and how much can be reserved."""

    id: UUID
    sku: str
    on_hand: int
    reserved: int
    available: int
    recounted_at: datetime | None


@dataclass
class MovementView:
    """What was done to the stock of a SKU. `moved_by` is null where an order or the clock did it."""

    id: UUID
    sku: str
    move: StockMove
    quantity: int
    reservation_id: UUID | None
    note: str
    moved_by: UUID | None
    moved_at: datetime

    @classmethod
    def of(cls, movement: Movement) -> "MovementView":
        return cls(
            id=movement.id,
            sku=movement.sku,
            move=movement.move,
            quantity=movement.quantity,
            reservation_id=movement.reservation_id,
            note=movement.note,
            moved_by=movement.moved_by,
            moved_at=movement.moved_at,
        )


@dataclass
class ReservedLineView:
    """So many pieces of a SKU, and how many came back after they had left."""

    sku: str
    quantity: int
    given_back: int


@dataclass
class ReservationView:
    """Goods set aside. `seconds_left` counts down to 0, when they are free again; 0 once it has ended."""

    id: UUID
    status: ReservationStatus
    lines: list[ReservedLineView]
    reserved_at: datetime
    expires_at: datetime
    seconds_left: int
    ended_at: datetime | None


@dataclass
class VariantAvailability:
    """How many pieces of a SKU can be ordered now."""

    sku: str
    available: int


@dataclass
class AvailabilityView:
    """What can be ordered now of each variant of a product."""

    variants: list[VariantAvailability]


_available = stocks.c.on_hand - stocks.c.reserved

STOCK = Listing(
    StockView,
    select(
        stocks.c.id,
        stocks.c.sku,
        stocks.c.on_hand,
        stocks.c.reserved,
        _available.label("available"),
        stocks.c.recounted_at,
    ),
    key=stocks.c.id,
    sorts={
        "sku": stocks.c.sku,
        "on_hand": stocks.c.on_hand,
        "reserved": stocks.c.reserved,
        "available": _available,
    },
    default_sort="sku",
    filters={
        "sku": Filter(stocks.c.sku, str),
        "available_at_most": Filter(_available, int, Relation.AT_MOST),
    },
    search=[stocks.c.sku],
)


class Movements(Listing[MovementView]):
    """A list that grows at its end: by cursor only."""

    def parse(self, query: Mapping[str, str], seal: bytes = b"") -> ListRequest:
        if "page" in query:
            raise InvalidListing("this list has no numbered pages; ask with a cursor", field="page")
        return super().parse({"cursor": "", **query}, seal)

    def parameters(self) -> list[dict[str, Any]]:
        return [each for each in super().parameters() if each["name"] != "page"]


MOVEMENTS = Movements(
    MovementView,
    select(*columns_of(MovementView, movements)).where(
        movements.c.sku.in_(select(variants.c.sku).where(variants.c.product_id == bindparam("product_id")))
    ),
    key=movements.c.id,
    sorts={"id": movements.c.id},
    default_sort="-id",
    filters={"sku": Filter(movements.c.sku, str), "move": Filter(movements.c.move, StockMove)},
)

_ONE = (
    select(*reservations.c, *(reservation_lines.c[name] for name in ("sku", "quantity", "given_back")))
    .select_from(reservations.outerjoin(reservation_lines))
    .where(reservations.c.id == bindparam("id"))
    .order_by(reservation_lines.c.position)
)
_AVAILABLE = (
    select(products.c.status, variants.c.sku, func.coalesce(_available, 0).label("available"))
    .select_from(
        products.join(variants, variants.c.product_id == products.c.id).outerjoin(
            stocks, stocks.c.sku == variants.c.sku
        )
    )
    .where(products.c.id == bindparam("product_id"))
    .order_by(variants.c.position)
)
_OF_PRODUCT = select(products.c.id).where(products.c.id == bindparam("product_id"))


async def stock_page(database: Database, asked: ListRequest, actor: Actor) -> Page[StockView]:
    """Raises PermissionRequired."""
    actor.require(CatalogPermission.MANAGE)
    return await STOCK.page(database, asked)


async def availability(database: Database, product_id: ProductId, actor: Actor | None) -> AvailabilityView:
    """Raises NotFound, also for an archived product where the caller does not manage the catalogue."""
    rows = await database.all(_AVAILABLE, product_id=product_id)
    manages = actor is not None and actor.may(CatalogPermission.MANAGE)
    if not rows or not (manages or rows[0][0] == ProductStatus.ACTIVE):
        raise NotFound("no such product")
    return AvailabilityView([VariantAvailability(sku, available) for _, sku, available in rows])


async def movements_page(
    database: Database, asked: ListRequest, product_id: ProductId, actor: Actor
) -> Page[MovementView]:
    """Those of all variants of the product. Raises PermissionRequired, and NotFound for no such product."""
    actor.require(CatalogPermission.MANAGE)
    if await database.first(_OF_PRODUCT, product_id=product_id) is None:
        raise NotFound("no such product")
    return await MOVEMENTS.page(database, asked, product_id=product_id)


async def one_reservation(
    database: Database, id: ReservationId, actor: Actor, now: datetime
) -> ReservationView:
    """One whose time is up shows as expired, also where nobody has ended it yet. Raises PermissionRequired,
    and NotFound."""
    actor.require(CatalogPermission.MANAGE)
    rows = await database.all(_ONE, id=id)
    if not rows:
        raise NotFound("no such reservation")
    (_, status, reserved_at, expires_at, ended_at, _), width = rows[0][:6], len(reservations.c)
    lines = [ReservedLineView(*row[width:]) for row in rows if row[width] is not None]
    left = ceil((expires_at - now) / timedelta(seconds=1)) if status == ReservationStatus.HELD else 0
    shown = ReservationStatus(status)
    if shown is ReservationStatus.HELD and left <= 0:
        shown = ReservationStatus.EXPIRED
    return ReservationView(id, shown, lines, reserved_at, expires_at, max(0, left), ended_at)
