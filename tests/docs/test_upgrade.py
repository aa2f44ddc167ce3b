"""The guide to upgrading works: its commands bring a project of the previous version to this one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks
from tests.tooling.upgrade.conftest import git
from tests.tooling.upgrade.conftest import project as project

GUIDE = ROOT / "docs/guides/upgrade.md"


def test_the_commands_of_the_guide_upgrade_a_project(project: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    git(project, "config", "user.name", "Ann")
    git(project, "config", "user.email", "ann@example.com")
    said = subprocess.run(
        ["bash", "-e", "-c", "\n".join(blocks(GUIDE, "sh"))],
        cwd=project,
        env={**os.environ, "PATH": path},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    [shown] = [block for block in blocks(GUIDE, "") if block.startswith("From ")]
    for line in shown.splitlines():
        assert line.removesuffix("…") in said
    assert git(project, "log", "--format=%s").split("\n")[0] == "Upgrade Bailiwick"
    assert git(project, "status", "--porcelain") == ""


def test_the_example_of_a_kept_name_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [example] = blocks(GUIDE, "python")
    (tmp_path / "sizes.py").write_text(example)
    asked = "import sizes; print(sizes.MOST)"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", asked],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1000\n"
    assert re.search(r"DeprecationWarning: sizes\.MOST is called LARGEST_ORDER since", done.stderr)
