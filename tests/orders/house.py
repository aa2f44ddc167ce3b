"""A house beside the shop: goods and money that keep the promises of catalog's and payments' contracts.

Everything is in memory, and counted, so that a test can see what there is of it at the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid5

from bailiwick.catalog.contract import Line, Offer
from bailiwick.kernel.domain import Conflict, NotFound
from bailiwick.kernel.money import Money

NAMESPACE = UUID(int=4)


class OutOfStock(Conflict):
    """There is not enough of it."""


class InsufficientBalance(Conflict):
    """There is too little in the purse."""


@dataclass
class Goods:
    lines: tuple[Line, ...]
    status: str = "reserved"
    returned: dict[str, int] = field(default_factory=dict)


@dataclass
class Warehouse:
    """Answers for catalog. `stock` is what can be sold; what is reserved or has left is not in it."""

    prices: dict[str, Money] = field(default_factory=dict)
    stock: dict[str, int] = field(default_factory=dict)
    reservations: dict[UUID, Goods] = field(default_factory=dict)
    over: set[UUID] = field(default_factory=set)
    returns: dict[UUID, tuple[Line, ...]] = field(default_factory=dict)

    def sell(self, sku: str, price: Money, pieces: int) -> None:
        self.prices[sku], self.stock[sku] = price, pieces

    async def offers(self, skus: Sequence[str], currency: str) -> dict[str, Offer]:
        return {
            sku: Offer(sku, uuid5(NAMESPACE, sku), f"A {sku}", price)
            for sku, price in self.prices.items()
            if sku in skus and price.currency == currency
        }

    async def reserve(self, key: UUID, lines: Sequence[Line], expires_in: int) -> None:
        if key in self.over:
            raise Conflict("this was released")
        if key in self.reservations:
            return
        for line in lines:
            if self.stock.get(line.sku, 0) < line.quantity:
                raise OutOfStock(f"only {self.stock.get(line.sku, 0)} left of {line.sku}")
        for line in lines:
            self.stock[line.sku] -= line.quantity
        self.reservations[key] = Goods(tuple(lines))

    async def release(self, key: UUID) -> None:
        self.over.add(key)
        goods = self.reservations.get(key)
        if goods is None or goods.status == "released":
            return
        goods.status = "released"
        for line in goods.lines:
            self.stock[line.sku] += line.quantity - goods.returned.get(line.sku, 0)

    async def commit(self, key: UUID) -> None:
        goods = self.reservations.get(key)
        if goods is None or goods.status == "released":
            raise Conflict("the goods are not reserved any more")
        goods.status = "committed"

    async def give_back(self, key: UUID, reservation: UUID, lines: Sequence[Line]) -> None:
        if key in self.returns:
            return
        goods = self.reservations.get(reservation)
        if goods is None:
            raise NotFound("no such reservation")
        left = {line.sku: line.quantity - goods.returned.get(line.sku, 0) for line in goods.lines}
        if goods.status != "committed" or any(left.get(line.sku, 0) < line.quantity for line in lines):
            raise Conflict("more than has left")
        self.returns[key] = tuple(lines)
        for line in lines:
            goods.returned[line.sku] = goods.returned.get(line.sku, 0) + line.quantity
            self.stock[line.sku] += line.quantity


@dataclass
class Hold:
    payer_id: UUID
    amount: Money
    status: str = "held"
    refunded: int = 0


@dataclass
class Bank:
    """Answers for payments. `purses` is what people can spend, `till` what the shop has."""

    purses: dict[UUID, int] = field(default_factory=dict)
    till: int = 0
    holds: dict[UUID, Hold] = field(default_factory=dict)
    over: set[UUID] = field(default_factory=set)
    refunds: dict[UUID, Money] = field(default_factory=dict)

    async def hold(self, key: UUID, payer_id: UUID, amount: Money, reference: str, expires_in: int) -> None:
        if key in self.over:
            raise Conflict("this was released")
        if key in self.holds:
            return
        if self.purses.get(payer_id, 0) < amount.amount:
            raise InsufficientBalance("there is too little in your purse")
        self.purses[payer_id] -= amount.amount
        self.holds[key] = Hold(payer_id, amount)

    async def release(self, key: UUID) -> None:
        hold = self.holds.get(key)
        if hold is not None and hold.status == "captured":
            raise Conflict("it has been captured")
        if key not in self.over and hold is not None:
            hold.status = "voided"
            self.purses[hold.payer_id] += hold.amount.amount
        self.over.add(key)

    async def capture(self, key: UUID) -> None:
        hold = self.holds.get(key)
        if hold is None or hold.status == "voided":
            raise Conflict("nothing is held any more")
        if hold.status == "held":
            hold.status = "captured"
            self.till += hold.amount.amount

    async def refund(self, key: UUID, hold: UUID, amount: Money, reference: str) -> None:
        if key in self.refunds:
            return
        held = self.holds.get(hold)
        if held is None:
            raise NotFound("no such hold")
        if held.status != "captured" or held.refunded + amount.amount > held.amount.amount:
            raise Conflict("more than is left to refund")
        self.refunds[key] = amount
        held.refunded += amount.amount
        self.till -= amount.amount
        self.purses[held.payer_id] += amount.amount
