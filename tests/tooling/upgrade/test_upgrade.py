"""A project that an earlier version made is upgraded, and its tests pass."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bailiwick.cli import app
from bailiwick.tooling.upgrade import api, upgrading
from bailiwick.tooling.upgrade.versions import installed, number
from tests.tooling.upgrade.conftest import PROJECTS, git

STORE = "src/acme/pledges/store.py"


def run(*words: str) -> tuple[int, str]:
    """`bailiwick upgrade` in the present folder: its exit code, and what it says."""
    done = CliRunner().invoke(app, ["upgrade", *words], prog_name="bailiwick")
    return done.exit_code, done.output


def outcome_of_tests(project: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q"]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(autouse=True)
def inside(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)


def test_a_project_of_the_previous_version_passes_its_tests_once_it_is_upgraded(project: Path) -> None:
    before = outcome_of_tests(project)
    assert before.returncode, "the upgrade has nothing to prove"
    assert "LARGEST is called LARGEST_AMOUNT since Bailiwick 0.2.0" in before.stdout
    code, said = run()
    assert code == 0, said
    after = outcome_of_tests(project)
    assert after.returncode == 0, after.stdout
    assert "2 passed" in after.stdout


def test_a_dry_run_shows_everything_and_changes_nothing(project: Path) -> None:
    code, said = run("--dry-run")
    assert code == 0, said
    assert "\n-from bailiwick.kernel.money import LARGEST, Money" in said
    assert "\n+from bailiwick.kernel.money import LARGEST_AMOUNT, Money" in said
    assert f'\n+made_with = "{installed()}" # raised by' in said
    assert git(project, "status", "--porcelain") == ""


def test_it_changes_what_it_says_and_nothing_else(project: Path) -> None:
    code, said = run()
    assert code == 0, said
    changed = git(project, "status", "--porcelain").split()[1::2]
    assert changed == ["pyproject.toml", STORE, "tests/pledges/test_pledges.py"]
    described = (project / "pyproject.toml").read_text()
    assert f'dependencies = ["bailiwick[redis]>={installed()}"]' in described
    assert '"bailiwick[tooling]",' in described
    assert f"From 0.1.0 to {installed()}: 3 files changed." in said
    assert "make lock" in said
    assert "bailiwick migrate up" in said


def test_what_the_changelog_leaves_to_people_is_printed() -> None:
    _, said = run("--dry-run")
    assert "By hand:" in said
    assert "- Where type checks run: the old name `LARGEST`" in said


def test_a_second_time_there_is_nothing_to_do(project: Path) -> None:
    run()
    git(project, "commit", "--all", "--quiet", "--message", "Upgrade")
    assert run() == (0, f"Nothing to do: this project is at {installed()} already.\n")
    assert git(project, "status", "--porcelain") == ""


def test_a_longer_name_is_sorted_and_formatted_only_where_the_file_was(project: Path) -> None:
    tidy = project / "src/acme/tidy.py"
    tidy.write_text(
        '"""Tidy."""\n\nfrom bailiwick.kernel.money import LARGEST, Money\n\nX = (LARGEST, Money)\n'
    )
    untidy = project / "src/acme/untidy.py"
    untidy.write_text("from bailiwick.kernel.money import Money,LARGEST\nX = ( LARGEST,Money )\n")
    run("--force")
    assert "import LARGEST_AMOUNT, Money\n\nX = (LARGEST_AMOUNT, Money)" in tidy.read_text()
    assert untidy.read_text() == (
        "from bailiwick.kernel.money import Money,LARGEST_AMOUNT\nX = ( LARGEST_AMOUNT,Money )\n"
    )


def test_changes_that_are_not_committed_are_not_mixed_with_it(project: Path) -> None:
    (project / STORE).write_text((project / STORE).read_text() + "\n# mine\n")
    before = (project / "pyproject.toml").read_text()
    code, said = run()
    assert code == 1
    assert f"not committed:\n M {STORE}" in said
    assert (project / "pyproject.toml").read_text() == before
    assert run("--force")[0] == 0
    assert "LARGEST_AMOUNT" in (project / STORE).read_text()


def test_a_new_lock_is_no_such_change(project: Path) -> None:
    (project / "uv.lock").write_text("version = 1\n")
    assert run()[0] == 0


def test_where_git_cannot_undo_it_it_is_not_begun(project: Path) -> None:
    (project / ".git").rename(project / "not-git")
    code, said = run()
    assert code == 1
    assert "not kept by git" in said
    assert run("--force")[0] == 0


def test_a_file_that_is_no_python_is_named_and_nothing_is_written(project: Path) -> None:
    (project / "src/acme/broken.py").write_text("def half(:\n")
    code, said = run("--force")
    assert code == 1
    assert "src/acme/broken.py:1" in said
    assert git(project, "status", "--porcelain").split() == ["??", "src/acme/broken.py"]


def test_a_project_that_does_not_know_its_version_is_told_to_say_it(project: Path) -> None:
    described = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(described.replace("made_with", "# made_with"))
    code, said = run("--force")
    assert code == 1
    assert 'made_with = "0.1.0"' in said


def test_a_project_of_a_newer_version_is_left_alone(project: Path) -> None:
    described = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(described.replace('made_with = "0.1.0"', 'made_with = "9.0.0"'))
    code, said = run("--force")
    assert code == 1
    assert "Install 9.0.0 or newer" in said


def test_outside_of_a_project_it_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = run()
    assert code == 1
    assert "bailiwick new project" in said


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        ("bailiwick>=0.1.0", "bailiwick>=0.2.0"),
        ("bailiwick[redis,nats] ~= 0.1.0", "bailiwick[redis,nats] ~=0.2.0"),
        ("bailiwick>=0.1,<0.2 ; python_version < '4'", "bailiwick>=0.2.0 ; python_version < '4'"),
        ("bailiwick[tooling]", "bailiwick[tooling]"),
        ("bailiwick @ file:///somewhere", "bailiwick @ file:///somewhere"),
        ("bailiwick-extras>=0.1.0", "bailiwick-extras>=0.1.0"),
    ],
)
def test_a_requirement_is_raised_where_it_names_a_version(requirement: str, expected: str) -> None:
    assert upgrading.raised(requirement, "0.2.0") == expected


def test_a_project_of_every_earlier_version_is_kept() -> None:
    released = {file.stem for file in api.RELEASED.glob("*.json")}
    earlier = {version for version in released if number(version) < number(installed())}
    assert earlier == {folder.name for folder in PROJECTS.iterdir()} != set()
