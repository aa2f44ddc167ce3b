"""A shop in a few lines of plain Python: it says what the product must answer, and what there is at rest."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

from tests.model.books import Refused

TAX_PERCENT, SHIPPING, FREE_FROM = 15, 500, 10_000
PAYMENT_SECONDS = 30 * 60
COUPON_PERCENT, COUPON_USES = 10, 2

NEXT = {
    "placed": {"paid", "cancelled"},
    "paid": {"fulfilled", "cancelled", "refunded"},
    "fulfilled": {"delivered", "refunded"},
    "delivered": {"refunded"},
    "cancelled": set[str](),
    "refunded": set[str](),
}


@dataclass
class Stock:
    on_hand: int = 0
    reserved: int = 0


@dataclass
class Order:
    """`shares` is what each line costs with its part of discount and tax."""

    customer: int
    lines: Mapping[str, int]
    total: int
    placed: int
    coupon: bool
    shares: Mapping[str, int]
    status: str = "placed"
    reason: str | None = None
    was_paid: bool = False
    refunded: int = 0
    pieces: Counter[str] = field(default_factory=Counter)
    back: Counter[str] = field(default_factory=Counter)

    def go(self, status: str) -> None:
        if status not in NEXT[self.status]:
            raise Refused("illegal_order_move")
        self.status = status

    def worth(self, pieces: Mapping[str, int]) -> int:
        worth = 0
        for sku, count in pieces.items():
            ordered, before = self.lines.get(sku, 0), self.pieces[sku]
            if count > ordered - before:
                raise Refused("more_than_ordered")
            share = self.shares[sku]
            worth += share * (before + count) // ordered - share * before // ordered
        return worth


@dataclass
class Shop:
    prices: Mapping[str, int]
    purses: list[int]
    stock: dict[str, Stock] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    coupons_used: int = 0
    now: int = 0

    def price(self, lines: Mapping[str, int], coupon: bool) -> int:
        """What an order costs in all. Raises what the coupon is refused for."""
        if any(sku not in self.prices for sku in lines):
            raise Refused("not_sold")
        if coupon and self.coupons_used >= COUPON_USES:
            raise Refused("coupon_used_up")
        goods = sum(self.prices[sku] * count for sku, count in lines.items())
        net = goods - (goods * COUPON_PERCENT // 100 if coupon else 0)
        net += 0 if net >= FREE_FROM else SHIPPING
        tax = Decimal(net * TAX_PERCENT) / 100
        return net + int(tax.to_integral_value(ROUND_HALF_UP))

    def place(self, id: str, order: Order, *, pay: bool) -> None:
        self.orders[id] = order
        self.coupons_used += order.coupon
        stocks = [(self.stock[sku], count) for sku, count in order.lines.items()]
        if any(stock.on_hand - stock.reserved < count for stock, count in stocks):
            return self._fails(order, "out_of_stock")
        for stock, count in stocks:
            stock.reserved += count
        if pay:
            self.pay(order)
        return None

    def pay(self, order: Order) -> None:
        if "paid" not in NEXT[order.status]:
            raise Refused("illegal_order_move")
        if self.purses[order.customer] < order.total:
            self._frees(order)
            return self._fails(order, "insufficient_balance")
        self._frees(order)
        for sku, count in order.lines.items():
            self.stock[sku].on_hand -= count
        self.purses[order.customer] -= order.total
        order.go("paid")
        order.was_paid = True
        return None

    def cancel(self, order: Order, by: int | None) -> None:
        """By None: by the shop."""
        if by not in (None, order.customer):
            raise Refused("not_found")
        order.go("cancelled")
        if order.was_paid:
            kept = {sku: count - order.back[sku] for sku, count in order.lines.items()}
            self._gives_back(order, order.total - order.refunded, kept, goods=True)
        else:
            self._frees(order)
            self.coupons_used -= order.coupon
        order.reason = "cancelled_by_shop" if by is None else "cancelled_by_customer"

    def refund(self, order: Order, amount: int | None, pieces: Mapping[str, int], *, goods: bool) -> None:
        if not order.was_paid:
            raise Refused("not_paid")
        if goods and not pieces:
            raise Refused("refund_unclear")
        worth = order.worth(pieces)
        if amount is None and not pieces:
            raise Refused("refund_unclear")
        asked = worth if amount is None else amount
        if asked > order.total - order.refunded:
            raise Refused("refund_too_high")
        if not asked and not goods:
            raise Refused("refund_unclear")
        self._gives_back(order, asked, pieces, goods=goods)
        if order.refunded == order.total and "refunded" in NEXT[order.status]:
            order.go("refunded")

    def move(self, sku: str, quantity: int) -> None:
        stock = self.stock.setdefault(sku, Stock())
        if quantity == 0:
            raise Refused("invalid")
        if stock.on_hand + quantity < stock.reserved:
            raise Refused("out_of_stock")
        stock.on_hand += quantity

    def wait(self, seconds: int) -> None:
        self.now += seconds
        for order in self.orders.values():
            if order.status == "placed" and self.now >= order.placed + PAYMENT_SECONDS:
                self._frees(order)
                self._fails(order, "not_paid_in_time")

    def _gives_back(self, order: Order, amount: int, pieces: Mapping[str, int], *, goods: bool) -> None:
        order.refunded += amount
        self.purses[order.customer] += amount
        order.pieces.update(pieces)
        if goods:
            order.back.update(pieces)
            for sku, count in pieces.items():
                self.stock[sku].on_hand += count

    def _frees(self, order: Order) -> None:
        for sku, count in order.lines.items():
            self.stock[sku].reserved -= count

    def _fails(self, order: Order, reason: str) -> None:
        order.go("cancelled")
        order.reason = reason
        self.coupons_used -= order.coupon
