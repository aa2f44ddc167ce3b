"""The guide to subscribers works: its changes, made to a copy of the code, do what it says."""

import os
import re
import subprocess
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from tests.docs.pages import ROOT, blocks
from tests.docs.running import BAILIWICK, running

GUIDE = ROOT / "docs/guides/react-to-an-event.md"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code after somebody did what the guide says."""
    place = tmp_path_factory.mktemp("copy")
    copytree(ROOT / "src", place / "src", ignore=ignore_patterns("__pycache__"))
    alone = os.environ | {"GIT_CEILING_DIRECTORIES": str(place.parent)}
    [diff] = blocks(GUIDE, "diff")
    subprocess.run(["git", "apply", "-"], input=diff, cwd=place, env=alone, text=True, check=True)
    [subscriber] = blocks(GUIDE, "python")
    [path] = re.findall(r"`(src/\S+/subscribers\.py)`", GUIDE.read_text())
    (place / path).write_text(subscriber)
    return place


def test_who_registers_finds_one_task(sqlite_url: str, tmp_path: Path, copy: Path) -> None:
    [try_it] = blocks(GUIDE, "sh")
    with running(sqlite_url, tmp_path, copy / "src") as server:
        [listed] = server.bash(try_it, tmp_path)
    assert [task["title"] for task in listed["data"]] == ["Complete your profile"]


def test_the_changed_code_is_as_clean_as_the_rest(copy: Path) -> None:
    ruff = str(Path(BAILIWICK).with_name("ruff"))
    options = ["--config", str(ROOT / "pyproject.toml"), "--no-cache", "src/bailiwick/tasks"]
    for words in (["check"], ["format", "--check"]):
        command = [ruff, *words, *options]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
