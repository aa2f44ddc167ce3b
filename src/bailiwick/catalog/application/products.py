"""The use cases of products and categories: each command right above the function that carries it out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bailiwick.catalog.application.ports import CatalogPorts
from bailiwick.catalog.contract import CatalogPermission
from bailiwick.catalog.domain.category import Category, CategoryDetails, CategoryId, NoSuchCategory
from bailiwick.catalog.domain.product import (
    Assortment,
    AttributesInvalid,
    Product,
    ProductDetails,
    ProductId,
    SkuTaken,
)
from bailiwick.kernel.application import Actor


@dataclass(frozen=True)
class AddProduct:
    details: ProductDetails
    assortment: Assortment
    by: Actor


async def add_product(command: AddProduct, ports: CatalogPorts) -> Product:
    """Raises SkuTaken, NoSuchCategory, AttributesInvalid."""
    command.by.require(CatalogPermission.MANAGE)
    product = Product.add(ProductId(ports.new_id()), command.details, command.assortment, ports.clock())
    async with ports.uow() as uow:
        taken = await uow.products.taken(product.skus, but=product.id)
        line = await uow.categories.lineage(product.details.category_id)
        _check(product, taken, line, ports)
        uow.products.add(product)
        return await uow.commit(product)


@dataclass(frozen=True)
class ChangeProduct:
    """Take over the named details, and the assortment where there is one."""

    product_id: ProductId
    changes: Mapping[str, object]
    assortment: Assortment | None
    by: Actor
    version: int | None = None


async def change_product(command: ChangeProduct, ports: CatalogPorts) -> Product:
    """Raises what `add_product` does, and Stale."""
    command.by.require(CatalogPermission.MANAGE)
    async with ports.uow() as uow:
        product = await uow.products.get(command.product_id, version=command.version)
        details = replace(product.details, **command.changes)  # type: ignore[arg-type]  # the body has checked them
        product.change(details, command.assortment or product.assortment, ports.clock())
        taken = await uow.products.taken(product.skus, but=product.id)
        line = await uow.categories.lineage(product.details.category_id)
        _check(product, taken, line, ports)
        return await uow.commit(product)


@dataclass(frozen=True)
class ArchiveProduct:
    product_id: ProductId
    by: Actor
    version: int | None = None


async def archive_product(command: ArchiveProduct, ports: CatalogPorts) -> None:
    command.by.require(CatalogPermission.MANAGE)
    async with ports.uow() as uow:
        product = await uow.products.get(command.product_id, version=command.version)
        product.archive(ports.clock())
        await uow.commit(None)


@dataclass(frozen=True)
class RestoreProduct:
    product_id: ProductId
    by: Actor


async def restore_product(command: RestoreProduct, ports: CatalogPorts) -> Product:
    command.by.require(CatalogPermission.MANAGE)
    async with ports.uow() as uow:
        product = await uow.products.get(command.product_id)
        product.restore(ports.clock())
        return await uow.commit(product)


def _check(product: Product, taken: Sequence[str], line: Sequence[Category], ports: CatalogPorts) -> None:
    """`taken` are the SKUs that others have. Every category from the product's up to the top has its say."""
    if taken:
        raise SkuTaken(f"another product has {', '.join(taken[:3])}", field="variants", skus=list(taken))
    details = product.details
    if details.category_id is not None and not line:
        raise NoSuchCategory("there is no such category", field="category_id")
    schemas = [c.details.attribute_schema for c in line if c.details.attribute_schema is not None]
    wrong = [one for schema in schemas for one in ports.schemas.violations(schema, details.attributes)]
    if wrong:
        raise AttributesInvalid(wrong[0], field="attributes", violations=wrong)


@dataclass(frozen=True)
class OpenCategory:
    details: CategoryDetails
    by: Actor


async def open_category(command: OpenCategory, ports: CatalogPorts) -> Category:
    """Raises SlugTaken, NoSuchCategory, CategoryTooDeep, SchemaInvalid."""
    command.by.require(CatalogPermission.MANAGE)
    _check_schema(command.details, ports)
    async with ports.uow() as uow:
        ancestors = await uow.categories.lineage(command.details.parent_id)
        _check_parent(command.details, ancestors)
        category = Category.open(CategoryId(ports.new_id()), command.details, ancestors, ports.clock())
        uow.categories.add(category)
        return await uow.commit(category)


@dataclass(frozen=True)
class ChangeCategory:
    """Take over the named details. Products are not looked at again before they change themselves."""

    category_id: CategoryId
    changes: Mapping[str, object]
    by: Actor
    version: int | None = None


async def change_category(command: ChangeCategory, ports: CatalogPorts) -> Category:
    """Raises what `open_category` does, CategoryCycle, and Stale."""
    command.by.require(CatalogPermission.MANAGE)
    async with ports.uow() as uow:
        category = await uow.categories.get(command.category_id, version=command.version)
        details = replace(category.details, **command.changes)  # type: ignore[arg-type]  # the body has checked them
        _check_schema(details, ports)
        ancestors = await uow.categories.lineage(details.parent_id)
        _check_parent(details, ancestors)
        category.change(details, ancestors, ports.clock())
        return await uow.commit(category)


def _check_schema(details: CategoryDetails, ports: CatalogPorts) -> None:
    if details.attribute_schema is not None:
        ports.schemas.check(details.attribute_schema)


def _check_parent(details: CategoryDetails, ancestors: Sequence[Category]) -> None:
    if details.parent_id is not None and not ancestors:
        raise NoSuchCategory("there is no such category", field="parent_id")
