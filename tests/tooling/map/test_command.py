"""The command draws, writes and compares maps, and says what to do where it cannot."""

import json
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from typer.testing import CliRunner, Result

from bailiwick.cli import app
from bailiwick.tooling.project import Project
from tests.tooling.map.projects import change, commit, write

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return write(tmp_path)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["map", *words], prog_name="bailiwick")


def grow(project: Project) -> None:
    """One table and one route more, one subscriber less, and another question."""
    change(project, "invoices/tables.py", '"invoices_line"', '"invoices_row"')
    change(project, "invoices/http.py", 'router.post("/{id}/send"', 'router.put("/{id}/sent"')
    change(project, "letters/module.py", "waits_for=(On(InvoiceSent, key=str),)", "remind")
    change(project, "letters/module.py", "OrderStatus", "OrderCancelled")


CHANGED = """\
Since {}:

invoices
  + table invoices_row
  + route PUT /api/v1/invoices/{{id}}/sent
  - table invoices_line
  - route POST /api/v1/invoices/{{id}}/send

invoices → letters
  - letters.reminder.InvoiceSent hears of invoices.InvoiceSent

letters → orders
  + letters imports OrderCancelled
  - letters imports OrderStatus
"""


def test_a_map_is_compared_with_a_revision_of_git(project: Project) -> None:
    commit(project)
    assert run("--diff", "HEAD").stdout == "The map is the same as that of HEAD.\n"
    grow(project)
    assert run("--diff", "HEAD").stdout == CHANGED.format("HEAD")


def test_a_map_is_compared_with_one_that_was_kept(project: Project) -> None:
    assert run("--json", "-o", "before.json").exit_code == 0
    grow(project)
    told = run("--diff", "before.json")
    assert (told.exit_code, told.stdout) == (0, CHANGED.format("before.json"))


def test_what_changed_is_drawn_in_green_and_red(project: Project) -> None:
    run("--json", "-o", "before.json")
    grow(project)
    assert run("--diff", "before.json", "-o", "change.svg").exit_code == 0
    colours = dict(drawn(Path("change.svg")))
    assert colours["+ table invoices_row"] == "#15803d"
    assert colours["− InvoiceSent"] == colours["− OrderStatus"] == "#b91c1c"
    assert colours["OrderPaid"] == "#b45309"


def drawn(file: Path) -> list[tuple[str, str]]:
    """The texts of a picture and their colours."""
    picture = Xml.parse(file).getroot()  # noqa: S314 - ours
    return [("".join(text.itertext()), text.get("fill", "")) for text in picture.iter(f"{SVG}text")]


def test_the_picture_shows_every_context_and_edge(project: Project) -> None:
    assert run("-o", "map.svg").exit_code == 0
    picture = Xml.parse("map.svg").getroot()  # noqa: S314 - ours
    titles = [title.text for title in picture.iter(f"{SVG}title")]
    assert sorted(map(str, titles)) == [
        "identity", "invoices", "invoices->letters", "letters", "letters->invoices", "letters->orders", "map",
        "orders", "orders->invoices",
    ]  # fmt: skip
    assert run("-o", "map.png").exit_code == 0
    assert Path("map.png").read_bytes().startswith(b"\x89PNG")


def test_the_outline_says_what_each_context_needs(project: Project) -> None:
    told = run().stdout
    assert "letters\n  Letters: what is written to customers.\n  hears of invoices: InvoiceSent\n" in told
    assert "  asks invoices: open_amount\n  uses orders: OrderStatus\n" in told


def test_mermaid_dashes_events_and_escapes_nothing(project: Project) -> None:
    told = run("--mermaid").stdout
    assert told.startswith("flowchart LR\n")
    assert '  orders -.->|"OrderPaid"| invoices\n' in told
    assert '  letters -->|"open_amount"| invoices\n' in told


def test_without_graphviz_it_is_said_how_to_get_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(project.root))
    told = run("-o", "map.svg")
    assert (told.exit_code, "apt-get install graphviz" in told.stderr) == (1, True)
    assert not Path("map.svg").exists()


REFUSED = [
    (("-o", "map.gif"), "must end in .svg, .png, .dot"),
    (("--diff", "yesterday"), "yesterday is neither a file nor a revision of git here"),
    (("--diff", "bailiwick.toml"), "is not the JSON of a map"),
    (("--diff", "other.json"), "This is no map; make one: bailiwick map --json"),
    (("--json", "--mermaid"), "one of --json, --mermaid and --diff"),
]


@pytest.mark.parametrize(("words", "why"), REFUSED)
def test_what_cannot_be_done_is_refused_with_what_to_do(
    project: Project, words: tuple[str, ...], why: str
) -> None:
    Path("other.json").write_text(json.dumps({"paths": {}}))
    told = run(*words)
    assert told.exit_code != 0
    assert why in " ".join(told.stderr.split())
