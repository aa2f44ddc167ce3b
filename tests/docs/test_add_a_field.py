"""The guide to adding a field works: its changes, made to a copy of the code, do what it says."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree, ignore_patterns

import httpx2 as httpx
import pytest

from bailiwick import demo
from bailiwick.kernel.database import migrations
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Database
from tests.docs.pages import ROOT, blocks, names
from tests.docs.running import BAILIWICK, Server, environment, running

GUIDE = ROOT / "docs/guides/add-a-field.md"
CHANGED = {f"src/bailiwick/tasks/{name}.py" for name in ("domain/task", "interfaces/http")} | {
    f"src/bailiwick/tasks/infrastructure/{name}.py" for name in ("queries", "tables")
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code after somebody did what the guide says."""
    place = tmp_path_factory.mktemp("copy")
    copytree(ROOT / "src", place / "src", ignore=ignore_patterns("__pycache__"))
    # Git must not take the repository around a temporary directory, if there is one, for the copy's.
    alone = os.environ | {"GIT_CEILING_DIRECTORIES": str(place.parent)}
    for diff in blocks(GUIDE, "diff"):
        command = ["git", "apply", "-"]
        subprocess.run(command, input=diff, cwd=place, env=alone, text=True, check=True)
    [migration] = blocks(GUIDE, "python")
    [path] = re.findall(r"`(src/\S+/migrations/\S+\.py)`", GUIDE.read_text())
    (place / path).write_text(migration)
    return place


@dataclass
class Changed:
    """The changed product on a database that it was upgraded on, and a user from before."""

    server: Server
    client: httpx.Client


@pytest.fixture(params=["sqlite", "postgresql"])
def changed(request: pytest.FixtureRequest, tmp_path: Path, copy: Path) -> Iterator[Changed]:
    url: str = request.getfixturevalue(f"{request.param}_url")
    settings = Settings(database=Database(url=url))
    migrations.upgrade(settings)
    told = demo.seed(settings) or ""
    password = re.findall(r"ann@example\.com +(\S+)", told)[0]
    with (
        running(url, tmp_path, copy / "src") as server,
        httpx.Client(base_url=f"{server.address}/api/v1") as client,
    ):
        known = {"email": "ann@example.com", "password": password}
        token = client.post("/auth/login", json=known).json()["data"]["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield Changed(server, client)


def titles(client: httpx.Client, query: str) -> list[str]:
    answer = client.get(f"/tasks?{query}")
    assert answer.status_code == 200, answer.text
    return [task["title"] for task in answer.json()["data"]]


def test_the_guide_changes_four_files_and_adds_a_migration(copy: Path) -> None:
    compared = subprocess.run(
        ["diff", "-rq", "-x", "__pycache__", ROOT / "src", copy / "src"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.splitlines()
    differing = {line.split()[3].removeprefix(f"{copy}/") for line in compared if line.startswith("Files")}
    assert differing == CHANGED
    assert [line for line in compared if not line.startswith("Files")] == [
        f"Only in {copy}/src/bailiwick/tasks/migrations: 0002_estimate_minutes.py"
    ]


def test_the_changed_code_is_as_clean_as_the_rest(copy: Path) -> None:
    ruff = str(Path(BAILIWICK).with_name("ruff"))
    options = ["--config", str(ROOT / "pyproject.toml"), "--no-cache", "src/bailiwick/tasks"]
    for words in (["check"], ["format", "--check"]):
        command = [ruff, *words, *options]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_field_is_set_shown_filtered_and_sorted_by(changed: Changed, tmp_path: Path) -> None:
    client = changed.client
    old = client.get("/tasks").json()["data"]
    assert [task["estimate_minutes"] for task in old] == [None] * 5

    created = client.post("/tasks", json={"title": "new", "estimate_minutes": 30})
    assert (created.status_code, created.json()["data"]["estimate_minutes"]) == (201, 30)
    task = f"/tasks/{created.json()['data']['id']}"
    assert client.get(task).json()["data"]["estimate_minutes"] == 30
    assert client.patch(task, json={"title": "newer"}).json()["data"]["estimate_minutes"] == 30
    assert client.patch(task, json={"estimate_minutes": 45}).json()["data"]["estimate_minutes"] == 45
    assert client.put(task, json={"title": "newer"}).json()["data"]["estimate_minutes"] is None
    assert client.patch(task, json={"estimate_minutes": 90}).json()["data"]["estimate_minutes"] == 90
    for wrong in (0, 60_001, 10**30, "30", 1.5, True):
        refused = client.patch(task, json={"estimate_minutes": wrong})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input"), wrong
        assert refused.json()["errors"][0]["field"] == "estimate_minutes"

    client.post("/tasks", json={"title": "short", "estimate_minutes": 5}).raise_for_status()
    assert titles(client, "filter[estimate_minutes]=90") == ["newer"]
    assert titles(client, "filter[estimate_at_most]=60") == ["short"]
    assert titles(client, "sort=estimate_minutes")[:2] == ["short", "newer"]
    assert titles(client, "sort=estimate_minutes&cursor=&per_page=1") == ["short"]
    assert client.get("/tasks?filter[estimate_minutes]=99999999999").status_code == 422
    assert client.patch(task, json={"estimate_minutes": None}).json()["data"]["estimate_minutes"] is None

    [try_it] = blocks(GUIDE, "sh")
    *made, listed = changed.server.bash(try_it, tmp_path)
    assert [task["data"]["estimate_minutes"] for task in made] == [15, 240]
    assert [task["title"] for task in listed["data"]] == ["Short"]


def bailiwick(database_url: str, source: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    settings = environment(database_url, source)
    return subprocess.run([BAILIWICK, *words], env=settings, capture_output=True, text=True, check=False)


def test_the_document_shows_the_field_its_range_and_its_filters(copy: Path, sqlite_url: str) -> None:
    document = json.loads(bailiwick(sqlite_url, copy / "src", "openapi").stdout)
    schemas = document["components"]["schemas"]
    for body in ("TaskBody", "TaskChanges"):
        number, nothing = schemas[body]["properties"]["estimate_minutes"]["anyOf"]
        assert number == {"type": "integer", "minimum": 1, "maximum": 60_000}
        assert nothing == {"type": "null"}
    assert "estimate_minutes" in schemas["TaskView"]["properties"]
    parameters = {each["name"]: each for each in document["paths"]["/api/v1/tasks"]["get"]["parameters"]}
    assert {"filter[estimate_minutes]", "filter[estimate_at_most]"} <= set(parameters)
    assert "estimate_minutes" in parameters["sort"]["description"]


def test_the_migration_goes_down_and_up_again(database_url: str, copy: Path) -> None:
    def migrate(*words: str) -> str:
        return bailiwick(database_url, copy / "src", "migrate", *words).stdout

    assert "2 applied, at tasks_0002" in migrate("up")
    assert "tasks is now at tasks_0001, 1 pending" in migrate("down", "--context", "tasks", "--yes")
    assert "1 applied, at tasks_0002" in migrate("up")


def test_without_the_column_everything_says_what_is_missing(
    copy: Path, tmp_path: Path, sqlite_url: str
) -> None:
    forgetful = tmp_path / "src"
    copytree(copy / "src", forgetful, ignore=ignore_patterns("__pycache__"))
    tables = "bailiwick/tasks/infrastructure/tables.py"
    (forgetful / tables).write_text((ROOT / "src" / tables).read_text())
    done = bailiwick(sqlite_url, forgetful, "openapi")
    [told] = [name for name in names(GUIDE) if "differ in" in name]
    assert done.returncode == 1
    assert told in done.stderr
