"""How carts, orders and coupons sit in their tables."""

from collections.abc import Callable, Mapping
from typing import ClassVar
from uuid import UUID

from sqlalchemy import Index, PrimaryKeyConstraint, UniqueConstraint, bindparam, select

from bailiwick.kernel.application import Actor, Contention
from bailiwick.kernel.database.mapper import Limit, Mapper
from bailiwick.kernel.database.unit_of_work import SqlRepository, SqlUnitOfWork
from bailiwick.kernel.domain import DomainError
from bailiwick.orders.contract import OrdersPermission
from bailiwick.orders.domain.cart import Cart, CartId
from bailiwick.orders.domain.coupon import (
    Coupon,
    CouponCodeTaken,
    CouponId,
    CouponUnknown,
    CouponUsedBefore,
    Redemption,
    RedemptionId,
)
from bailiwick.orders.domain.order import Order, OrderId
from bailiwick.orders.infrastructure.tables import (
    carts,
    coupons,
    once_each,
    one_cart_each,
    one_code_each,
    one_number_each,
    orders,
    redemptions,
)

CARTS = Mapper(Cart, carts, subject="customer_id")
ORDERS = Mapper(Order, orders, audited=("status",))
COUPONS = Mapper(
    Coupon,
    coupons,
    audited=("most_uses", "valid_from", "valid_until", "active"),
    limits=(Limit({"used": -1}, floor=-coupons.c.most_uses),),
)
REDEMPTIONS = Mapper(Redemption, redemptions)

_CART = select(carts).where(carts.c.customer_id == bindparam("customer"))
_OWN_ORDER = ORDERS.by_id.where(orders.c.customer_id == bindparam("customer"))
_BY_CODE = select(coupons).where(coupons.c.code == bindparam("code"))
_OF_ORDER = select(redemptions).where(redemptions.c.order_id == bindparam("order"))


class SqlCarts(SqlRepository[Cart, CartId]):
    mapper = CARTS

    async def of(self, customer_id: UUID, *, version: int | None = None) -> Cart | None:
        cart = await self._first(_CART, customer=customer_id)
        return None if cart is None else self._expected(cart, version)


class SqlOrders(SqlRepository[Order, OrderId]):
    mapper = ORDERS

    async def of(self, customer_id: UUID, id: OrderId) -> Order:
        return self._expected(await self._first(_OWN_ORDER, id=id, customer=customer_id), None)

    async def shown_to(self, actor: Actor, id: OrderId) -> Order:
        return await (self.get(id) if actor.may(OrdersPermission.MANAGE) else self.of(actor.id, id))


class SqlCoupons(SqlRepository[Coupon, CouponId]):
    mapper = COUPONS

    async def by_code(self, code: str) -> Coupon:
        coupon = await self._first(_BY_CODE, code=code)
        if coupon is None:
            raise CouponUnknown("there is no such coupon", field="coupon")
        return coupon


class SqlRedemptions(SqlRepository[Redemption, RedemptionId]):
    mapper = REDEMPTIONS

    async def of(self, order_id: OrderId) -> Redemption | None:
        return await self._first(_OF_ORDER, order=order_id)


class SqlOrdersUnitOfWork(SqlUnitOfWork):
    refusals: ClassVar[
        Mapping[Index | UniqueConstraint | PrimaryKeyConstraint, Callable[[], DomainError]]
    ] = {
        one_cart_each: lambda: Contention("the cart has just been made"),
        one_number_each: lambda: Contention("the number has just been given to another order"),
        one_code_each: lambda: CouponCodeTaken("there is a coupon with this code", field="code"),
        once_each: lambda: CouponUsedBefore("you have used this coupon before", field="coupon"),
    }

    @property
    def carts(self) -> SqlCarts:
        return self._repository(SqlCarts)

    @property
    def orders(self) -> SqlOrders:
        return self._repository(SqlOrders)

    @property
    def coupons(self) -> SqlCoupons:
        return self._repository(SqlCoupons)

    @property
    def redemptions(self) -> SqlRedemptions:
        return self._repository(SqlRedemptions)
