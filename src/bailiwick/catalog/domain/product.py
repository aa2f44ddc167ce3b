"""A product: what is sold, in variants, each with a SKU of its own and a price in each currency."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType, Self
from uuid import UUID

from bailiwick.catalog.contract import PriceChanged, ProductActivated, ProductAdded, ProductArchived
from bailiwick.catalog.domain.category import CategoryId
from bailiwick.kernel.domain import Aggregate, Conflict, Invalid
from bailiwick.kernel.money import Money

ProductId = NewType("ProductId", UUID)

LONGEST_NAME = 200
LONGEST_DESCRIPTION = 10_000
LONGEST_IMAGE = 2048
LONGEST_SKU = 64
LONGEST_OPTION = 100
LONGEST_VALUE = 1000
LONGEST_VALUES = 10_000
LONGEST_FACET = 100
MOST_IMAGES = 20
MOST_VARIANTS = 100
MOST_OPTIONS = 10
MOST_CURRENCIES = 20
MOST_PRICES = 300
MOST_ATTRIBUTES = 50
MOST_VALUES = 300
LARGEST_NUMBER = 2**53

SKU = r"^[A-Z0-9][A-Z0-9._-]*$"
ATTRIBUTE = r"^[A-Za-z][A-Za-z0-9_-]{0,49}$"

Scalar = str | int | float | bool
Attribute = Scalar | list[Scalar]


class ProductStatus(StrEnum):
    """Whether a product is sold."""

    ACTIVE = "active"
    ARCHIVED = "archived"


class SkuTaken(Conflict):
    """Another variant, perhaps of another product, has this SKU."""


class AttributesInvalid(Invalid):
    """The attributes are not as the category's JSON schema wants them. `violations` says where and why."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What is put into a parcel. `options` tell it from the others: `{"size": "XL"}`."""

    sku: str
    title: str = ""
    options: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.sku) > LONGEST_SKU or not re.fullmatch(SKU, self.sku):
            raise Invalid("a SKU has capital letters, digits and ._-", field="variants")
        if len(self.title) > LONGEST_NAME:
            raise Invalid(f"a title has at most {LONGEST_NAME} characters", field="variants")
        if len(self.options) > MOST_OPTIONS:
            raise Invalid(f"a variant has at most {MOST_OPTIONS} options", field="variants")
        if not all(1 <= len(text) <= LONGEST_OPTION for pair in self.options.items() for text in pair):
            raise Invalid(f"an option has 1 to {LONGEST_OPTION} characters", field="variants")


@dataclass(frozen=True)
class Price:
    """What one piece of a SKU costs in one currency."""

    sku: str
    money: Money

    def __post_init__(self) -> None:
        if self.money.amount < 0:
            raise Invalid("a price is 0 or more", field="variants")


@dataclass(frozen=True, order=True)
class Facet:
    """One value of one attribute, as customers narrow a list by it: `colour:red`."""

    label: str

    @classmethod
    def of(cls, attribute: str, value: Scalar) -> Self:
        return cls(f"{attribute}:{text(value)}")

    @property
    def is_short(self) -> bool:
        """Whether it is a choice at all, and not a story."""
        return 1 <= len(self.label.partition(":")[2]) <= LONGEST_FACET


@dataclass(frozen=True, kw_only=True)
class ProductDetails:
    """What the shop says about a product, whichever variant it is. `images` are addresses or ids of files."""

    name: str
    description: str = ""
    category_id: CategoryId | None = None
    images: tuple[str, ...] = ()
    attributes: dict[str, Attribute] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= len(self.name.strip()) <= len(self.name) <= LONGEST_NAME:
            raise Invalid(f"a name has 1 to {LONGEST_NAME} characters", field="name")
        if len(self.description) > LONGEST_DESCRIPTION:
            raise Invalid(f"a description has at most {LONGEST_DESCRIPTION} characters", field="description")
        if len(self.images) > MOST_IMAGES:
            raise Invalid(f"a product has at most {MOST_IMAGES} images", field="images")
        if not all(1 <= len(image) <= LONGEST_IMAGE for image in self.images):
            raise Invalid(f"an image is named by 1 to {LONGEST_IMAGE} characters", field="images")
        _check_attributes(self.attributes)


@dataclass(frozen=True, kw_only=True)
class Assortment:
    """The variants of a product and what they cost. Replaced as a whole; never half changed."""

    variants: tuple[Variant, ...]
    prices: tuple[Price, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= len(self.variants) <= MOST_VARIANTS:
            raise Invalid(f"a product has 1 to {MOST_VARIANTS} variants", field="variants")
        skus = Counter(variant.sku for variant in self.variants)
        if max(skus.values()) > 1:
            raise Invalid("two variants have the same SKU", field="variants")
        if not {price.sku for price in self.prices} <= skus.keys():
            raise Invalid("a price is of one of the variants", field="variants")
        if len(self.prices) > MOST_PRICES:
            raise Invalid(f"a product has at most {MOST_PRICES} prices", field="variants")
        if len(self.tags()) < len(self.prices):
            raise Invalid("a variant has one price in each currency", field="variants")
        if max(Counter(price.sku for price in self.prices).values(), default=0) > MOST_CURRENCIES:
            raise Invalid(f"a variant has prices in at most {MOST_CURRENCIES} currencies", field="variants")

    def tags(self) -> dict[tuple[str, str], int]:
        """The amounts by SKU and currency."""
        return {(price.sku, price.money.currency): price.money.amount for price in self.prices}


@dataclass(eq=False, kw_only=True)
class Product(Aggregate):
    """Something the shop sells, or has sold. `keywords` and `facets` are what it is found by."""

    id: ProductId
    details: ProductDetails
    status: ProductStatus
    created_at: datetime
    updated_at: datetime
    keywords: str = ""
    variants: list[Variant] = field(default_factory=list)
    prices: list[Price] = field(default_factory=list)
    facets: list[Facet] = field(default_factory=list)

    @classmethod
    def add(cls, id: ProductId, details: ProductDetails, assortment: Assortment, now: datetime) -> Self:
        product = cls(id=id, details=details, status=ProductStatus.ACTIVE, created_at=now, updated_at=now)
        product.variants, product.prices = list(assortment.variants), list(assortment.prices)
        product._index()
        product._record(ProductAdded(occurred_at=now, product_id=id, name=details.name))
        return product

    @property
    def assortment(self) -> Assortment:
        return Assortment(variants=tuple(self.variants), prices=tuple(self.prices))

    @property
    def skus(self) -> list[str]:
        return [variant.sku for variant in self.variants]

    def change(self, details: ProductDetails, assortment: Assortment, now: datetime) -> None:
        """Take over both. Whoever listens is told of every price that is another one then."""
        known = self.assortment
        if (details, assortment) == (self.details, known):
            return
        self.details, self.updated_at = details, now
        self.variants, self.prices = list(assortment.variants), list(assortment.prices)
        self._index()
        self._tell_prices(known.tags(), assortment.tags(), now)

    def archive(self, now: datetime) -> None:
        """Sell it no more; for one that is archived nothing happens."""
        if self.status is ProductStatus.ACTIVE:
            self.status, self.updated_at = ProductStatus.ARCHIVED, now
            self._record(ProductArchived(occurred_at=now, product_id=self.id))

    def restore(self, now: datetime) -> None:
        """Sell it again; for one that is sold nothing happens."""
        if self.status is ProductStatus.ARCHIVED:
            self.status, self.updated_at = ProductStatus.ACTIVE, now
            self._record(ProductActivated(occurred_at=now, product_id=self.id))

    def _tell_prices(
        self, old: Mapping[tuple[str, str], int], new: Mapping[tuple[str, str], int], now: datetime
    ) -> None:
        for sku, currency in sorted(old.keys() | new.keys()):
            before, after = old.get((sku, currency)), new.get((sku, currency))
            if before != after:
                self._record(
                    PriceChanged(
                        occurred_at=now,
                        product_id=self.id,
                        sku=sku,
                        currency=currency,
                        old=before,
                        new=after,
                    )
                )

    def _index(self) -> None:
        values = [(name, one) for name, value in self.details.attributes.items() for one in _each(value)]
        self.facets = sorted(facet for facet in {Facet.of(*pair) for pair in values} if facet.is_short)
        words = [word for v in self.variants for word in (v.sku, v.title, *v.options.values())]
        words += [text(value) for _, value in values]
        self.keywords = " ".join(dict.fromkeys(filter(None, words)))


def text(value: Scalar) -> str:
    """How a customer writes the value: `true`, `42`, `2.5`, `red`."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _each(value: Attribute) -> Sequence[Scalar]:
    return value if isinstance(value, list) else [value]


def _check_attributes(attributes: Mapping[str, Attribute]) -> None:
    if len(attributes) > MOST_ATTRIBUTES:
        raise Invalid(f"a product has at most {MOST_ATTRIBUTES} attributes", field="attributes")
    if not all(re.fullmatch(ATTRIBUTE, name) for name in attributes):
        raise Invalid("an attribute's name has up to 50 letters, digits and _-", field="attributes")
    if len([*_scalars(attributes)]) > MOST_VALUES:
        raise Invalid(f"attributes have at most {MOST_VALUES} values together", field="attributes")
    if sum(len(text(value)) for value in _scalars(attributes)) > LONGEST_VALUES:
        raise Invalid(f"attributes have at most {LONGEST_VALUES} characters together", field="attributes")
    if not all(map(_is_plain, _scalars(attributes))):
        raise Invalid(
            f"an attribute is a text of up to {LONGEST_VALUE} characters, a number up to 2^53, true or false",
            field="attributes",
        )


def _scalars(attributes: Mapping[str, Attribute]) -> Iterator[Scalar]:
    for value in attributes.values():
        yield from _each(value)


def _is_plain(value: Scalar) -> bool:
    # A number that is not a number compares as false.
    return len(value) <= LONGEST_VALUE if isinstance(value, str) else abs(value) <= LARGEST_NUMBER
