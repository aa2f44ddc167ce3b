"""Events stored by any earlier version are understood for ever, and none changes without a new schema."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest

from bailiwick.kernel.domain import Event
from bailiwick.kernel.messaging.publishing import published_events
from bailiwick.kernel.settings import Settings
from bailiwick.tooling.check import golden
from bailiwick.tooling.check.catalogue import RULES
from bailiwick.tooling.check.ground import Ground
from bailiwick.tooling.project import Project
from tests.style.source import PROJECT


def test_every_published_event_keeps_its_stored_form() -> None:
    assert [str(each) for each in RULES["every_event_has_its_golden_file"].findings(Ground(PROJECT))] == []


def test_there_are_events_and_all_are_of_contexts_that_are_enabled() -> None:
    assert len(Ground(PROJECT).events) > 15
    assert set(Ground(PROJECT).events) == set(published_events(Settings().contexts))


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


@dataclass(frozen=True, kw_only=True)
class Strange(Event):
    box_id: UUID
    strange: complex


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [(Renamed, "cannot read its schema 1"), (Widened, "other fields"), (Lifted, None)],
)
def test_a_field_that_changes_without_a_new_schema_is_seen(
    changed: type[Event], complaint: str | None, tmp_path: Path
) -> None:
    project = Project(tmp_path, "acme")
    golden.write_missing(project, [changed, Moved])
    golden.path_of(project, Moved, 1).rename(golden.path_of(project, changed, 1))
    found = [str(each) for each in golden.complaints(project, changed)]
    assert (len(found) == 1 and complaint in found[0]) if complaint else found == []


def test_an_event_without_a_file_is_seen_until_it_is_written(tmp_path: Path) -> None:
    project = Project(tmp_path, "acme")
    [found] = golden.complaints(project, Moved)
    assert found.what == "tests/events/contract/contract.Moved.1.json is missing"
    golden.write_missing(project, [Moved])
    assert list(golden.complaints(project, Moved)) == []


def test_a_file_that_is_there_is_never_changed(tmp_path: Path) -> None:
    project = Project(tmp_path, "acme")
    [path] = golden.write_missing(project, [Moved])
    path.write_text("{}")
    assert golden.write_missing(project, [Moved]) == []
    assert json.loads(path.read_text()) == {}


def test_a_field_without_an_example_is_said(tmp_path: Path) -> None:
    with pytest.raises(golden.NoSample, match="for the field strange"):
        golden.write_missing(Project(tmp_path, "acme"), [Strange])
