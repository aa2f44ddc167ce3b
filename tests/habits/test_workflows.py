"""The workflows hold the least rights and run nothing that could change under them."""

import re
from pathlib import Path

import pytest
import yaml

from tests.habits.tools import damaged, run, violations
from tests.style.source import ROOT

CI = ".github/workflows/ci.yml"
RELEASE = ".github/workflows/release.yml"
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
AUDIT = ("--offline", "--persona", "pedantic", "--quiet", "--no-progress")
ON_EACH = pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)


def test_the_audit_of_all_workflows_finds_nothing() -> None:
    code, told = run("zizmor", *AUDIT, ROOT / ".github")
    assert code == 0, told


@pytest.mark.parametrize(
    ("workflow", "old", "new", "said"),
    [
        (CI, "@3d3c42e5aac5ba805825da76410c181273ba90b1", "@v7", "unpinned-uses"),
        (CI, "persist-credentials: false", "fetch-depth: 1", "artipacked"),
        (CI, "permissions: {}", "permissions: write-all", "excessive-permissions"),
        (CI, "  pull_request:", "  pull_request_target:", "dangerous-triggers"),
        (RELEASE, 'scripts.release "$TAG"', 'scripts.release "${{ github.ref_name }}"', "template-injection"),
    ],
)
def test_each_unsafe_workflow_is_seen(tmp_path: Path, workflow: str, old: str, new: str, said: str) -> None:
    code, told = run("zizmor", *AUDIT, damaged(workflow, tmp_path, old, new))
    assert code > 0
    assert f"[{said}]" in told


def test_they_keep_to_their_schema(tmp_path: Path) -> None:
    for workflow in WORKFLOWS:
        assert violations(workflow, "github-workflows") == []
    assert violations(damaged(CI, tmp_path, "runs-on:", "run-on:"), "github-workflows") != []
    assert violations(".github/dependabot.yml", "dependabot") == []


@ON_EACH
def test_every_job_ends_by_itself_and_names_its_rights(workflow: Path) -> None:
    described = yaml.safe_load(workflow.read_text())
    assert described["permissions"] == {}
    for name, job in described["jobs"].items():
        assert job["timeout-minutes"] <= 60, name
        assert set(job["permissions"].values()) <= {"read"} or name == "publish", name


@ON_EACH
def test_the_commands_of_the_steps_exist(workflow: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for job in yaml.safe_load(workflow.read_text())["jobs"].values():
        for command in (step["run"] for step in job["steps"] if "run" in step):
            for target in re.findall(r"(?:^|\n)make ([a-z ]+)", command):
                assert all(f"\n{each}:" in makefile for each in target.split()), command
            for path in re.findall(r"(?:^|\s)((?:tests|\.ci)/\S+)", command):
                assert (ROOT / path).exists(), path
            for module in re.findall(r"-m (scripts\.\w+)", command):
                assert (ROOT / f"{module.replace('.', '/')}.py").exists(), module
