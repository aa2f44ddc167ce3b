"""The map of somebody's own project, in either shape, is read from its files alone."""

from pathlib import Path

import pytest

from bailiwick.tooling.map.atlas import Ask, Atlas, NoSuchMap
from bailiwick.tooling.map.edges import Edge, Kind, edges_of
from bailiwick.tooling.map.reading import atlas_of
from bailiwick.tooling.map.sources import Unreadable
from bailiwick.tooling.project import Project
from tests.tooling.map.projects import change, write


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return write(tmp_path)


def test_own_contexts_stand_beside_those_of_bailiwick_that_are_enabled(project: Project) -> None:
    found = {each.name: each.package for each in atlas_of(project).contexts}
    assert found == {
        "identity": "bailiwick.identity",
        "invoices": "acme.invoices",
        "letters": "acme.letters",
        "orders": "bailiwick.orders",
    }


def test_a_context_is_read_whatever_its_shape_and_its_imports(project: Project) -> None:
    invoices = atlas_of(project)["invoices"]
    assert invoices.says == "Invoices: what is to be paid."
    assert [each.name for each in invoices.events] == ["invoices.InvoiceSent"]
    assert [each.name for each in invoices.questions] == ["invoices.Invoices.open_amount"]
    assert [each.name for each in invoices.tables] == ["invoices_invoice", "invoices_line"]
    assert [(each.name, each.says) for each in invoices.routes] == [
        ("GET /api/v1/invoices", "All of them."),
        ("POST /api/v1/invoices/{id}/send", ""),
    ]
    [hears] = invoices.subscribers
    assert (hears.name, hears.event) == ("invoices.on_order_paid", "orders.OrderPaid")
    assert hears.at == "src/acme/invoices/subscribers.py:4"


def test_a_process_hears_of_what_its_steps_wait_for(project: Project) -> None:
    [hears] = atlas_of(project)["letters"].subscribers
    assert (hears.name, hears.event) == ("letters.reminder.InvoiceSent", "invoices.InvoiceSent")


def test_a_question_is_followed_through_a_variable_to_where_it_is_asked(project: Project) -> None:
    [asked] = atlas_of(project)["letters"].asks
    assert asked == Ask("invoices.Invoices.open_amount", "remind", "src/acme/letters/module.py:11")


def test_what_is_only_imported_joins_two_contexts_too(project: Project) -> None:
    edges = edges_of(atlas_of(project))
    assert edges == [
        Edge("invoices", "letters", Kind.EVENT, ("InvoiceSent",)),
        Edge("letters", "invoices", Kind.QUESTION, ("open_amount",)),
        Edge("letters", "orders", Kind.NAME, ("OrderStatus",)),
        Edge("orders", "invoices", Kind.EVENT, ("OrderPaid",)),
    ]


def test_a_map_is_the_same_when_it_was_kept_as_json(project: Project) -> None:
    atlas = atlas_of(project)
    assert Atlas.of(atlas.as_data()) == atlas


@pytest.mark.parametrize("data", [None, [], {"map": 2}, {"map": 1}, {"map": 1, "contexts": [{"name": "x"}]}])
def test_what_is_no_map_is_refused(data: object) -> None:
    with pytest.raises(NoSuchMap, match=r"no map|damaged"):
        Atlas.of(data)


UNREADABLE = [
    (
        "invoices/module.py",
        '"invoices.on_order_paid"',
        'f"invoices.{x}"',
        r"module.py:\d+: write name as a plain",
    ),
    (
        "invoices/module.py",
        '"invoices.on_order_paid", orders.OrderPaid,',
        '"invoices.x", kind,',
        "kind is not one",
    ),
    ("invoices/http.py", 'prefix="/api/v1/invoices"', "prefix=PREFIX", "http.py:3: write prefix as a plain"),
    ("invoices/tables.py", 'Table("invoices_invoice", ', "Table(*", "tables.py:4: write name out"),
    ("letters/contract.py", "Nothing", '"""', "contract.py:1 is no Python"),
]


@pytest.mark.parametrize(("file", "here", "other", "told"), UNREADABLE)
def test_what_cannot_be_seen_in_the_code_is_refused_with_its_line(
    project: Project, file: str, here: str, other: str, told: str
) -> None:
    change(project, file, here, other)
    with pytest.raises(Unreadable, match=told):
        atlas_of(project)


def test_a_project_without_a_context_is_told_how_to_make_one(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.bailiwick]\npackage = "acme"\n')
    (tmp_path / "bailiwick.toml").write_text("contexts = []\n")
    with pytest.raises(NoSuchMap, match="bailiwick new context"):
        atlas_of(Project.find(tmp_path))


def test_a_contract_may_be_imported_as_a_whole(project: Project) -> None:
    change(
        project,
        "letters/module.py",
        "from acme.invoices.contract import Invoices, InvoiceSent",
        "from acme.invoices import contract\nfrom acme.invoices.contract import InvoiceSent",
    )
    change(project, "letters/module.py", "ports.contract(Invoices)", "ports.contract(contract.Invoices)")
    letters = atlas_of(project)["letters"]
    assert [each.question for each in letters.asks] == ["invoices.Invoices.open_amount"]
    assert "invoices.Invoices" in {each.name for each in letters.imports}
