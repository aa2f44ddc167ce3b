"""A product for a line of the table to be about, and the category that it is in."""

from collections.abc import Mapping
from uuid import UUID

from uuid_utils.compat import uuid7

from bailiwick.catalog.application.ports import CatalogPorts
from bailiwick.catalog.domain.category import Category, CategoryDetails, CategoryId
from bailiwick.catalog.domain.product import Assortment, Product, ProductDetails, ProductId, Variant
from bailiwick.catalog.domain.reservation import Reservation, ReservationId

SOLD, ARCHIVED = "sold", "archived"
OVER = "over"


def a_sku() -> str:
    return f"S-{uuid7().hex.upper()}"


def sku_of(product_id: UUID) -> str:
    """That of the product's only variant."""
    return f"S-{product_id.hex.upper()}"


async def stocked(ports: CatalogPorts, about: str) -> Mapping[str, UUID]:
    """The ids of a product and its category, or of a reservation, in the state that a line is about.

    Otherwise of nothing.
    """
    product_id, category_id = ProductId(uuid7()), CategoryId(uuid7())
    reservation_id = ReservationId(uuid7())
    if about == OVER:
        async with ports.uow() as uow:
            uow.reservations.add(Reservation.refused_in_advance(reservation_id, ports.clock()))
            await uow.commit(None)
    if about in (SOLD, ARCHIVED):
        now = ports.clock()
        details = CategoryDetails(name="Cups", slug=f"cups-{category_id.hex}")
        category = Category.open(category_id, details, [], now)
        wares = Assortment(variants=(Variant(sku=sku_of(product_id)),))
        product = Product.add(product_id, ProductDetails(name="Cup", category_id=category_id), wares, now)
        if about == ARCHIVED:
            product.archive(now)
        product.pull_events()
        async with ports.uow() as uow:
            uow.categories.add(category)
            uow.products.add(product)
            await uow.commit(None)
    return {"products": product_id, "categories": category_id, "reservations": reservation_id}
