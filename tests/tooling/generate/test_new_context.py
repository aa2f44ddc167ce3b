"""What `bailiwick new context` and `new aggregate` write passes every check and its own tests at once."""

import re
import tomllib
from pathlib import Path
from shutil import copytree

import pytest

from bailiwick.kernel.settings import Settings
from bailiwick.tooling.generate import rendering
from bailiwick.tooling.generate.context import new_aggregate, new_context
from bailiwick.tooling.generate.project import new_project
from bailiwick.tooling.generate.rendering import CannotGenerate
from bailiwick.tooling.project import Project
from tests.tooling.generate.projects import run

EVERY_TYPE = [
    "name:str", "nick:str(2)?", "story:text", "remark:text(50)?", "count:int(0..9)", "depth:int?",
    "price:money", "fee:money?", "open:bool", "seen:bool?", "born_on:date", "due_on:date?",
    "heard_at:datetime", "due_at:datetime?", "source:uuid", "origin:uuid?", "colour:red|green",
    "size:small|large?", "notes:text?",
]  # fmt: skip
BILLING = ["number:str(40)", "total:money", "due_at:datetime?", "kind:goods|services"]


def generated(project: Path, *words: str, fields: list[str]) -> str:
    """What the command says."""
    done = run(
        project, "bailiwick", "new", *words, *(word for field in fields for word in ("--field", field))
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one context of each kind; two aggregates of one react to the same event."""
    where = tmp_path_factory.mktemp("contexts")
    new_project("acme", where=where)
    made, on = where / "acme", ("--on", "orders.OrderPlaced")
    generated(made, "context", "billing", "--aggregate", "Invoice", *on, fields=BILLING)
    generated(made, "aggregate", "billing", "CreditNote", *on, fields=["reason:text", "order_id:uuid"])
    generated(made, "context", "stories", "--aggregate", "Story", fields=EVERY_TYPE)
    follows = ["--flat", "--on", "billing.InvoiceCreated"]
    generated(made, "context", "stamps", "--aggregate", "Stamp", *follows, fields=["number:str", "rare:bool"])
    return made


def test_it_is_linted_formatted_typed_and_within_the_rules(acme: Path) -> None:
    for words in (
        ["ruff", "check"],
        ["ruff", "format", "--check"],
        ["mypy", "--no-error-summary"],
        ["bailiwick", "check", "--accept"],
        ["bailiwick", "check"],
    ):
        done = run(acme, *words)
        assert done.returncode == 0, done.stdout + done.stderr


def test_it_passes_its_own_tests_on_both_databases(acme: Path) -> None:
    done = run(acme, "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) > 250


def test_each_shape_has_its_files_and_both_end_in_the_settings(acme: Path) -> None:
    def below(context: str) -> set[str]:
        place = acme / "src/acme" / context
        return {path.relative_to(place).as_posix() for path in place.rglob("*.py")} - {"__init__.py"}

    assert below("stamps") == {
        "contract.py", "http.py", "migrations/0001_stamps.py", "migrations/__init__.py", "module.py",
        "store.py", "tables.py",
    }  # fmt: skip
    assert below("billing") >= {
        "application/credit_notes.py", "application/invoices.py", "application/subscribers.py",
        "domain/credit_note.py", "infrastructure/credit_note_queries.py", "interfaces/http/credit_notes.py",
        "interfaces/http/invoices.py", "migrations/0002_credit_notes.py",
    }  # fmt: skip
    assert "interfaces/http.py" not in below("billing")
    settings = (acme / "bailiwick.toml").read_text()
    assert re.findall(r'^    "acme\.(\w+)"', settings, re.M) == ["billing", "stories", "stamps"]


def test_nothing_of_the_templates_is_left_in_what_they_made(acme: Path) -> None:
    for path in acme.rglob("src/**/*.py"):
        text = path.read_text()
        assert not re.search(r"\{\{|\{%|TODO|FIXME|\bNone None\b| {2,}#: ", text), path
        assert not re.search(r"\ba [aeio]\w+", " ".join(re.findall(r'"""(.*?)"""', text, re.S))), path


def tree(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["context", "billing", "--aggregate", "Bill"], "bailiwick new aggregate billing"),
        (["context", "tasks", "--aggregate", "Chore"], "tasks is a context of Bailiwick"),
        (["context", "jobs", "--aggregate", "Order"], "/api/v1/orders is taken by orders"),
        (["context", "sums", "--aggregate", "Invoice"], "/api/v1/invoices is taken"),
        (["context", "bills", "--aggregate", "Bill", "--on", "orders.Placed"], "it has OrderCancelled"),
        (["context", "bills", "--aggregate", "Bill", "--on", "shop.Sold"], "there are the contexts identity"),
        (["context", "bills", "--aggregate", "Bill", "--on", "catalog.StockMoved"], "names no user"),
        (["aggregate", "billing", "Invoice"], "There is an invoice in billing already"),
        (["aggregate", "stamps", "Album"], "bailiwick promote stamps"),
        (["aggregate", "bills", "Bill"], "acme has no context bills"),
    ],
)
def test_what_cannot_be_made_is_refused_and_leaves_everything_alone(
    acme: Path, words: list[str], told: str
) -> None:
    before = tree(acme)
    done = run(acme, "bailiwick", "new", *words, "--field", "name:str")
    assert (done.returncode, told in done.stderr) == (1, True), done.stderr
    assert tree(acme) == before


@pytest.fixture
def project(tmp_path: Path) -> Project:
    new_project("acme", "tasks", where=tmp_path)
    return Project.find(tmp_path / "acme")


def test_where_no_contexts_are_named_those_that_are_enabled_are(project: Project) -> None:
    settings = project.root / "bailiwick.toml"
    settings.write_text("debug = false\n")
    new_context("notes", "Note", ["title:str"], project=project)
    named = tomllib.loads(settings.read_text())
    assert named == {"debug": False, "contexts": [*Settings().contexts, "acme.notes"]}


def test_contexts_that_are_no_list_are_left_to_a_person(project: Project) -> None:
    settings = project.root / "bailiwick.toml"
    settings.write_text('contexts = "identity, tasks"\n')
    told = new_context("notes", "Note", ["title:str"], project=project)
    assert "Left for you: add acme.notes to contexts in bailiwick.toml." in told
    assert settings.read_text() == 'contexts = "identity, tasks"\n'


def templates_with(place: Path, file: str, old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Damage a copy of the templates, and use it."""
    copytree(rendering.TEMPLATES, place)
    text = (place / file).read_text()
    assert old in text
    (place / file).write_text(text.replace(old, new))
    monkeypatch.setattr(rendering, "TEMPLATES", place)


def test_a_template_that_forgets_the_owner_is_seen_by_the_tests_that_it_writes(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = '{{ n.many }}.c.owner_id == bindparam("owner"), '
    templates_with(tmp_path / "templates", "shared/listing.jinja", scope, "", monkeypatch)
    new_context("notes", "Note", ["title:str", "price:money"], project=project)
    done = run(
        project.root, "pytest", "-q", "-p", "no:cacheprovider", "-k", "somebody and sqlite", "tests/notes"
    )
    assert done.returncode == 1
    assert "test_somebody_elses_note_is_like_one_that_never_was" in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [("{{ n.aggregate }}View:", "{{ nobody }}:", "nobody"), ("@dataclass", "@@dataclass", "not correct")],
)
def test_a_broken_template_writes_nothing(
    old: str, new: str, error: str, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    templates_with(tmp_path / "templates", "shared/view.jinja", old, new, monkeypatch)
    before = tree(project.root)
    with pytest.raises(Exception, match=error):
        new_context("notes", "Note", ["title:str"], project=project)
    assert tree(project.root) == before


def test_a_module_that_was_written_otherwise_is_not_touched(project: Project) -> None:
    new_context("notes", "Note", ["title:str"], project=project)
    module = project.source / "notes/module.py"
    module.write_text(module.read_text().replace("routers=(router,)", "routers=tuple([router])"))
    before = tree(project.root)
    with pytest.raises(CannotGenerate, match=r"a tuple in routers=\(…\)"):
        new_aggregate("notes", "Tag", ["name:str"], project=project)
    assert tree(project.root) == before
