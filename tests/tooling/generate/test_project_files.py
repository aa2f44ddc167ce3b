"""The files of a new project that cannot run here are right, as far as can be seen without running them."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree

import pytest
import yaml

from bailiwick.tooling.generate.project import new_project
from tests.tooling.generate.projects import run

WORKFLOW = ".github/workflows/ci.yml"
OUR_USER = "10001:10001"


def said_by(project: Path, *words: str) -> Iterator[str]:
    done = run(project, *words)
    if done.returncode:
        yield done.stdout + done.stderr


def workflow_flaws(project: Path) -> Iterator[str]:
    yield from said_by(project, "check-jsonschema", "--builtin-schema", "vendor.github-workflows", WORKFLOW)
    yield from said_by(project, "zizmor", "--offline", "--quiet", "--no-progress", WORKFLOW)


def compose_flaws(project: Path) -> Iterator[str]:
    yield from said_by(project, "check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml")
    services = yaml.safe_load((project / "compose.yaml").read_text())["services"]
    for name in ("migrate", "app"):
        if not services[name].get("read_only") or services[name].get("cap_drop") != ["ALL"]:
            yield f"{name} is not read_only, or keeps capabilities"
    ports = [port for service in services.values() for port in service.get("ports", [])]
    if not all(port.startswith("127.0.0.1:") for port in ports):
        yield "only this machine may reach what has the passwords of a trial"


def image_flaws(project: Path) -> Iterator[str]:
    yield from said_by(project, "hadolint", "--no-color", "Containerfile")
    lines = (project / "Containerfile").read_text().splitlines()
    if [line for line in lines if line.startswith("USER ")] != [f"USER {OUR_USER}"]:
        yield "it may run as root"


def editor_flaws(project: Path) -> Iterator[str]:
    described = json.loads((project / ".devcontainer/devcontainer.json").read_text())
    if described.get("forwardPorts") != [8000] or described.get("postCreateCommand") != "make env":
        yield "the editor neither makes the environment nor shows the port"


def hook_flaws(project: Path) -> Iterator[str]:
    yield from said_by(project, "prek", "validate-config", ".pre-commit-config.yaml")
    hooks = yaml.safe_load((project / ".pre-commit-config.yaml").read_text()).get("repos", [{}])[0]["hooks"]
    if not all(re.match(r"\.venv/bin/(ruff|bailiwick) ", hook["entry"]) for hook in hooks):
        yield "a hook is not one of the project's own tools"


FLAWS: dict[str, Callable[[Path], Iterator[str]]] = {
    WORKFLOW: workflow_flaws,
    "compose.yaml": compose_flaws,
    "Containerfile": image_flaws,
    ".devcontainer/devcontainer.json": editor_flaws,
    ".pre-commit-config.yaml": hook_flaws,
}
PLANTED = [
    (WORKFLOW, r"@[0-9a-f]{40}", "@v5", "unpinned-uses"),
    (WORKFLOW, r"permissions:\n  contents: read\n", "", "excessive-permissions"),
    (WORKFLOW, "    runs-on: .*", "", "not valid under any"),
    ("compose.yaml", "image: docker", "picture: docker", "picture"),
    ("compose.yaml", "  read_only: true\n", "", "read_only"),
    ("compose.yaml", r'ports: \["127.0.0.1:8000', 'ports: ["8000', "only this machine"),
    ("Containerfile", "python:3.11-slim-bookworm AS", "python AS", "DL3006"),
    ("Containerfile", "pip install --no-cache-dir uv==.*", "pip install uv", "DL3013"),
    ("Containerfile", "USER .*", "USER root", "root"),
    (".devcontainer/devcontainer.json", r'"forwardPorts".*', "", "port"),
    (".pre-commit-config.yaml", "language: system", "language: sanskrit", "sanskrit"),
    (".pre-commit-config.yaml", r"\.venv/bin/ruff", "ruff", "own tools"),
]


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("projects")
    new_project("acme", where=where)
    return where / "acme"


@pytest.mark.parametrize("file", FLAWS)
def test_it_is_right(file: str, acme: Path) -> None:
    assert list(FLAWS[file](acme)) == []


@pytest.mark.parametrize(("file", "pattern", "instead", "said"), PLANTED)
def test_what_is_not_right_is_noticed(
    file: str, pattern: str, instead: str, said: str, acme: Path, tmp_path: Path
) -> None:
    worse = tmp_path / "acme"
    copytree(acme, worse, ignore=lambda *_: {".git"})
    text = (worse / file).read_text()
    changed = re.sub(pattern, instead, text, count=1)
    assert changed != text
    (worse / file).write_text(changed)
    assert said in "\n".join(FLAWS[file](worse))
