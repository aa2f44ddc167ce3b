"""The small project that the edits are tried on."""

from pathlib import Path
from shutil import copytree

import pytest

from bailiwick.tooling.project import Project
from tests.tooling.edit.projects import with_contexts


@pytest.fixture(scope="session")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_contexts(tmp_path_factory.mktemp("edited") / "acme", "tasks", "orders").root


@pytest.fixture
def acme(untouched: Path, tmp_path: Path) -> Project:
    """A project with the contexts `tasks` and `orders`, as people wrote them."""
    copytree(untouched, tmp_path / "acme")
    return Project(tmp_path / "acme", "acme")
