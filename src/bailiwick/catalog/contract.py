"""What the rest of the system may know about the catalogue. Other contexts import this file and no other."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from bailiwick.kernel.domain import Event
from bailiwick.kernel.money import Money

MOST_LINES = 100
"""So many different things can be asked for, or reserved, at once."""


class CatalogPermission(StrEnum):
    """What a role may allow in this context."""

    MANAGE = "catalog.manage"
    """Change products, categories and stock, and see what is archived."""


class StockMove(StrEnum):
    """Why stock changed. Reserved goods are still there; committed ones have left."""

    RECEIVE = "receive"
    ADJUST = "adjust"
    RESERVE = "reserve"
    RELEASE = "release"
    COMMIT = "commit"
    RETURN = "return"


@dataclass(frozen=True, kw_only=True)
class ProductAdded(Event):
    """Something new is in the catalogue."""

    product_id: UUID
    name: str


@dataclass(frozen=True, kw_only=True)
class ProductArchived(Event):
    """A product is no longer sold."""

    product_id: UUID


@dataclass(frozen=True, kw_only=True)
class ProductActivated(Event):
    """A product is sold again."""

    product_id: UUID


@dataclass(frozen=True, kw_only=True)
class PriceChanged(Event):
    """A variant costs something else in one currency. Minor units; None where it is not sold in it."""

    product_id: UUID
    sku: str
    currency: str
    old: int | None
    new: int | None


@dataclass(frozen=True, kw_only=True)
class StockMoved(Event):
    """There is more or less of a SKU, or more or less of it is reserved. `quantity` is above 0, except
    that an adjustment may take away. `reservation_id` is None where nobody ordered."""

    sku: str
    move: StockMove
    quantity: int
    reservation_id: UUID | None


@dataclass(frozen=True)
class Offer:
    """What a variant is, and what one piece of it costs now."""

    sku: str
    product_id: UUID
    title: str
    price: Money


@dataclass(frozen=True)
class Line:
    """So many pieces (1 to 1,000,000) of one SKU."""

    sku: str
    quantity: int


class Catalog(Protocol):
    """The questions that other contexts may ask, and what they may have done with the stock.

    Whoever asks makes the key, a new id for each reservation. The same key has the same effect, once,
    whatever is repeated.
    """

    async def offers(self, skus: Sequence[str], currency: str) -> dict[str, Offer]:
        """Those of `skus` (at most 100) that are sold in this currency now, by SKU."""
        ...

    async def reserve(self, key: UUID, lines: Sequence[Line], expires_in: int) -> None:
        """Set goods aside, all or none, for `expires_in` seconds (1 to 7 days).

        Raises Conflict (`out_of_stock`, which says of what and how much is left) where there is not enough,
        or where `release` was asked before.
        """
        ...

    async def release(self, key: UUID) -> None:
        """Make available again what `reserve` was asked to set aside, or has left, under this key.

        Nothing, if it has not been or is over; a `reserve` that comes later under this key is refused. Of
        goods that were committed and not given back, all come back.
        """
        ...

    async def commit(self, key: UUID) -> None:
        """The reserved goods leave. Raises Conflict where they are not reserved any more."""
        ...

    async def give_back(self, key: UUID, reservation: UUID, lines: Sequence[Line]) -> None:
        """Take goods back into stock: at most as many as left with `reservation`.

        Raises NotFound for a reservation that never was, Conflict for more than has left.
        """
        ...
