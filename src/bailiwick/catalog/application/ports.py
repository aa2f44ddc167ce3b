"""What the use cases of the catalogue need from outside."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bailiwick.catalog.contract import Offer
from bailiwick.catalog.domain.category import Category, CategoryId
from bailiwick.catalog.domain.product import Product, ProductId
from bailiwick.catalog.domain.reservation import Reservation, ReservationId, Return, ReturnId
from bailiwick.catalog.domain.stock import Movement, Stock
from bailiwick.kernel.application import Clock, NewId, Repository, UnitOfWork


class Products(Repository[Product, ProductId], Protocol):
    async def check_has(self, id: ProductId, sku: str) -> None:
        """Raises NotFound where there is no such product, archived or not, or it has no such variant."""
        ...

    async def taken(self, skus: Collection[str], but: ProductId | None = None) -> list[str]:
        """Those of the SKUs that variants of other products than `but` have. The commit decides, not this."""
        ...


class Categories(Repository[Category, CategoryId], Protocol):
    async def lineage(self, id: CategoryId | None) -> list[Category]:
        """The category, its parent, and so on to the top. Empty where there is no such category."""
        ...


class Stocks(Protocol):
    def add(self, aggregate: Stock) -> None: ...

    async def of(self, skus: Sequence[str]) -> dict[str, Stock]:
        """By SKU; without those that there has never been a stock of."""
        ...

    async def of_unless_reserved(self, skus: Sequence[str], key: ReservationId) -> dict[str, Stock] | None:
        """The same, or None where there is a reservation with this key already."""
        ...


class Movements(Protocol):
    def add(self, aggregate: Movement) -> None: ...


class Reservations(Repository[Reservation, ReservationId], Protocol):
    async def with_stocks(self, id: ReservationId) -> tuple[Reservation | None, dict[str, Stock]]:
        """A reservation, if there is one, and the stocks of its lines by SKU."""
        ...


class Returns(Protocol):
    def add(self, aggregate: Return) -> None: ...

    async def find(self, id: ReturnId) -> Return | None: ...


class CatalogUnitOfWork(UnitOfWork, Protocol):
    """`commit` raises SkuTaken and SlugTaken."""

    @property
    def products(self) -> Products: ...

    @property
    def categories(self) -> Categories: ...

    @property
    def stocks(self) -> Stocks: ...

    @property
    def movements(self) -> Movements: ...

    @property
    def reservations(self) -> Reservations: ...

    @property
    def returns(self) -> Returns: ...

    async def __aenter__(self) -> "CatalogUnitOfWork": ...


class AttributeSchemas(Protocol):
    """JSON schemas (draft 2020-12) that refer to nothing outside and take no more time than their size."""

    def check(self, schema: Mapping[str, object]) -> None:
        """Raises SchemaInvalid."""
        ...

    def violations(self, schema: Mapping[str, object], attributes: Mapping[str, object]) -> list[str]:
        """What is wrong with the attributes, each in a sentence: at most ten."""
        ...


class Offers(Protocol):
    async def __call__(self, skus: Sequence[str], currency: str) -> dict[str, Offer]:
        """Those of the SKUs that are sold in this currency now."""
        ...


@dataclass(frozen=True)
class CatalogPorts:
    uow: Callable[[], CatalogUnitOfWork]
    schemas: AttributeSchemas
    offers: Offers
    clock: Clock
    new_id: NewId
