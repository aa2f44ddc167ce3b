"""Stock: how much of a SKU is there, how much of that is reserved, and every movement that made it so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NewType, Self
from uuid import UUID

from bailiwick.catalog.contract import MOST_LINES, Line, StockMove, StockMoved
from bailiwick.kernel.domain import Aggregate, Conflict, Invalid

StockId = NewType("StockId", UUID)
MovementId = NewType("MovementId", UUID)

MOST_PIECES = 1_000_000
LONGEST_NOTE = 500

EFFECTS: Mapping[StockMove, tuple[int, int]] = {
    StockMove.RECEIVE: (1, 0),
    StockMove.ADJUST: (1, 0),
    StockMove.RESERVE: (0, 1),
    StockMove.RELEASE: (0, -1),
    StockMove.COMMIT: (-1, -1),
    StockMove.RETURN: (1, 0),
}
"""What one piece of each movement adds to what is on hand, and to what is reserved of it."""


class OutOfStock(Conflict):
    """There is not enough. `lines` says of what: `sku`, how many were `wanted`, how many are `available`."""


@dataclass(eq=False, kw_only=True)
class Movement(Aggregate):
    """What was done to the stock of one SKU, once and for ever: a mistake is adjusted, never changed.

    `quantity` is above 0, except that an adjustment may take away. `moved_by` is None where an order or the
    passing of time did it.
    """

    id: MovementId
    sku: str
    move: StockMove
    quantity: int
    reservation_id: UUID | None
    note: str
    moved_by: UUID | None
    moved_at: datetime

    @classmethod
    def record(
        cls,
        id: MovementId,
        sku: str,
        move: StockMove,
        quantity: int,
        now: datetime,
        *,
        reservation_id: UUID | None = None,
        note: str = "",
        by: UUID | None = None,
    ) -> Self:
        """Raises Invalid for a quantity out of range, and for an adjustment that does not say why."""
        least = -MOST_PIECES if move is StockMove.ADJUST else 1
        if quantity == 0 or not least <= quantity <= MOST_PIECES:
            raise Invalid(f"between {least} and {MOST_PIECES} pieces can be moved", field="quantity")
        if move is StockMove.ADJUST and not note.strip():
            raise Invalid("say why the stock is adjusted", field="note")
        if len(note) > LONGEST_NOTE:
            raise Invalid(f"a note has at most {LONGEST_NOTE} characters", field="note")
        movement = cls(
            id=id,
            sku=sku,
            move=move,
            quantity=quantity,
            reservation_id=reservation_id,
            note=note,
            moved_by=by,
            moved_at=now,
        )
        movement._record(
            StockMoved(occurred_at=now, sku=sku, move=move, quantity=quantity, reservation_id=reservation_id)
        )
        return movement


@dataclass(eq=False, kw_only=True)
class Stock(Aggregate):
    """How much of one SKU is on hand, and how much of that is reserved. Neither is ever below 0, and no more
    is reserved than there is."""

    id: StockId
    sku: str
    on_hand: int = 0
    reserved: int = 0
    recounted_at: datetime | None = None

    @property
    def available(self) -> int:
        return self.on_hand - self.reserved

    def apply(self, movement: Movement) -> None:
        """Be moved. Raises OutOfStock where that would take what is not there, or is reserved."""
        on_hand, reserved = (effect * movement.quantity for effect in EFFECTS[movement.move])
        if self.on_hand + on_hand < self.reserved + reserved:
            raise _out_of_stock([(self.sku, reserved - on_hand, self.available)])
        self.on_hand += on_hand
        self.reserved += reserved

    def recount(self, on_hand: int, reserved: int, now: datetime) -> None:
        """Take over what the movements and the open reservations say."""
        self.on_hand, self.reserved, self.recounted_at = on_hand, reserved, now


def gathered(lines: Sequence[Line]) -> list[Line]:
    """The lines by SKU, each SKU once. Raises Invalid for none, for too many, and for a wrong quantity."""
    pieces: dict[str, int] = {}
    for line in lines:
        if line.quantity < 1:
            raise Invalid("a line is of at least 1 piece", field="lines")
        pieces[line.sku] = pieces.get(line.sku, 0) + line.quantity
    if not 1 <= len(pieces) <= MOST_LINES:
        raise Invalid(f"name 1 to {MOST_LINES} SKUs", field="lines")
    if max(pieces.values()) > MOST_PIECES:
        raise Invalid(f"a line is of at most {MOST_PIECES} pieces", field="lines")
    return [Line(sku, quantity) for sku, quantity in sorted(pieces.items())]


def check_enough(lines: Sequence[Line], stocks: Mapping[str, Stock]) -> None:
    """Raises OutOfStock, which names every SKU that there is too little of: one without a stock, too."""
    short = [
        (line.sku, line.quantity, available)
        for line in lines
        if (available := stocks[line.sku].available if line.sku in stocks else 0) < line.quantity
    ]
    if short:
        raise _out_of_stock(short)


def _out_of_stock(short: Sequence[tuple[str, int, int]]) -> OutOfStock:
    sku, wanted, available = short[0]
    others = f", and too little of {len(short) - 1} more" if len(short) > 1 else ""
    return OutOfStock(
        f"there are {available} of {sku}, not {wanted}{others}",
        lines=[dict(zip(("sku", "wanted", "available"), one, strict=True)) for one in short],
    )
