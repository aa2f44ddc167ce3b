"""What an order costs: the goods at the prices of the day, less the discount, plus shipping and tax.

Discount and tax belong to the lines that they are for, to the last cent, so that each piece can be given
back for exactly what it cost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self
from uuid import UUID

from bailiwick.catalog.contract import Line, Offer
from bailiwick.kernel.domain import Conflict, Invalid
from bailiwick.kernel.money import Money


class NotSold(Conflict):
    """Some of the goods are not sold in this currency now: `skus` says which."""


class NothingWanted(Invalid):
    """An order has at least one line: the cart is empty, or none was sent."""


@dataclass(frozen=True, kw_only=True)
class OrderLine:
    """Some pieces of one thing, as it was called and priced when it was ordered. `price` is for one piece."""

    sku: str
    product_id: UUID
    title: str
    quantity: int
    price: Money
    discount: Money
    tax: Money

    @property
    def goods(self) -> Money:
        """What the pieces cost by themselves."""
        return self.price * self.quantity

    @property
    def net(self) -> Money:
        return self.goods - self.discount

    @property
    def total(self) -> Money:
        return self.net + self.tax

    def worth(self, pieces: int, given_back: int = 0) -> Money:
        """What so many pieces cost with discount and tax, where `given_back` of them were paid back before.

        The shares of all pieces add up to the total, in whatever portions they are given back.
        """
        before = self.total.amount * given_back // self.quantity
        after = self.total.amount * (given_back + pieces) // self.quantity
        return Money(after - before, self.total.currency)


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What the customer pays, and what for."""

    lines: tuple[OrderLine, ...]
    shipping: Money
    shipping_tax: Money

    @classmethod
    def of(cls, goods: Sequence[OrderLine], discount: Money, shipping: Money, tax: Money) -> Self:
        """Share the discount out over the goods, and the tax over goods and shipping."""
        discounts = shared_out(discount, [line.goods for line in goods])
        lines = [replace(line, discount=part) for line, part in zip(goods, discounts, strict=True)]
        *taxes, shipping_tax = shared_out(tax, [*(line.net for line in lines), shipping])
        taxed = [replace(line, tax=part) for line, part in zip(lines, taxes, strict=True)]
        return cls(lines=tuple(taxed), shipping=shipping, shipping_tax=shipping_tax)

    @property
    def currency(self) -> str:
        return self.shipping.currency

    @property
    def subtotal(self) -> Money:
        return added_up([line.goods for line in self.lines], self.currency)

    @property
    def discount(self) -> Money:
        return added_up([line.discount for line in self.lines], self.currency)

    @property
    def tax(self) -> Money:
        return added_up([*(line.tax for line in self.lines), self.shipping_tax], self.currency)

    @property
    def total(self) -> Money:
        return self.subtotal - self.discount + self.shipping + self.tax


def at_the_prices_of_now(
    wanted: Sequence[Line], offers: Mapping[str, Offer], currency: str
) -> tuple[OrderLine, ...]:
    """What is wanted, with the titles and prices copied. Raises NotSold, NothingWanted."""
    if not wanted:
        raise NothingWanted("there is nothing to order", field="lines")
    if missing := [line.sku for line in wanted if line.sku not in offers]:
        raise NotSold(f"not sold in {currency} now: {', '.join(missing)}", skus=missing)
    nothing = Money(0, currency)
    return tuple(
        OrderLine(
            sku=line.sku,
            product_id=offers[line.sku].product_id,
            title=offers[line.sku].title,
            quantity=line.quantity,
            price=offers[line.sku].price,
            discount=nothing,
            tax=nothing,
        )
        for line in wanted
    )


def added_up(amounts: Sequence[Money], currency: str) -> Money:
    return sum(amounts, Money(0, currency))


def shared_out(amount: Money, worths: Sequence[Money]) -> list[Money]:
    """Share by worth, losing nothing. What is worth nothing gets nothing, unless all is worth nothing."""
    weights = [worth.amount for worth in worths]
    return amount.split(weights if any(weights) else [1] * len(weights))
