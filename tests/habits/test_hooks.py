"""The hooks before a commit are those of the environment, and refuse what they should."""

import shutil
import sys
from pathlib import Path

import pytest
import yaml

from tests.habits.tools import damaged, run
from tests.style.source import ROOT
from tests.tooling.upgrade.conftest import git

HOOKS = ".pre-commit-config.yaml"


def test_the_configuration_is_valid(tmp_path: Path) -> None:
    assert run("prek", "validate-config", HOOKS)[0] == 0
    code, told = run("prek", "validate-config", damaged(HOOKS, tmp_path, "entry:", "enter:"))
    assert code == 1
    assert "entry" in told


def test_no_hook_is_fetched_from_anywhere() -> None:
    described = yaml.safe_load((ROOT / HOOKS).read_text())["repos"]
    assert {each["repo"] for each in described} == {"local"}
    for hook in described[0]["hooks"]:
        assert hook["language"] == "system"
        assert hook["entry"].startswith(".venv/bin/")
        assert Path(sys.executable).with_name(hook["entry"].split()[0].rpartition("/")[2]).exists()


@pytest.mark.parametrize(("text", "refused"), [("x = 1\n", ""), ("import os\n", "lint"), ("x=1\n", "format")])
def test_a_commit_with_a_fault_is_refused(tmp_path: Path, text: str, refused: str) -> None:
    git(tmp_path, "init", "--quiet")
    shutil.copy(ROOT / HOOKS, tmp_path)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "odd.py").write_text(text)
    git(tmp_path, "add", HOOKS, "odd.py")
    code, told = run("prek", "run", "ruff", "ruff-format", at=tmp_path)
    assert code == (1 if refused else 0), told
    failed = [line.partition(".")[0] for line in told.splitlines() if line.endswith("Failed")]
    assert failed == ([refused] if refused else [])
