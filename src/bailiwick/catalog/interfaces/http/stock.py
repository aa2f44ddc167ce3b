"""The routes of stock."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bailiwick.catalog.application.ports import CatalogPorts
from bailiwick.catalog.application.stock import MoveStock, move_stock
from bailiwick.catalog.contract import StockMove
from bailiwick.catalog.domain.product import LONGEST_SKU, ProductId
from bailiwick.catalog.domain.reservation import ReservationId
from bailiwick.catalog.domain.stock import LONGEST_NOTE, MOST_PIECES, Movement
from bailiwick.catalog.infrastructure.stock_queries import (
    MOVEMENTS,
    STOCK,
    AvailabilityView,
    MovementView,
    ReservationView,
    StockView,
    availability,
    movements_page,
    one_reservation,
    stock_page,
)
from bailiwick.kernel.application import Actor, Page
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.listing import ListRequest
from bailiwick.kernel.http.routing import Router

router = Router("catalog", prefix="/api/v1")

Note = Annotated[str, StringConstraints(max_length=LONGEST_NOTE)]


class MovementBody(BaseModel):
    """Goods that came in, or a correction, above or below 0, with a note that says why."""

    model_config = ConfigDict(extra="forbid")

    sku: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_SKU)]
    move: Literal["receive", "adjust"]
    quantity: int = Field(ge=-MOST_PIECES, le=MOST_PIECES)
    note: Note = ""


@router.get("/stock", listing=STOCK)
async def list_stock(asked: ListRequest, actor: Actor, database: Database) -> Page[StockView]:
    """What is on hand of every SKU, and what is reserved. `filter[available_at_most]` finds low stock."""
    return await stock_page(database, asked, actor)


@router.get("/products/{product_id}/availability", public=True)
async def read_availability(
    product_id: ProductId, actor: Actor | None, database: Database
) -> AvailabilityView:
    """How many pieces of each variant of a product can be ordered now."""
    return await availability(database, product_id, actor)


@router.get("/products/{product_id}/stock-movements", listing=MOVEMENTS)
async def list_stock_movements(
    product_id: ProductId, asked: ListRequest, actor: Actor, database: Database
) -> Page[MovementView]:
    """Everything that was done to the stock of a product, the newest first."""
    return await movements_page(database, asked, product_id, actor)


@router.post(
    "/products/{product_id}/stock-movements",
    status=201,
    view=MovementView.of,
    location="/api/v1/stock?filter%5Bsku%5D={sku}",
    idempotent="required",
)
async def add_stock_movement(
    product_id: ProductId, body: MovementBody, actor: Actor, ports: CatalogPorts
) -> Movement:
    """Receive goods, or adjust what is on hand. What is reserved cannot be taken away."""
    move = StockMove(body.move)
    command = MoveStock(product_id, body.sku, move, body.quantity, body.note, by=actor)
    return await move_stock(command, ports)


@router.get("/reservations/{reservation_id}")
async def read_reservation(
    reservation_id: ReservationId, actor: Actor, database: Database, ports: CatalogPorts
) -> ReservationView:
    """Goods that are set aside, and for how long."""
    return await one_reservation(database, reservation_id, actor, ports.clock())
