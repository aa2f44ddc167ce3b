"""The page of events: what each context tells others, with its fields and who listens."""

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from datetime import datetime
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from bailiwick.backend import Backend
from bailiwick.kernel.contexts import name_of
from bailiwick.kernel.domain import Event
from bailiwick.kernel.messaging.outbox import event_type
from bailiwick.kernel.messaging.publishing import published_events
from bailiwick.tooling.reference.markdown import code, meaning, opening, table, text

INTRODUCTION = (
    "What has happened, as the contract of each context publishes it. Others react to it with a "
    "[subscriber](../guides/react-to-an-event.md). Each event also has `occurred_at`, and in the log its "
    "`id`, the aggregate with its version, who acted and the correlation. *Live*: the user whom it concerns "
    "is [told at once](../guides/live-updates.md), where connected."
)
WORDS = {
    UUID: "id",
    datetime: "time",
    str: "text",
    int: "whole number",
    bool: "true or false",
    float: "number",
}


def page(backend: Backend) -> str:
    return text(_lines(backend))


def _lines(backend: Backend) -> Iterator[str]:
    yield from opening("Events", INTRODUCTION)
    readers = backend.messaging.readers.own
    for context in backend.platform.settings.contexts:
        published = sorted(published_events([context]), key=lambda kind: kind.__name__)
        if published:
            yield from ("", f"## {name_of(context).capitalize()}")
        for kind in published:
            yield from _event(kind, sorted(readers.get(event_type(kind), ())))


def _event(kind: type[Event], listeners: list[str]) -> Iterator[str]:
    schema = "" if kind.schema == 1 else f" Schema {kind.schema}."
    live = "" if kind.audience is Event.audience else " *Live.*"
    yield from ("", f"### {event_type(kind)}", "", f"{meaning(kind)}{schema}{live}")
    hints = get_type_hints(kind)
    own = [field for field in fields(kind) if field.name != "occurred_at"]
    yield from table(
        ("field", "type"), ((code(field.name), _type(hints[field.name], field)) for field in own)
    )
    if listeners:
        yield from ("", f"Heard by {code(*listeners)}.")


def _type(annotation: Any, field: Field[Any]) -> str:
    given = field.default is not MISSING or field.default_factory is not MISSING
    return words(annotation) + (", may be left out" if given else "")


def words(annotation: Any) -> str:
    """What a field holds, in words: `UUID | None` is "id or nothing"."""
    while hasattr(annotation, "__supertype__"):
        annotation = annotation.__supertype__
    if get_origin(annotation) in (Union, UnionType):
        parts = [part for part in get_args(annotation) if part is not type(None)]
        return " or ".join([*map(words, parts), "nothing"][: len(get_args(annotation))])
    if get_origin(annotation) in (tuple, list, frozenset):
        return f"list of: {words(get_args(annotation)[0])}"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return f"one of {code(*(str(member.value) for member in annotation))}"
    return WORDS.get(annotation) or code(getattr(annotation, "__name__", str(annotation)))
