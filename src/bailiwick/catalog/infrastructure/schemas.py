"""JSON schemas for attributes. They come from people, so what they can cost is bounded.

Patterns run in time linear in the text (no look-around, no back-references), nothing is fetched, and a
schema that refers to itself or to anything else is refused: references can make a small schema endless.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from itertools import islice
from typing import Any

import orjson

from bailiwick.catalog.domain.category import SchemaInvalid

LARGEST = 20_000
DEEPEST = 20
MOST_VIOLATIONS = 10

DRAFT = "https://json-schema.org/draft/2020-12/schema"
REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef", "$id", "$vocabulary"})


class JsonSchemas:
    """Checks schemas, and attributes by them. The library is loaded with the first one."""

    def check(self, schema: Mapping[str, object]) -> None:
        """Raises SchemaInvalid."""
        text = orjson.dumps(schema)
        if len(text) > LARGEST:
            raise _refused(f"a schema has at most {LARGEST} bytes of JSON")
        if schema.get("$schema", DRAFT) != DRAFT:
            raise _refused("schemas are of draft 2020-12")
        for depth, name in _names(schema):
            if name in REFERENCES:
                raise _refused(f"a schema stands for itself: it cannot have {name}")
            if depth > DEEPEST:
                raise _refused(f"a schema is at most {DEEPEST} levels deep")
        try:
            _validator(text)
        except ValueError as error:
            raise _refused(str(error)[:300]) from error

    def violations(self, schema: Mapping[str, object], attributes: Mapping[str, object]) -> list[str]:
        found = _validator(orjson.dumps(schema)).iter_errors(dict(attributes))
        return [_sentence(error) for error in islice(found, MOST_VIOLATIONS)]


def _refused(why: str) -> SchemaInvalid:
    return SchemaInvalid(why, field="attribute_schema")


def _sentence(error: Any) -> str:
    where = ".".join(map(str, error.instance_path))
    return f"{where}: {error.message}"[:300] if where else error.message[:300]


@lru_cache(128)
def _validator(text: bytes) -> Any:
    """Raises ValueError, of which the library's own error is one."""
    library = import_module("jsonschema_rs")
    linear = library.RegexOptions(size_limit=1_000_000, dfa_size_limit=1_000_000)
    return library.Draft202012Validator(orjson.loads(text), pattern_options=linear, offline=True)


def _names(schema: object) -> Iterator[tuple[int, str]]:
    """The names of all members, and how deep each of them is. Lists count as a level, too."""
    waiting: list[tuple[int, object]] = [(1, schema)]
    while waiting:
        depth, found = waiting.pop()
        if isinstance(found, Mapping):
            yield from ((depth, name) for name in found)
            waiting += [(depth + 1, value) for value in found.values()]
        elif isinstance(found, list):
            yield depth, ""
            waiting += [(depth + 1, value) for value in found]
