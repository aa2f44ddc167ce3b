"""The use cases of carts: each command stands right above the function that carries it out."""

from collections.abc import Sequence
from dataclasses import dataclass

from bailiwick.catalog.contract import Line
from bailiwick.kernel.application import Actor, Stale
from bailiwick.kernel.money import Money
from bailiwick.orders.application.ports import OrdersPorts
from bailiwick.orders.contract import OrdersPermission
from bailiwick.orders.domain.cart import Address, Cart, CartId
from bailiwick.orders.domain.coupon import code_of


@dataclass(frozen=True)
class FillCart:
    """Have exactly this in the cart. Whether it is sold, and the coupon good, is seen at the order."""

    lines: Sequence[Line]
    currency: str | None
    coupon: str | None
    address: Address | None
    by: Actor
    version: int | None = None


async def fill_cart(command: FillCart, ports: OrdersPorts) -> Cart:
    command.by.require(OrdersPermission.PLACE)
    now, coupon = ports.clock(), None if command.coupon is None else code_of(command.coupon)
    currency = Money(0, command.currency or ports.currency).currency
    async with ports.uow() as uow:
        cart = await uow.carts.of(command.by.id, version=command.version)
        if cart is None:
            if command.version:
                raise Stale("there is no cart yet", version=0)
            cart = Cart.take(CartId(ports.new_id()), command.by.id, currency, now)
            uow.carts.add(cart)
        cart.fill(command.lines, currency, coupon, command.address, now)
        return await uow.commit(cart)


@dataclass(frozen=True)
class EmptyCart:
    by: Actor


async def empty_cart(command: EmptyCart, ports: OrdersPorts) -> None:
    command.by.require(OrdersPermission.PLACE)
    async with ports.uow() as uow:
        cart = await uow.carts.of(command.by.id)
        if cart is not None:
            cart.empty(ports.clock())
        await uow.commit(None)
