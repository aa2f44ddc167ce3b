"""Events stored by any earlier version are understood for ever, and none changes without a new schema."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest

from bailiwick.kernel.domain import Event
from bailiwick.kernel.messaging.handlers import decoder
from tests.contract import golden

EVENTS = golden.published()


def complaints(kinds: list[type[Event]]) -> Iterator[str]:
    for kind in kinds:
        for schema in range(1, kind.schema + 1):
            path = golden.path_of(kind, schema)
            if not path.exists():
                yield f"{path.name} is missing: python -m tests.contract.golden"
                continue
            yield from _unreadable(kind, schema, json.loads(path.read_text()))


def _unreadable(kind: type[Event], schema: int, stored: dict[str, Any]) -> Iterator[str]:
    try:
        event = decoder(kind)(stored, schema)
    except Exception as error:
        yield f"{kind.__name__} cannot read its schema {schema}: {error}"
        return
    now = golden.stored_form(event)
    if schema == kind.schema and now.keys() != stored.keys():
        yield f"{kind.__name__} has other fields than its schema {schema}: raise it, and add an upcast"


def test_every_published_event_keeps_its_stored_form() -> None:
    assert list(complaints(EVENTS)) == []


def test_there_are_events_and_no_files_of_others() -> None:
    known = {golden.path_of(kind, schema) for kind in EVENTS for schema in range(1, kind.schema + 1)}
    assert len(known) > 15
    assert set(golden.FOLDER.iterdir()) == known


@dataclass(frozen=True, kw_only=True)
class Moved(Event):
    """As it was when its file was written."""

    box_id: UUID
    to: str


@dataclass(frozen=True, kw_only=True)
class Renamed(Event):
    box_id: UUID
    target: str


@dataclass(frozen=True, kw_only=True)
class Widened(Event):
    box_id: UUID
    to: str
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Lifted(Event):
    box_id: UUID
    target: str

    schema: ClassVar[int] = 2
    upcasts: ClassVar[dict[int, Any]] = {
        1: lambda old: {name: value for name, value in old.items() if name != "to"} | {"target": old["to"]}
    }


@pytest.mark.parametrize(
    ("changed", "complaint"), [(Renamed, "cannot read its schema 1"), (Widened, "raise it"), (Lifted, None)]
)
def test_a_field_that_changes_without_a_new_schema_is_seen(
    changed: type[Event], complaint: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(golden, "FOLDER", tmp_path)
    stored = json.dumps(golden.stored_form(golden.sample(Moved)))
    golden.path_of(changed, 1).write_text(stored)
    if changed.schema == 2:
        golden.path_of(changed, 2).write_text(json.dumps(golden.stored_form(golden.sample(changed))))
    found = list(complaints([changed]))
    assert (len(found) == 1 and complaint in found[0]) if complaint else found == []


def test_an_event_without_a_file_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(golden, "FOLDER", tmp_path)
    assert [text for text in complaints([Moved]) if "Moved.1.json is missing" in text]
