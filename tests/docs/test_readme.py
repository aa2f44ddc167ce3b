"""What the README tells a newcomer to type works, exactly as it is printed."""

import re
from pathlib import Path

from typer.testing import CliRunner

from bailiwick.cli import app
from tests.docs.pages import ROOT, blocks
from tests.docs.running import running

README = ROOT / "README.md"


def test_the_tour_with_curl_works_as_printed(sqlite_url: str, tmp_path: Path) -> None:
    [tour] = blocks(README, "sh")
    with running(sqlite_url, tmp_path) as server:
        completed, listed, profile, sessions = server.bash(tour, tmp_path)
        asked = server.requests(6)
    assert asked == [
        ("POST", "/api/v1/auth/register", 201),
        ("POST", "/api/v1/tasks", 201),
        ("PATCH", "/api/v1/tasks/{task_id}/complete", 200),
        ("GET", "/api/v1/tasks", 200),
        ("GET", "/api/v1/profiles/me", 200),
        ("GET", "/api/v1/auth/sessions", 200),
    ]
    assert (completed["data"]["title"], completed["data"]["status"]) == ("Try Bailiwick", "completed")
    assert [task["id"] for task in listed["data"]] == [completed["data"]["id"]]
    assert profile["data"]["full_name"] == "Your Name"
    assert [session["current"] for session in sessions["data"]] == [True]


def test_every_command_of_the_table_is_listed_by_the_help() -> None:
    rows = re.findall(r"^\| `bailiwick (\w+)", README.read_text(), re.MULTILINE)
    shown = CliRunner().invoke(app, ["--help"], prog_name="bailiwick").stdout
    listed = re.findall(r"^  (\w+)  ", shown, re.MULTILINE)
    assert len(rows) > 5
    assert set(rows) <= set(listed)


def test_the_make_commands_exist() -> None:
    targets = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"\bmake ([a-z]+)\b", "\n".join(blocks(README, "") + blocks(README, "sh")))
    assert {"run", "test"} <= set(named) <= set(targets)
