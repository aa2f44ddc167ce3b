"""A category: a shelf of the catalogue, perhaps part of a larger one, and what its products have to tell."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NewType, Self
from uuid import UUID

from bailiwick.kernel.domain import Aggregate, Conflict, Invalid

CategoryId = NewType("CategoryId", UUID)

LONGEST_CATEGORY_NAME = 100
LONGEST_SLUG = 100
DEEPEST = 10

SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"


class SlugTaken(Conflict):
    """Another category has this slug."""


class SchemaInvalid(Invalid):
    """This cannot be the JSON schema of a category's attributes."""


class NoSuchCategory(Invalid):
    """The category that a product, or another category, is to be part of does not exist."""


class CategoryCycle(Conflict):
    """A category cannot be part of itself, nor of one that is part of it."""


class CategoryTooDeep(Conflict):
    """There are at most 10 categories from the top to the lowest."""


@dataclass(frozen=True, kw_only=True)
class CategoryDetails:
    """What the shop says about a category. `attribute_schema` is a JSON schema for the attributes of the
    products in it and in its parts; None asks for nothing."""

    name: str
    slug: str
    parent_id: CategoryId | None = None
    attribute_schema: dict[str, object] | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.name.strip()) <= len(self.name) <= LONGEST_CATEGORY_NAME:
            raise Invalid(f"a name has 1 to {LONGEST_CATEGORY_NAME} characters", field="name")
        if len(self.slug) > LONGEST_SLUG or not re.fullmatch(SLUG, self.slug):
            raise Invalid("a slug has lower-case letters and digits, with single hyphens", field="slug")


@dataclass(eq=False, kw_only=True)
class Category(Aggregate):
    """A shelf. `arrangements` counts what was ever made part of it, or of its parts."""

    id: CategoryId
    details: CategoryDetails
    created_at: datetime
    updated_at: datetime
    arrangements: int = 0

    @classmethod
    def open(
        cls, id: CategoryId, details: CategoryDetails, ancestors: Sequence["Category"], now: datetime
    ) -> Self:
        """`ancestors` are the categories that it will be part of, from its parent to the top."""
        category = cls(id=id, details=details, created_at=now, updated_at=now)
        category._become_part_of(ancestors)
        return category

    def change(self, details: CategoryDetails, ancestors: Sequence["Category"], now: datetime) -> None:
        """`ancestors` are those it will have. Raises CategoryCycle, CategoryTooDeep."""
        if details == self.details:
            return
        moves = details.parent_id != self.details.parent_id
        self.details, self.updated_at = details, now
        if moves:
            self._become_part_of(ancestors)

    def _become_part_of(self, ancestors: Sequence["Category"]) -> None:
        """Two moves at once that together would make a circle count on a category that the other one moves,
        so that only one of them can be stored."""
        if self.id in [ancestor.id for ancestor in ancestors]:
            raise CategoryCycle("a category cannot be part of itself", field="parent_id")
        if len(ancestors) >= DEEPEST:
            raise CategoryTooDeep(f"categories are at most {DEEPEST} deep", field="parent_id")
        for ancestor in ancestors:
            ancestor.arrangements += 1
