"""What the use cases of orders need from outside."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from bailiwick.catalog.contract import Catalog
from bailiwick.kernel.application import Actor, Clock, NewId, UnitOfWork
from bailiwick.kernel.money import Money
from bailiwick.orders.domain.cart import Address, Cart
from bailiwick.orders.domain.coupon import Coupon, CouponId, Redemption
from bailiwick.orders.domain.order import Order, OrderId
from bailiwick.payments.contract import Payments


class Carts(Protocol):
    """All carts, found by whose they are."""

    def add(self, aggregate: Cart) -> None: ...

    async def of(self, customer_id: UUID, *, version: int | None = None) -> Cart | None:
        """Raises Stale where `version` is given and not the current one."""
        ...


class Orders(Protocol):
    """All orders. Somebody else's order is not found, exactly like one that never was."""

    def add(self, aggregate: Order) -> None: ...

    async def get(self, id: OrderId, *, version: int | None = None) -> Order:
        """Whoever's it is. Raises NotFound or Stale."""
        ...

    async def of(self, customer_id: UUID, id: OrderId) -> Order:
        """Raises NotFound."""
        ...

    async def shown_to(self, actor: Actor, id: OrderId) -> Order:
        """Their own, or any for who manages orders. Raises NotFound."""
        ...


class Coupons(Protocol):
    def add(self, aggregate: Coupon) -> None: ...

    async def get(self, id: CouponId, *, version: int | None = None) -> Coupon:
        """Raises NotFound or Stale."""
        ...

    async def by_code(self, code: str) -> Coupon:
        """Raises CouponUnknown."""
        ...


class Redemptions(Protocol):
    def add(self, aggregate: Redemption) -> None: ...

    async def of(self, order_id: OrderId) -> Redemption | None:
        """The use of a coupon by this order."""
        ...


class OrdersUnitOfWork(UnitOfWork, Protocol):
    """`commit` raises CouponCodeTaken, CouponUsedBefore, and Contention where somebody else was quicker."""

    @property
    def carts(self) -> Carts: ...

    @property
    def orders(self) -> Orders: ...

    @property
    def coupons(self) -> Coupons: ...

    @property
    def redemptions(self) -> Redemptions: ...

    async def __aenter__(self) -> "OrdersUnitOfWork": ...


class TaxAndShipping(Protocol):
    """The rules of the shop. The same question always has the same answer."""

    def shipping(self, goods: Money, address: Address) -> Money:
        """What it costs to send goods worth so much, the discount taken off."""
        ...

    def tax(self, net: Money, address: Address) -> Money:
        """The tax on goods and shipping that cost so much without it."""
        ...


@dataclass(frozen=True)
class OrdersPorts:
    """`catalog` and `payments` find who answers when they are needed: contexts may be wired in any order."""

    uow: Callable[[], OrdersUnitOfWork]
    catalog: Callable[[], Catalog]
    payments: Callable[[], Payments]
    rules: TaxAndShipping
    payment_time: timedelta
    currency: str
    clock: Clock
    new_id: NewId
    new_number: Callable[[], str]
