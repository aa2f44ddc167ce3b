"""Projects as earlier versions of Bailiwick made them, in a folder of the test's own."""

import subprocess
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

PROJECTS = Path(__file__).with_name("projects")

collect_ignore = ["projects"]


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of version 0.1.0, committed."""
    root = tmp_path / "acme"
    copytree(PROJECTS / "0.1.0", root, ignore=ignore_patterns("__pycache__", ".*"))
    (root / ".gitignore").write_text("__pycache__/\n")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "Begin")
    return root
