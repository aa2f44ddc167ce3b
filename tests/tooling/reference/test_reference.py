"""The reference says what the code says, and a page that does not is noticed."""

from dataclasses import dataclass, field, fields
from enum import Enum
from pathlib import Path
from typing import NewType
from uuid import UUID

import pytest
import typer
from typer.testing import CliRunner

from bailiwick.backend import Backend
from bailiwick.cli import app
from bailiwick.kernel.messaging.outbox import event_type
from bailiwick.kernel.messaging.publishing import published_events
from bailiwick.kernel.settings import Settings
from bailiwick.tooling.reference.events import words
from bailiwick.tooling.reference.pages import pages, stale

ROOT = Path(__file__).parents[3]
SETTINGS = Settings()


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    return pages(SETTINGS, typer.main.get_command(app), is_product=True)


def test_the_committed_pages_are_what_the_code_says(written: dict[str, str]) -> None:
    assert sorted(stale(ROOT, written)) == [], "write them: bailiwick reference"


def test_a_planted_page_that_is_stale_or_missing_is_noticed(written: dict[str, str], tmp_path: Path) -> None:
    for path, text in written.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert stale(tmp_path, written) == {}
    (tmp_path / "docs/settings.md").write_text("# Settings")
    (tmp_path / "docs/reference/events.md").unlink()
    assert sorted(stale(tmp_path, written)) == ["docs/reference/events.md", "docs/settings.md"]


def test_every_event_permission_and_operation_has_its_line(written: dict[str, str]) -> None:
    backend = Backend.build(SETTINGS)
    for kind in published_events(SETTINGS.contexts):
        assert f"\n### {event_type(kind)}\n" in written["docs/reference/events.md"]
        assert all(f"`{each.name}`" in written["docs/reference/events.md"] for each in fields(kind))
    table = written["docs/reference/permissions.md"]
    for permission in (each for module in backend.modules for each in module.permissions):
        [row] = [line for line in table.splitlines() if line.startswith(f"| `{permission}` |")]
        assert "|  |" not in row, "it lacks the text below it in the contract"
    for operation in backend.operations:
        assert f"`{operation.id}`" in written["docs/reference/operations.md"]


def test_every_command_with_its_options_is_there(written: dict[str, str]) -> None:
    page = written["docs/reference/commands.md"]
    assert "\n### bailiwick migrate down\n" in page
    assert "| `--steps <int range>` | How many migrations to undo. [default: 1; x>=1] |" in page
    assert "Example: `bailiwick migrate down --context tasks --steps 1`" in page


class Size(Enum):
    """How much fits in."""

    SMALL = "small"
    LARGE = "large"


@dataclass(frozen=True)
class Parcel:
    """An aggregate's value that an event carries as it is."""

    sizes: tuple[Size, ...] = field(default=())


def test_types_are_told_in_words() -> None:
    assert words(NewType("OrderId", UUID)) == "id"
    assert words(int | None) == "whole number or nothing"
    assert words(int | str) == "whole number or text"
    assert words(tuple[Size, ...]) == "list of: one of `small`, `large`"
    assert words(Parcel) == "`Parcel`"


def test_the_command_writes_them_into_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.bailiwick]\npackage = "acme"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BAILIWICK_CONTEXTS", "identity,profiles")
    run = CliRunner()
    assert run.invoke(app, ["reference", "--check"]).exit_code == 1
    assert "docs/reference/events.md written" in run.invoke(app, ["reference"]).stdout
    assert run.invoke(app, ["reference", "--check"]).stdout == "The reference is up to date.\n"
    assert "orders." not in (tmp_path / "docs/reference/events.md").read_text()
    (tmp_path / "docs/problems.md").write_text("")
    done = run.invoke(app, ["reference", "--check"])
    assert (done.exit_code, done.stdout) == (1, "docs/problems.md is not up to date\n")
