"""The guides to adding a field and an endpoint work: their commands and changes do what they say."""

import subprocess
import sys
from pathlib import Path
from shutil import copytree

import pytest

from bailiwick.tooling.generate.project import new_project
from tests.docs.pages import ROOT, blocks, names
from tests.docs.running import running
from tests.tooling.generate.projects import environment, run

CONTEXT, FIELD, ENDPOINT = (
    ROOT / f"docs/guides/{name}.md" for name in ("add-a-context", "add-a-field", "add-an-endpoint")
)
OF_SEVERAL = "interfaces/http/invoices.py"


def commands(guide: Path) -> list[str]:
    return [block for block in blocks(guide, "sh") if block.startswith("bailiwick")]


def follow(project: Path, steps: list[str], changes: list[str]) -> None:
    # Git must not take the repository around a temporary directory, if there is one, for the project's.
    alone = environment(project) | {"GIT_CEILING_DIRECTORIES": str(project.parent)}
    alone["PATH"] = f"{Path(sys.executable).parent}:{alone['PATH']}"
    for step in steps:
        subprocess.run(["bash", "-e", "-c", step], cwd=project, env=alone, check=True)
    for change in changes:
        subprocess.run(["git", "apply", "-"], input=change, cwd=project, env=alone, text=True, check=True)


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after somebody did what both guides say."""
    where = tmp_path_factory.mktemp("extended")
    new_project("acme", "identity,payments,catalog,orders", where=where)
    project = where / "acme"
    follow(project, commands(CONTEXT)[:1], [])
    for guide in (FIELD, ENDPOINT):
        follow(project, commands(guide), blocks(guide, "diff"))
    return project


def test_the_guides_name_what_is_touched(acme: Path) -> None:
    for guide in (FIELD, ENDPOINT):
        for name in names(guide):
            if name.endswith((".py", ".md")) and "/" in name and name != OF_SEVERAL:
                places = (acme / name, acme / "src/acme/billing" / name)
                assert any(place.is_file() for place in places), name


def test_the_result_is_as_clean_as_the_rest(acme: Path) -> None:
    for words in (
        ["ruff", "check"],
        ["ruff", "format", "--check"],
        ["mypy", "--no-error-summary"],
        ["bailiwick", "check", "--accept"],
        ["bailiwick", "check"],
    ):
        done = run(acme, *words)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_project_passes_its_tests_on_both_databases(acme: Path) -> None:
    done = run(acme, "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout[-4000:]
    assert "discount_of_an_invoice_is_kept" in (acme / "tests/billing/test_invoices_http.py").read_text()


def test_the_examples_show_what_the_guides_say(acme: Path, sqlite_url: str, tmp_path: Path) -> None:
    with running(sqlite_url, acme, acme / "src") as server:
        [made, listed] = server.bash(blocks(FIELD, "sh")[-1], tmp_path)
        assert made["data"]["discount"] == {"amount": 50, "currency": "NAD", "exponent": 2}
        assert [each["number"] for each in listed["data"]] == ["A-1"]
        second = blocks(ENDPOINT, "sh")[-1].replace("quick@", "slow@")
        [refused, changed, sent] = server.bash(second, tmp_path)
        assert (refused["status"], refused["code"]) == (409, "nothing_to_pay")
        assert sent["data"]["total"] == changed["data"]["total"]


def test_the_migrations_go_down_and_up_again(acme: Path, database_url: str) -> None:
    def migrate(*words: str) -> str:
        return run(acme, "bailiwick", "migrate", *words, DATABASE_URL=database_url).stdout

    assert "3 applied, at billing_0003" in migrate("up")
    assert "billing is now at billing_0001, 2 pending" in migrate(
        "down", "--context", "acme.billing", "--steps", "2", "--yes"
    )
    assert "2 applied, at billing_0003" in migrate("up")


def test_without_the_column_everything_says_what_is_missing(acme: Path, tmp_path: Path) -> None:
    forgetful = tmp_path / "acme"
    copytree(acme, forgetful)
    tables = forgetful / "src/acme/billing/infrastructure/tables.py"
    kept = [line for line in tables.read_text().splitlines() if '"discount_' not in line]
    tables.write_text("\n".join(kept) + "\n")
    adapter = forgetful / "src/acme/billing/infrastructure/unit_of_work.py"
    told = adapter.read_text().replace('"discount_amount",', "").replace('"discount_currency",', "")
    adapter.write_text(told)
    done = run(forgetful, "bailiwick", "openapi")
    [said] = [name for name in names(FIELD) if "differ in" in name]
    assert done.returncode == 1
    assert said in done.stderr
