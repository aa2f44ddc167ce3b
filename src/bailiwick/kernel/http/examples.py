"""Examples for the OpenAPI document: made from its schemas, in the words that each context gives."""

import hashlib
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]
Words = Mapping[str, Any]

KERNEL: Words = {
    "request_id": "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
    "correlation_id": "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
    "version": 3,
    "Meta.version": "v1",
    "updated_at": "2031-01-15T10:05:00Z",
    "changed_at": "2031-01-15T10:05:00Z",
    "expires_at": "2031-01-16T09:30:00Z",
    "expires_in": 900,
    "ended_at": None,
    "finished_at": None,
    "current_page": 1,
    "per_page": 20,
    "total_pages": 1,
    "total_items": 1,
    "prev": None,
    "next": None,
    "next_cursor": None,
    "amount": 1050,
    "currency": "NAD",
    "exponent": 2,
}
"""Words that mean the same everywhere. None is null in an answer, and left out of a body."""

FORMATS = {
    "date-time": "2031-01-15T09:30:00Z",
    "date": "2031-01-15",
    "email": "ada@example.com",
    "uri": "https://example.com/",
}
SCALARS = ("string", "integer", "number", "boolean", "null")
KINDS: Mapping[str, Any] = {
    "string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "null": type(None),
}  # fmt: skip
MISSING: Any = object()


class Examples:
    """Makes values that keep to schemas.

    A word is looked up as `Model.field` first, then as `field`, and taken only where its type fits: so
    `amount` can be said once though some amounts are numbers and some are money.
    """

    def __init__(self, schemas: Mapping[str, Schema], words: Words) -> None:
        self._schemas, self._words = schemas, {**KERNEL, **words}

    def value(self, schema: Schema, name: str, *, sent: bool = False, within: tuple[str, ...] = ()) -> Any:
        """What stands in the member `name` of the innermost model of `within`.

        What is `sent` by a client has fewer members than an answer: of those that may be null, only those
        that there are words for.
        """
        word = self._word(schema, name, within)
        if word is not MISSING:
            return word
        if "$ref" in schema:
            target = _target(schema)
            inner = (*within, target)
            return (
                None if target in within else self.value(self._schemas[target], name, sent=sent, within=inner)
            )
        if "anyOf" in schema:
            return self.value(schema["anyOf"][0], name, sent=sent, within=within)
        if schema.get("type") == "array":
            item = self.value(schema["items"], name, sent=sent, within=within)
            return [] if item is None else [item]
        if schema.get("type") == "object":
            return self._object(schema, sent=sent, within=within)
        return _plain(schema, name)

    def _object(self, schema: Schema, *, sent: bool, within: tuple[str, ...]) -> dict[str, Any]:
        needed = schema.get("required", ())
        return {
            name: self.value(part, name, sent=sent, within=within)
            for name, part in schema.get("properties", {}).items()
            if not sent or name in needed or not self._is_left_out(part, name, within)
        }

    def _is_left_out(self, schema: Schema, name: str, within: tuple[str, ...]) -> bool:
        word = self._word(schema, name, within)
        if word is not MISSING:
            return word is None
        return "anyOf" in schema and all(kind.get("type") in SCALARS for kind in schema["anyOf"])

    def _word(self, schema: Schema, name: str, within: tuple[str, ...]) -> Any:
        for key in (f"{within[-1] if within else ''}.{name}", name):
            if key in self._words and self._fits(schema, self._words[key]):
                return self._words[key]
        return MISSING

    def _fits(self, schema: Schema, value: Any) -> bool:
        if "$ref" in schema:
            return self._fits(self._schemas[_target(schema)], value)
        if "anyOf" in schema:
            return any(self._fits(kind, value) for kind in schema["anyOf"])
        if "enum" in schema:
            return value in schema["enum"]
        if schema.get("type") == "array":
            return isinstance(value, list) and all(self._fits(schema["items"], each) for each in value)
        if schema.get("type") == "object":
            known = schema.get("properties", {})
            return isinstance(value, dict) and (
                set(schema.get("required", ())) <= set(value) <= set(known or value)
            )
        return isinstance(value, KINDS.get(schema.get("type", ""), object))


def money(amount: int) -> dict[str, Any]:
    """A word for so many minor units."""
    return {"amount": amount, "currency": "NAD", "exponent": 2}


def _target(schema: Schema) -> str:
    name: str = schema["$ref"].rpartition("/")[2]
    return name


def _plain(schema: Schema, name: str) -> Any:
    """A value of one kind for which there is no word."""
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if "examples" in schema or "enum" in schema:
        return (schema.get("examples") or schema["enum"])[0]
    match schema.get("type"):
        case "string":
            return _id(name) if schema.get("format") == "uuid" else _text(schema, name)
        case "integer" | "number":
            return max(1, schema.get("minimum", 1))
        case "boolean":
            return False
    return None


def _text(schema: Schema, name: str) -> str:
    spoken = FORMATS.get(schema.get("format", "")) or name.replace("_", " ").capitalize()
    return spoken.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]


def _id(name: str) -> str:
    """The same for the same name, and such as the product makes: of the version that tells the time."""
    digits = hashlib.sha256(name.encode()).hexdigest()
    return f"01c0c1d5-6a40-7{digits[:3]}-8{digits[3:6]}-{digits[6:18]}"
