"""The use cases of coupons: each command stands right above the function that carries it out."""

from collections.abc import Mapping
from dataclasses import dataclass

from bailiwick.kernel.application import Actor
from bailiwick.orders.application.ports import OrdersPorts
from bailiwick.orders.contract import OrdersPermission
from bailiwick.orders.domain.coupon import Coupon, CouponId, Terms


@dataclass(frozen=True)
class IssueCoupon:
    code: str
    terms: Terms
    by: Actor


async def issue_coupon(command: IssueCoupon, ports: OrdersPorts) -> Coupon:
    """Raises CouponCodeTaken."""
    command.by.require(OrdersPermission.MANAGE)
    coupon = Coupon.issue(CouponId(ports.new_id()), command.code, command.terms, ports.clock())
    async with ports.uow() as uow:
        uow.coupons.add(coupon)
        return await uow.commit(coupon)


@dataclass(frozen=True)
class ChangeCoupon:
    """Take over the named terms."""

    coupon_id: CouponId
    changes: Mapping[str, object]
    by: Actor
    version: int | None = None


async def change_coupon(command: ChangeCoupon, ports: OrdersPorts) -> Coupon:
    command.by.require(OrdersPermission.MANAGE)
    async with ports.uow() as uow:
        coupon = await uow.coupons.get(command.coupon_id, version=command.version)
        coupon.change(command.changes)
        return await uow.commit(coupon)
