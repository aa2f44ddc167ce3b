"""What published events looked like when stored: a file for each event and schema, kept for ever."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from inspect import getsourcefile, getsourcelines
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

import orjson

from bailiwick.kernel.contexts import name_of
from bailiwick.kernel.domain import Event
from bailiwick.kernel.encoding import plain
from bailiwick.kernel.messaging.handlers import decoder
from bailiwick.kernel.messaging.outbox import event_type
from bailiwick.tooling.check.ground import Ground
from bailiwick.tooling.check.rules import Finding, rule
from bailiwick.tooling.project import Project

T = TypeVar("T")
MOMENT = datetime(2031, 1, 1, 12, tzinfo=UTC)
KNOWN: dict[Any, Any] = {
    UUID: UUID(int=7), datetime: MOMENT, date: MOMENT.date(), int: 7, bool: True, float: 0.5
}  # fmt: skip


class NoSample(Exception):
    """A field has a type that no example is known of."""


def stored_form(event: Event) -> dict[str, Any]:
    """The payload as the outbox stores it."""
    payload: dict[str, Any] = json.loads(orjson.dumps(event, default=plain))
    return payload


def sample(kind: type[T]) -> T:
    """An event, or a part of one, with a value in every field. Raises NoSample."""
    hints = get_type_hints(kind)
    return kind(**{field.name: _value(hints[field.name], field.name) for field in fields(cast(Any, kind))})


def _value(annotation: Any, name: str) -> Any:
    while hasattr(annotation, "__supertype__"):
        annotation = annotation.__supertype__
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(part for part in get_args(annotation) if part is not type(None))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return next(iter(annotation))
    if isinstance(annotation, type) and is_dataclass(annotation):
        return sample(annotation)
    if get_origin(annotation) in (tuple, frozenset, list):
        return get_origin(annotation)([_value(get_args(annotation)[0], name)])
    if annotation not in KNOWN and annotation is not str:
        raise NoSample(f"There is no example of {annotation} for the field {name}: write the file by hand.")
    return KNOWN.get(annotation, name)


def path_of(project: Project, kind: type[Event], schema: int) -> Path:
    """Where the stored form of an event in one schema lies."""
    return project.golden(event_type(kind).partition(".")[0]) / f"{event_type(kind)}.{schema}.json"


def write_missing(project: Project, kinds: Iterable[type[Event]]) -> list[Path]:
    """Add the files of present schemas that are missing. One that is there is never changed."""
    made = [(kind, path) for kind in kinds if not (path := path_of(project, kind, kind.schema)).exists()]
    for kind, path in made:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps(stored_form(sample(kind)), option=orjson.OPT_INDENT_2) + b"\n")
    return [path for _, path in made]


@rule("events", "Write it while the event is new: bailiwick check --accept")
def every_event_has_its_golden_file(ground: Ground) -> Iterator[Finding]:
    """Each event of a contract has a stored form for each schema, can be read from it, and keeps to it."""
    kinds = ground.events
    for kind in kinds:
        yield from complaints(ground.project, kind)
    known = {path_of(ground.project, kind, schema) for kind in kinds for schema in range(1, kind.schema + 1)}
    for folder in {ground.project.golden(name_of(context)) for context in ground.own}:
        for path in sorted({*folder.glob("*.json")} - known):
            place = path.relative_to(ground.project.root).as_posix()
            yield Finding(place, 1, "is of no event", "Keep the event: what is stored is read for ever.")


def complaints(project: Project, kind: type[Event]) -> Iterator[Finding]:
    """What is wrong with the files of one event."""
    place = str(getsourcefile(kind)).removeprefix(f"{project.root}/"), getsourcelines(kind)[1]
    for schema in range(1, kind.schema + 1):
        path = path_of(project, kind, schema)
        if not path.exists():
            yield Finding(*place, f"{path.relative_to(project.root).as_posix()} is missing")
            continue
        stored = json.loads(path.read_text(encoding="utf-8"))
        try:
            now = stored_form(decoder(kind)(stored, schema))
        except Exception as error:
            what = f"{kind.__name__} cannot read its schema {schema}: {_brief(error)}"
            yield Finding(
                *place, what, f"Raise `schema`, and say in `upcasts` how {schema} becomes the next."
            )
            continue
        if schema == kind.schema and now.keys() != stored.keys():
            what = f"{kind.__name__} has other fields than its schema {schema}"
            yield Finding(*place, what, "Raise `schema`, and say in `upcasts` what older ones have there.")


def _brief(error: Exception) -> str:
    """The message without the pages that some libraries add."""
    return " ".join(" ".join(str(error).splitlines()[:3]).split())
