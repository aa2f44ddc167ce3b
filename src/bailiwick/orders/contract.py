"""What the rest of the system may know about orders. Other contexts import this file and no other."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from bailiwick.kernel.domain import Event


class OrdersPermission(StrEnum):
    """What a role may allow in this context."""

    PLACE = "orders.place"
    """Have a cart and place orders. Guests do not."""

    MANAGE = "orders.manage"
    """See every order, fulfil, deliver, cancel and refund it, and make coupons."""


class OrderStatus(StrEnum):
    """How far an order has got."""

    PLACED = "placed"
    PAID = "paid"
    FULFILLED = "fulfilled"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


@dataclass(frozen=True, kw_only=True)
class OrderEvent(Event):
    """Something happened to an order. Its customer is told at once."""

    order_id: UUID
    number: str
    customer_id: UUID

    def audience(self) -> UUID:
        return self.customer_id


@dataclass(frozen=True, kw_only=True)
class OrderPlaced(OrderEvent):
    """A customer wants goods. `total` is in minor units."""

    total: int
    currency: str


@dataclass(frozen=True, kw_only=True)
class PaymentRequested(OrderEvent):
    """The customer wants to pay now, from the wallet."""


@dataclass(frozen=True, kw_only=True)
class OrderPaid(OrderEvent):
    """The goods are the customer's and the money the shop's. `total` is in minor units."""

    total: int
    currency: str


@dataclass(frozen=True, kw_only=True)
class OrderFulfilled(OrderEvent):
    """The goods are on their way."""


@dataclass(frozen=True, kw_only=True)
class OrderDelivered(OrderEvent):
    """The customer has the goods."""


@dataclass(frozen=True, kw_only=True)
class OrderCancelled(OrderEvent):
    """It will not happen. `reason` is a code, such as `out_of_stock` or `cancelled_by_customer`."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class OrderRefunded(OrderEvent):
    """The customer gets money back: `amount` minor units; `wholly` where nothing is left to give back."""

    amount: int
    currency: str
    wholly: bool
