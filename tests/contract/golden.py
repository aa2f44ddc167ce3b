"""What published events looked like when they were stored: one file for each event and schema, kept for ever.

`python -m tests.contract.golden` adds the files that are missing. It never changes one that is there.
"""

import json
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import orjson

from bailiwick.kernel.domain import Event
from bailiwick.kernel.encoding import plain
from bailiwick.kernel.messaging.outbox import event_type
from bailiwick.kernel.messaging.publishing import published_events
from bailiwick.kernel.settings import Settings

FOLDER = Path(__file__).parent / "events"
MOMENT = datetime(2031, 1, 1, 12, tzinfo=UTC)


def published() -> list[type[Event]]:
    return published_events(Settings().contexts)


def path_of(kind: type[Event], schema: int) -> Path:
    return FOLDER / f"{event_type(kind)}.{schema}.json"


def stored_form(event: Event) -> dict[str, Any]:
    """The payload as the outbox stores it."""
    payload: dict[str, Any] = json.loads(orjson.dumps(event, default=plain))
    return payload


def sample(kind: type[Event]) -> Event:
    """An event with a value in every field."""
    hints = get_type_hints(kind)
    return kind(**{field.name: _value(hints[field.name], field.name) for field in fields(kind)})


def _value(annotation: Any, name: str) -> Any:
    while hasattr(annotation, "__supertype__"):
        annotation = annotation.__supertype__
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(part for part in get_args(annotation) if part is not type(None))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return next(iter(annotation))
    known: dict[Any, Any] = {UUID: UUID(int=7), datetime: MOMENT, str: name, int: 7, bool: True, float: 0.5}
    if get_origin(annotation) in (tuple, frozenset, list):
        return get_origin(annotation)([_value(get_args(annotation)[0], name)])
    return known[annotation]


def missing() -> Iterator[type[Event]]:
    return (kind for kind in published() if not path_of(kind, kind.schema).exists())


def write_missing() -> None:
    for kind in missing():
        content = orjson.dumps(stored_form(sample(kind)), option=orjson.OPT_INDENT_2)
        path_of(kind, kind.schema).write_bytes(content + b"\n")


if __name__ == "__main__":
    write_missing()
