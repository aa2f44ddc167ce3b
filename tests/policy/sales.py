"""Orders for a line of the table to be about, a coupon, and something to order."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from bailiwick.catalog.application.ports import CatalogPorts
from bailiwick.catalog.contract import Line, Offer
from bailiwick.catalog.domain.product import Assortment, Price, Product, ProductDetails, ProductId, Variant
from bailiwick.kernel.money import Money
from bailiwick.orders.application.ports import OrdersPorts
from bailiwick.orders.domain.bill import Bill, at_the_prices_of_now
from bailiwick.orders.domain.cart import Address
from bailiwick.orders.domain.coupon import Coupon, CouponId, Terms
from bailiwick.orders.domain.order import Order, OrderId
from tests.policy.goods import sku_of

OWN, ANOTHERS, ISSUED, ON_SALE = "own", "another's", "issued", "on sale"
PLACED, PAID = "placed", "paid"
PRICE, NOTHING = Money(1_000, "NAD"), Money(0, "NAD")
HOME = Address(recipient="Grace Hopper", street="1 Acacia Road", city="Windhoek", country="NA")


async def made(
    ports: OrdersPorts, catalog: CatalogPorts, caller: UUID, other: UUID, about: str
) -> Mapping[str, UUID]:
    """The ids of an order that was placed, one that was paid, a coupon and a product, where the line is about
    such; otherwise of nothing. No process minds these orders."""
    ids = {PLACED: uuid7(), PAID: uuid7(), "coupon": uuid7(), "product": uuid7()}
    if about in (OWN, ANOTHERS):
        customer = caller if about == OWN else other
        placed, paid = (_order(ports, ids[status], customer) for status in (PLACED, PAID))
        paid.pay(uuid7(), uuid7(), ports.clock())
        async with ports.uow() as uow:
            for order in (placed, paid):
                order.pull_events()
                uow.orders.add(order)
            await uow.commit(None)
    if about == ISSUED:
        coupon = Coupon.issue(
            CouponId(ids["coupon"]), f"C-{ids['coupon'].hex}", Terms(percent=5), ports.clock()
        )
        async with ports.uow() as uow:
            uow.coupons.add(coupon)
            await uow.commit(None)
    if about == ON_SALE:
        await _offer(catalog, ProductId(ids["product"]))
    return ids


def _order(ports: OrdersPorts, id: UUID, customer: UUID) -> Order:
    now, offer = ports.clock(), Offer("CUP", uuid7(), "Cup", PRICE)
    goods = at_the_prices_of_now([Line("CUP", 1)], {"CUP": offer}, "NAD")
    bill = Bill.of(goods, NOTHING, NOTHING, NOTHING)
    pay_by = now + timedelta(hours=1)
    return Order.place(OrderId(id), ports.new_number(), customer, bill, HOME, None, pay_by, now)


async def _offer(catalog: CatalogPorts, id: ProductId) -> None:
    sku = sku_of(id)
    wares = Assortment(variants=(Variant(sku=sku),), prices=(Price(sku, PRICE),))
    product = Product.add(id, ProductDetails(name="Cup"), wares, catalog.clock())
    product.pull_events()
    async with catalog.uow() as uow:
        uow.products.add(product)
        await uow.commit(None)
