"""Small projects for the edits: the hand-written tasks and orders as contexts of `acme`."""

from hashlib import sha256
from pathlib import Path
from shutil import copytree, ignore_patterns

from bailiwick.tooling.project import Project
from tests.docs.pages import ROOT

DESCRIBED = """[project]
name = "acme"
version = "0"

[tool.bailiwick]
package = "acme"

[tool.ruff]
line-length = 110
src = ["src", "."]

[tool.ruff.lint]
select = ["C90", "E", "F", "I", "RET", "SIM", "UP", "W"]

[tool.ruff.lint.mccabe]
max-complexity = 8
"""


def with_contexts(place: Path, *names: str) -> Project:
    """A project whose contexts are copies of the shipped ones, with their tests and the table of rights."""
    project = Project(place, "acme")
    place.mkdir(exist_ok=True)
    (place / "pyproject.toml").write_text(DESCRIBED)
    for name in names:
        copytree(ROOT / "src/bailiwick" / name, project.source / name, ignore=ignore_patterns("__pycache__"))
        copytree(ROOT / "tests" / name, place / "tests" / name, ignore=ignore_patterns("__pycache__"))
    for path in place.rglob("*.py"):
        text = path.read_text()
        for name in names:
            text = text.replace(f"bailiwick.{name}", f"acme.{name}")
        path.write_text(text)
    policy = (ROOT / "tests/policy/policy.md").read_text()
    project.policy.write_text(policy)
    return project


def state(project: Project) -> dict[str, str]:
    """What every file holds."""
    files = (path for path in project.root.rglob("*") if path.is_file() and "cache" not in str(path))
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in files}


def text(project: Project, path: str) -> str:
    return (project.root / path).read_text()
