"""A customer's cart: what is wanted and where it shall go. Nothing is promised or priced yet."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import NewType, Self
from uuid import UUID

from bailiwick.catalog.contract import MOST_LINES, Line
from bailiwick.kernel.domain import Aggregate, Invalid

CartId = NewType("CartId", UUID)

MOST_PIECES = 1_000_000
LONGEST_SKU = 64
LONGEST = {"recipient": 100, "street": 200, "city": 100, "region": 100, "postcode": 20}
MAY_BE_EMPTY = ("region", "postcode")


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where goods go. `country` is its ISO 3166 code, two capital letters."""

    recipient: str
    street: str
    city: str
    region: str = ""
    postcode: str = ""
    country: str

    def __post_init__(self) -> None:
        for part in (field.name for field in fields(self) if field.name in LONGEST):
            text: str = getattr(self, part)
            if len(text) > LONGEST[part] or (part not in MAY_BE_EMPTY and not text.strip()):
                raise Invalid(f"a {part} has 1 to {LONGEST[part]} characters", field=part)
        if not (len(self.country) == 2 and self.country.isascii() and self.country.isupper()):
            raise Invalid("a country is named by two capital letters, such as NA", field="country")


def checked(lines: Sequence[Line]) -> tuple[Line, ...]:
    """The lines as they may be wanted: each SKU once, 1 to 1,000,000 pieces. Raises Invalid."""
    if len(lines) > MOST_LINES:
        raise Invalid(f"at most {MOST_LINES} different things at once", field="lines")
    if len({line.sku for line in lines}) < len(lines):
        raise Invalid("name each SKU once, with all the pieces of it", field="lines")
    if not all(1 <= len(line.sku) <= LONGEST_SKU for line in lines):
        raise Invalid(f"a SKU has 1 to {LONGEST_SKU} characters", field="sku")
    if not all(1 <= line.quantity <= MOST_PIECES for line in lines):
        raise Invalid(f"1 to {MOST_PIECES} pieces of a thing", field="quantity")
    return tuple(lines)


@dataclass(eq=False, kw_only=True)
class Cart(Aggregate):
    """Each customer has one, which lasts: placing an order empties it and keeps the address."""

    id: CartId
    customer_id: UUID
    currency: str
    lines: tuple[Line, ...] = ()
    coupon: str | None = None
    address: Address | None = None
    updated_at: datetime

    @classmethod
    def take(cls, id: CartId, customer_id: UUID, currency: str, now: datetime) -> Self:
        return cls(id=id, customer_id=customer_id, currency=currency, updated_at=now)

    def fill(
        self,
        lines: Sequence[Line],
        currency: str,
        coupon: str | None,
        address: Address | None,
        now: datetime,
    ) -> None:
        """Put exactly this into it. Raises Invalid."""
        self.lines, self.currency, self.coupon, self.address = checked(lines), currency, coupon, address
        self.updated_at = now

    def empty(self, now: datetime) -> None:
        """Take everything out; where nothing is in it, nothing happens."""
        if self.lines or self.coupon:
            self.lines, self.coupon, self.updated_at = (), None, now
