"""`bailiwick check` as it is typed: anywhere in a project, some rules or all, for people and for machines."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bailiwick.cli import app
from bailiwick.tooling.check import commands
from bailiwick.tooling.check.catalogue import PARTS, RULES, chosen, findings
from bailiwick.tooling.check.ground import Ground
from bailiwick.tooling.loading import ToolingMissing
from tests.style.source import PROJECT
from tests.tooling.check import acme
from tests.tooling.check.acme import NOTES


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    acme.write(acme.FILES, tmp_path)
    acme.forget()
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(*words: str) -> Result:
    return CliRunner().invoke(app, ["check", *words])


def test_this_repository_keeps_the_rules_that_are_not_about_its_style() -> None:
    rest = chosen(part for part in PARTS if part not in ("imports", "style", "audit"))
    assert [str(found) for found in findings(Ground(PROJECT), rest) if not found.notice] == []


def test_it_works_below_the_root_and_names_files_from_the_root(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / NOTES / "store.py").write_text('"""Notes."""\n\n\ndef late() -> None:\n    import json\n')
    monkeypatch.chdir(root / NOTES)
    said = check("imports_stand_at_the_top")
    assert said.exit_code == 1
    assert said.stdout.splitlines() == [
        f"{NOTES}/store.py:5: imports below the top of the module",
        "    Move the import to the top; where that makes a cycle, move the shared thing down."
        "  [imports_stand_at_the_top]",
    ]
    assert said.stderr == "1 rules checked, 1 broken.\n"


def test_machines_get_every_finding_with_its_fix(root: Path) -> None:
    (root / "docs/notes.md").write_text(acme.PAGE.replace("store.py", "shop.py"))
    said = check("docs", "--json")
    assert said.exit_code == 1
    assert [found["what"] for found in json.loads(said.stdout)] == [
        "there is no file notes/shop.py",
        "notes/store.py is not in the tree",
    ]


def test_a_part_of_the_rules_can_be_chosen(root: Path) -> None:
    said = check("imports", "docs")
    assert (said.exit_code, said.stdout) == (0, "7 rules checked, none broken.\n")


def test_a_rule_that_does_not_exist_is_said(root: Path) -> None:
    said = check("import")
    assert said.exit_code == 1
    assert said.stderr == "There is no rule import. List them: bailiwick check --list\n"


def test_the_list_has_the_sentence_of_every_rule() -> None:
    said = check("--list").stdout
    assert all(f"  {rule.name}\n      {rule.sentence}\n" in said for rule in RULES.values())
    assert all(rule.sentence.endswith(".") and rule.fix for rule in RULES.values())
    listed = json.loads(check("--list", "--json").stdout)
    assert {entry["part"] for entry in listed} == set(PARTS)


def test_an_exception_from_a_rule_that_does_not_exist_is_seen(root: Path) -> None:
    with (root / "pyproject.toml").open("a") as file:
        file.write('[tool.bailiwick.check.exceptions.no_such_rule]\n"a.py" = "why"\n')
    said = check("docs")
    assert said.exit_code == 1
    assert "names an exception from no_such_rule, which is no rule" in said.stdout


def test_what_cannot_be_parsed_is_named(root: Path) -> None:
    (root / NOTES / "store.py").write_text("def broken(:\n")
    said = check()
    assert said.exit_code == 1
    assert said.stderr == f"{NOTES}/store.py:1: invalid syntax\n"


def test_outside_a_project_it_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = check()
    assert said.exit_code == 1
    assert "bailiwick new project" in said.stderr


def test_a_figure_above_its_limit_ends_with_exit_code_1(root: Path) -> None:
    assert check("--figures").exit_code == 0
    (root / NOTES / "store.py").write_text(acme.STORE + "\n" * 401)
    said = check("--figures")
    assert said.exit_code == 1
    assert "lines of the longest file" in said.stdout
    assert "too large" in said.stdout


def test_without_the_tools_it_says_what_to_install(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(target: str) -> object:
        raise ToolingMissing("Install the tools: pip install 'bailiwick[tooling]'")

    monkeypatch.setattr(commands, "load", missing)
    assert check().stderr == "Install the tools: pip install 'bailiwick[tooling]'\n"


def test_the_guide_says_what_each_part_holds() -> None:
    guide = (PROJECT.root / "docs/guides/check.md").read_text()
    assert [part for part in PARTS if f"| `{part}` | " not in guide] == []
