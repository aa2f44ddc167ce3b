"""Specifications: a rule about a thing as a value, to ask an object or to put into a WHERE.

After Evans and Fowler, "Specifications" (1997).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Relation(StrEnum):
    """How a field must stand to the value. `CONTAINS` is about text, whatever the case."""

    IS = "is"
    BEFORE = "before"
    AFTER = "after"
    AT_MOST = "at_most"
    AT_LEAST = "at_least"
    ANY_OF = "any_of"
    CONTAINS = "contains"


class Specification:
    """Combine with `&`, `|` and `~`. A field that is None satisfies only `IS` None and negations."""

    def is_satisfied_by(self, candidate: object) -> bool:
        raise NotImplementedError

    def __and__(self, other: "Specification") -> "All":
        return All((self, other))

    def __or__(self, other: "Specification") -> "AnyOf":
        return AnyOf((self, other))

    def __invert__(self) -> "Not":
        return Not(self)


@dataclass(frozen=True, slots=True)
class Has(Specification):
    """`Has("status", Relation.IS, "pending")`. `field` may be a dotted path in memory."""

    field: str
    relation: Relation
    value: Any

    def is_satisfied_by(self, candidate: object) -> bool:
        found: Any = candidate
        for name in self.field.split("."):
            found = getattr(found, name)
        if self.relation is Relation.IS or found is None:
            return bool(found == self.value) if self.relation is Relation.IS else False
        match self.relation:
            case Relation.BEFORE:
                return bool(found < self.value)
            case Relation.AFTER:
                return bool(found > self.value)
            case Relation.AT_MOST:
                return bool(found <= self.value)
            case Relation.AT_LEAST:
                return bool(found >= self.value)
            case Relation.ANY_OF:
                return found in self.value
            case _:
                return str(self.value).lower() in str(found).lower()


@dataclass(frozen=True, slots=True)
class All(Specification):
    """Satisfied if every part is: without parts, by everything."""

    parts: tuple[Specification, ...]

    def is_satisfied_by(self, candidate: object) -> bool:
        return all(part.is_satisfied_by(candidate) for part in self.parts)


@dataclass(frozen=True, slots=True)
class AnyOf(Specification):
    """Satisfied if one part is: without parts, by nothing."""

    parts: tuple[Specification, ...]

    def is_satisfied_by(self, candidate: object) -> bool:
        return any(part.is_satisfied_by(candidate) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Not(Specification):
    """Satisfied where `part` is not."""

    part: Specification

    def is_satisfied_by(self, candidate: object) -> bool:
        return not self.part.is_satisfied_by(candidate)


def leaves(specification: Specification) -> Iterator[Has]:
    """The rules about single fields, from left to right."""
    match specification:
        case Has():
            yield specification
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from leaves(part)
        case Not(part):
            yield from leaves(part)
