"""The figures are those of the sources, their limits those of architecture.md, and a larger one is seen."""

import re
from pathlib import Path

import pytest
from grimp import ImportGraph

from bailiwick.tooling.check import figures
from bailiwick.tooling.check.ground import Ground
from bailiwick.tooling.check.hops import Way, ways
from bailiwick.tooling.check.source import Source
from bailiwick.tooling.project import Project
from tests.style.source import PROJECT, ROOT
from tests.tooling.check import acme
from tests.tooling.check.acme import NOTES


@pytest.fixture(scope="module")
def product() -> Ground:
    return Ground(PROJECT)


def small(changed: dict[str, str]) -> Ground:
    files = {path: text for path, text in (acme.FILES | changed).items() if path.endswith(".py")}
    sources = [Source(path, files[path], "acme") for path in files]
    return Ground(Project(Path("nowhere"), "acme"), sources, ImportGraph())


def measured(ground: Ground) -> dict[str, float]:
    return {figure.name: figure.value for figure in figures.figures(ground)}


def test_the_product_keeps_its_budgets(product: Ground) -> None:
    assert [figure.name for figure in figures.figures(product) if not figure.within] == []


def test_the_limits_are_those_of_the_documents() -> None:
    budgets = (ROOT / "docs/architecture.md").read_text().partition("## Budgets")[2]
    listed = re.findall(r"^\| ([a-z ]+) \| ([\d,]+) \|", budgets, re.MULTILINE)
    assert {name: int(limit.replace(",", "")) for name, limit in listed} == figures.LIMITS


def test_the_way_of_a_command_is_route_handler_commit(product: Ground) -> None:
    found = {(way.context, way.route): way for way in ways(product.modules)}
    assert found["tasks", "complete"] == Way(
        "tasks",
        "complete",
        True,
        (
            "src/bailiwick/tasks/interfaces/http.py",
            "src/bailiwick/tasks/application/tasks.py",
            "kernel",
        ),
    )
    assert found["tasks", "read_board"].hops == found["tasks", "list_tasks"].hops == 2


def test_almost_every_route_is_followed_to_its_sql(product: Ground) -> None:
    found = list(ways(product.modules))
    assert len([way for way in found if way.hops == 0]) < len(found) / 20


def test_the_figures_of_a_small_project_are_counted() -> None:
    [size] = figures.sizes(small({}))
    assert (size.context, size.aggregates, size.endpoints) == ("notes", 1, 2)
    assert (size.write_hops, size.read_hops) == (3, 2)
    assert size.files == 6  # the module of a docstring, and the empty one of migrations, hold nothing
    assert measured(small({}))["hops of a write"] == 3


def test_a_layer_that_only_hands_on_is_seen() -> None:
    handing_on = """

async def write_note(text: str, ports: NotesPorts) -> Note:
    return await store_note(text, ports)
"""
    through = acme.STORE.replace("async def write_note", "async def store_note") + handing_on
    larger = [
        figure.name for figure in figures.figures(small({f"{NOTES}/store.py": through})) if not figure.within
    ]
    assert larger == ["hops of a write"]


def test_a_cycle_is_seen() -> None:
    planted = small({"src/acme/one.py": "", "src/acme/two.py": ""})
    planted.graph.add_import(importer="acme.one", imported="acme.two")
    planted.graph.add_import(importer="acme.two", imported="acme.one")
    assert measured(planted)["largest import cycle"] == 2


def test_the_table_has_a_line_for_every_context_and_figure(product: Ground) -> None:
    lines = list(figures.as_table(product))
    assert len(lines) == len(product.contexts) + len(figures.LIMITS) + 3
    data = figures.as_data(product)
    assert {entry["context"] for entry in data["contexts"]} == product.contexts
    assert {entry["name"]: entry["limit"] for entry in data["figures"]} == figures.LIMITS
