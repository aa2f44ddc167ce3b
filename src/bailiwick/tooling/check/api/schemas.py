"""Compares two JSON schemas: what may be sent may only widen, what is answered may only narrow or grow."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bailiwick.tooling.check.api.changes import DEMANDED, NARROWED, REMOVED, RETYPED

Schema = Mapping[str, Any]
Told = Iterator[tuple[str, str, str]]
"""The field, what about it, and the remedy; no remedy where clients go on working."""

UPPER = ("maxLength", "maximum", "exclusiveMaximum", "maxItems", "maxProperties")
LOWER = ("minLength", "minimum", "exclusiveMinimum", "minItems", "minProperties")
EXACT = ("pattern", "multipleOf", "uniqueItems")


@dataclass
class Comparison:
    """`old` and `new` are the schemas that references name, in each document."""

    old: Schema
    new: Schema
    way: Literal["sent", "answered"]
    _open: set[tuple[int, int]] = field(default_factory=set)

    def compare(self, old: Schema, new: Schema, where: str) -> Told:
        """What differs between two schemas of one field. What contains itself is looked at once."""
        before, after = kinds(old, self.old), kinds(new, self.new)
        yield from self._kinds(before, after, where)
        for kind, one in before.items():
            pair = id(one), id(after.get(kind))
            if kind in after and pair not in self._open:
                self._open.add(pair)
                yield from self._details(one, after[kind], where)
                self._open.discard(pair)

    def _kinds(self, before: Mapping[str, Schema], after: Mapping[str, Schema], where: str) -> Told:
        gone = [kind for kind in before if not _covered(kind, after)]
        new = [kind for kind in after if not _covered(kind, before)]
        if self.way == "sent":
            if gone:
                yield where, f"no longer takes {_either(gone)}", NARROWED
            elif new:
                yield where, f"takes {_either(new)} as well", ""
        elif new:
            remedy = NARROWED_ANSWER if set(new) == {"null"} else RETYPED
            yield where, f"may be {_either(new)}, was {_either(before)}", remedy
        elif gone:
            yield where, f"is never {_either(gone)} any more", ""

    def _details(self, old: Schema, new: Schema, where: str) -> Told:
        yield from self._values(old, new, where)
        if self.way == "sent":
            yield from _limits(old, new, where)
        if "items" in old and "items" in new:
            yield from self.compare(old["items"], new["items"], f"{where}[]")
        more = old.get("additionalProperties"), new.get("additionalProperties")
        if isinstance(more[0], Mapping) and isinstance(more[1], Mapping):
            yield from self.compare(more[0], more[1], f"{where}.*")
        elif self.way == "sent" and more[1] is False and more[0] is not False:
            yield where, "no longer takes fields that it does not know", NARROWED
        yield from self._properties(old, new, where)

    def _values(self, old: Schema, new: Schema, where: str) -> Told:
        before, after = _values(old), _values(new)
        if before == after:
            return
        if self.way == "sent" and after is not None:
            gone = sorted(map(str, (before or set()) - after))
            if before is None or gone:
                only = f"{', '.join(gone)}" if gone else f"anything but {', '.join(sorted(map(str, after)))}"
                yield where, f"no longer takes {only}", NARROWED
                return
        yield where, "has other values", ""

    def _properties(self, old: Schema, new: Schema, where: str) -> Told:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed, needs = set(old.get("required", ())), set(new.get("required", ()))
        for name in before:
            place = f"{where}.{name}"
            if name not in after:
                yield place, "is gone", REMOVED
                continue
            yield from self.compare(before[name], after[name], place)
            if self.way == "sent" and name in needs - needed:
                yield place, "must be sent now", DEMANDED
            elif self.way == "answered" and name in needed - needs:
                yield place, "may be missing now", REMOVED
            elif (name in needs) != (name in needed):
                yield place, "need not be sent any more" if self.way == "sent" else "is always there now", ""
        for name in after:
            if name not in before:
                must = self.way == "sent" and name in needs
                yield (
                    f"{where}.{name}",
                    "is new and must be sent" if must else "is new",
                    DEMANDED if must else "",
                )


NARROWED_ANSWER = "Go on answering a value: old clients do not look for null"


def kinds(schema: Schema, named: Schema) -> dict[str, Schema]:
    """What a schema allows, by a name for each kind of value: `string`, `string uuid`, `null`, `object` …"""
    schema = resolved(schema, named)
    variants = schema.get("anyOf") or schema.get("oneOf")
    if variants:
        found: dict[str, Schema] = {}
        for variant in variants:
            for kind, one in kinds(variant, named).items():
                # Several objects are told apart by their names.
                taken = kind in found and kind == "object"
                found[f"{kind} {one.get('title', len(found))}" if taken else kind] = one
        return found
    whole = schema.get("allOf")
    if whole and len(whole) == 1:
        return kinds(whole[0], named)
    types = schema.get("type", "any")
    return {_kind(each, schema): schema for each in ([types] if isinstance(types, str) else types)}


def _kind(type_: str, schema: Schema) -> str:
    return f"{type_} {schema['format']}" if type_ == "string" and "format" in schema else type_


def resolved(schema: Schema, named: Schema) -> Schema:
    """The schema that a reference names."""
    while "$ref" in schema:
        schema = named[schema["$ref"].rpartition("/")[2]]
    return schema


def _covered(kind: str, by: Mapping[str, Schema]) -> bool:
    """Whether one of these kinds allows everything that a kind allows."""
    wider = {kind, "any", kind.partition(" ")[0] if kind.startswith("string ") else kind}
    return bool((wider | ({"number"} if kind == "integer" else set())) & set(by))


def _either(kinds: Any) -> str:
    return " or ".join(sorted(kinds))


def _values(schema: Schema) -> set[Any] | None:
    """The only values there are; None where any value will do."""
    if "const" in schema:
        return {schema["const"]}
    return set(schema["enum"]) if "enum" in schema else None


def _limits(old: Schema, new: Schema, where: str) -> Told:
    """Bounds of what may be sent."""
    for names, tighter in ((UPPER, _less), (LOWER, _more)):
        for name in names:
            if old.get(name) == new.get(name):
                continue
            tight = name in new and (name not in old or tighter(new[name], old[name]))
            yield (
                where,
                f"has {name} {new.get(name, 'no more')}, was {old.get(name, 'none')}",
                NARROWED if tight else "",
            )
    for name in EXACT:
        if old.get(name) != new.get(name):
            what = f"has {name} {new.get(name, 'no more')}, was {old.get(name, 'none')}"
            yield where, what, NARROWED if name in new else ""


def _less(one: float, other: float) -> bool:
    return one < other


def _more(one: float, other: float) -> bool:
    return one > other
