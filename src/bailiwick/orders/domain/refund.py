"""A refund: money that goes back to the customer, with or without the goods coming back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

from bailiwick.catalog.contract import Line
from bailiwick.kernel.domain import Conflict, Invalid
from bailiwick.kernel.money import Money
from bailiwick.orders.domain.bill import Bill, added_up

RefundId = NewType("RefundId", UUID)


class RefundTooHigh(Conflict):
    """More than is left of what the customer has paid: `refundable`, in minor units."""


class MoreThanOrdered(Conflict):
    """More pieces than were ordered and not refunded yet: `left` says how many there are."""


class RefundUnclear(Invalid):
    """A refund is of an amount or of goods; goods that come back are named."""


class RefundStatus(StrEnum):
    """A refund is promised first; then the money is back, or could not be given back."""

    REQUESTED = "requested"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class Refund:
    """`pieces` are what it is for. They go back into stock where `goods_back` says so.

    `goods_returned` tells whether they did. `reason` is the code of the refusal.
    """

    id: RefundId
    amount: Money
    pieces: tuple[Line, ...]
    goods_back: bool
    status: RefundStatus = RefundStatus.REQUESTED
    goods_returned: bool = False
    reason: str | None = None
    requested_at: datetime
    ended_at: datetime | None = None

    @property
    def stands(self) -> bool:
        """What is promised counts like what is done: it cannot be promised again."""
        return self.status is not RefundStatus.REFUSED


@dataclass(frozen=True)
class Account:
    """What was paid for, and what of it was given back or promised."""

    bill: Bill
    refunds: Sequence[Refund]

    @property
    def refundable(self) -> Money:
        standing = [refund.amount for refund in self.refunds if refund.stands]
        return self.bill.total - added_up(standing, self.bill.currency)

    @property
    def paid_back(self) -> Money:
        done = [refund.amount for refund in self.refunds if refund.status is RefundStatus.DONE]
        return added_up(done, self.bill.currency)

    @property
    def kept(self) -> tuple[Line, ...]:
        """The goods that do not come back with any refund."""
        lines = (Line(line.sku, line.quantity - self._coming_back(line.sku)) for line in self.bill.lines)
        return tuple(line for line in lines if line.quantity)

    def amount_of(self, amount: Money | None, pieces: Sequence[Line]) -> Money:
        """What a refund of this is worth. Raises MoreThanOrdered, RefundTooHigh, RefundUnclear."""
        worth = self._worth(pieces)
        if amount is None and not pieces:
            raise RefundUnclear("say how much, or which goods, are to be refunded", field="amount")
        asked = worth if amount is None else amount
        if self.refundable < asked:
            left = self.refundable
            raise RefundTooHigh(f"at most {left} can be refunded", refundable=left.amount, field="amount")
        return asked

    def _worth(self, pieces: Sequence[Line]) -> Money:
        lines = {line.sku: line for line in self.bill.lines}
        amounts = []
        for piece in pieces:
            line, before = lines.get(piece.sku), self._refunded(piece.sku)
            left = 0 if line is None else line.quantity - before
            if line is None or piece.quantity > left:
                detail = f"{left} of {piece.sku} can be refunded"
                raise MoreThanOrdered(detail, sku=piece.sku, left=left, field="lines")
            amounts.append(line.worth(piece.quantity, before))
        return added_up(amounts, self.bill.currency)

    def _refunded(self, sku: str) -> int:
        return _pieces(sku, [refund for refund in self.refunds if refund.stands])

    def _coming_back(self, sku: str) -> int:
        return _pieces(sku, [refund for refund in self.refunds if refund.stands and refund.goods_back])


def _pieces(sku: str, refunds: Sequence[Refund]) -> int:
    return sum(piece.quantity for refund in refunds for piece in refund.pieces if piece.sku == sku)
