"""The import contracts hold, and each of them is seen to fail on a planted import."""

from copy import deepcopy
from itertools import pairwise

import pytest
from grimp import ImportGraph

from bailiwick.tooling.check.catalogue import RULES
from bailiwick.tooling.check.ground import Ground
from bailiwick.tooling.check.imports import contracts
from bailiwick.tooling.check.rules import Finding
from bailiwick.tooling.check.source import Source
from bailiwick.tooling.project import Project
from tests.style.source import PROJECT, ROOT, repository

CONTRACTS = [rule.name for rule in RULES.values() if rule.part == "imports"]
PRODUCT = [source for source in repository() if source.in_product]
IMPORTS = Ground(PROJECT, PRODUCT).graph
ACME = Project(ROOT / "nowhere", "acme")
LAYERS, MEET = "contexts_are_layered", "contexts_meet_at_their_contracts"
FRAMEWORKS, READS = "the_business_knows_no_framework", "interfaces_read_through_queries"
DOWN, CYCLE = "the_kernel_knows_no_context", "imports_make_no_cycle"

# The contract, the file that gets a forbidden import, and the import. A file that is not there is made.
PLANTS = [
    (DOWN, "kernel/domain.py", "bailiwick.tasks.contract"),
    (DOWN, "kernel/domain.py", "bailiwick.main"),
    (DOWN, "tasks/domain/task.py", "bailiwick.main"),
    (DOWN, "backend.py", "bailiwick.main"),
    (DOWN, "main.py", "bailiwick.tooling.project"),
    (LAYERS, "tasks/domain/task.py", "bailiwick.tasks.application.ports"),
    (LAYERS, "tasks/application/tasks.py", "bailiwick.tasks.infrastructure.tables"),
    (LAYERS, "tasks/contract.py", "bailiwick.tasks.domain.task"),
    (LAYERS, "tasks/infrastructure/tables.py", "bailiwick.tasks.interfaces.http"),
    (LAYERS, "notes/tables.py", "bailiwick.notes.store"),
    (MEET, "tasks/application/tasks.py", "bailiwick.identity.domain.user"),
    (MEET, "tasks/infrastructure/queries.py", "bailiwick.identity.infrastructure.tables"),
    (MEET, "tasks/application/tasks.py", "bailiwick.identity.client"),
    (FRAMEWORKS, "tasks/contract.py", "pydantic"),
    (FRAMEWORKS, "tasks/domain/task.py", "sqlalchemy.orm"),
    (FRAMEWORKS, "tasks/application/tasks.py", "bailiwick.kernel.database.connections"),
    (FRAMEWORKS, "kernel/domain.py", "fastapi"),
    (READS, "tasks/interfaces/http.py", "bailiwick.tasks.infrastructure.tables"),
    (READS, "tasks/interfaces/http.py", "bailiwick.tasks.infrastructure.unit_of_work"),
    (CYCLE, "kernel/domain.py", "bailiwick.kernel.application"),
]
MEANT_TO_PASS = [
    (MEET, "tasks/application/tasks.py", "bailiwick.identity.contract"),
    (MEET, "tasks/module.py", "bailiwick.identity.client"),
    (READS, "tasks/interfaces/http.py", "bailiwick.tasks.infrastructure.queries"),
    (DOWN, "tooling/project.py", "bailiwick.backend"),
]
PLANTS_OF_A_PROJECT = [
    (MEET, "invoices/application/invoices.py", "bailiwick.identity.domain.user"),
    (MEET, "invoices/application/invoices.py", "bailiwick.backend"),
    (MEET, "invoices/application/invoices.py", "acme.letters.domain.letter"),
    (FRAMEWORKS, "invoices/domain/invoice.py", "bailiwick.kernel.database.mapper"),
    (LAYERS, "invoices/domain/invoice.py", "acme.invoices.infrastructure.tables"),
    (DOWN, "invoices/domain/invoice.py", "acme.start"),
]
MEANT_TO_PASS_IN_A_PROJECT = [
    (MEET, "invoices/application/invoices.py", "bailiwick.orders.contract"),
    (MEET, "invoices/module.py", "bailiwick.orders.client"),
    (MEET, "invoices/infrastructure/tables.py", "bailiwick.kernel.database.columns"),
    (FRAMEWORKS, "invoices/domain/invoice.py", "bailiwick.kernel.money"),
    (FRAMEWORKS, "invoices/application/invoices.py", "bailiwick.orders.contract"),
    (DOWN, "start.py", "acme.invoices.module"),
]


def findings(
    contract: str, file: str, imported: str, before: list[Source], project: Project
) -> list[Finding]:
    """What a contract finds where an import is added to a file of these sources."""
    package, _, _ = imported.partition(".")
    is_ours = package in ("bailiwick", "acme")
    added = Source(f"src/{project.package}/{file}", "", project.package)
    wanted = Source(f"src/{imported.replace('.', '/')}.py", "", project.package)
    there = {source.module for source in before}
    graph = with_parents(deepcopy(IMPORTS), added.module, *[imported][:is_ours])
    if not is_ours:
        graph.add_module(package, is_squashed=True)
    graph.add_import(
        importer=added.module,
        imported=imported if is_ours else package,
        line_number=2,
        line_contents=f"import {imported}",
    )
    made = [source for source in (added, wanted) if source.module not in there]
    return list(RULES[contract].findings(Ground(project, [*before, *made], graph)))


def with_parents(graph: ImportGraph, *modules: str) -> ImportGraph:
    for module in modules:
        steps = module.split(".")
        for number in range(len(steps)):
            graph.add_module(".".join(steps[: number + 1]))
    return graph


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_product_keeps_every_import_contract(contract: str) -> None:
    assert list(map(str, RULES[contract].findings(Ground(PROJECT, PRODUCT, IMPORTS)))) == []


@pytest.mark.parametrize(("contract", "file", "imported"), PLANTS)
def test_a_planted_import_breaks_its_contract(contract: str, file: str, imported: str) -> None:
    told = findings(contract, file, imported, PRODUCT, PROJECT)
    module = "bailiwick." + file.removesuffix(".py").replace("/", ".")
    meant = imported if imported.startswith("bailiwick.") else imported.partition(".")[0]
    assert any(module in str(finding) and meant in str(finding) for finding in told)
    assert all(finding.fix for finding in told)


@pytest.mark.parametrize(("contract", "file", "imported"), MEANT_TO_PASS)
def test_an_import_that_is_meant_to_be_possible_passes(contract: str, file: str, imported: str) -> None:
    assert findings(contract, file, imported, PRODUCT, PROJECT) == []


@pytest.mark.parametrize(("contract", "file", "imported"), PLANTS_OF_A_PROJECT)
def test_a_planted_import_in_a_project_breaks_its_contract(contract: str, file: str, imported: str) -> None:
    [finding] = findings(contract, file, imported, [], ACME)
    assert finding.path == f"src/acme/{file}"
    assert finding.line == 2


@pytest.mark.parametrize(("contract", "file", "imported"), MEANT_TO_PASS_IN_A_PROJECT)
def test_a_project_may_import_what_is_meant_for_it(contract: str, file: str, imported: str) -> None:
    assert findings(contract, file, imported, [], ACME) == []


def test_a_module_without_a_place_in_the_composition_is_seen() -> None:
    new = Source("src/bailiwick/newcomers.py", "")
    graph = with_parents(deepcopy(IMPORTS), new.module)
    [found] = RULES[DOWN].findings(Ground(PROJECT, [*PRODUCT, new], graph))
    assert str(found) == f"{new.path}:1: has no place in `composition` of pyproject.toml"


def test_every_contract_has_a_planted_violation() -> None:
    assert set(CONTRACTS) == {plant[0] for plant in PLANTS}


def test_every_part_of_a_context_has_its_layer() -> None:
    parts = {source.inner[1].removesuffix(".py") for source in PRODUCT if source.context}
    assert parts - {"__init__", "migrations"} <= {part for row in contracts.LAYERS for part in row}


def test_a_folder_may_be_placed_above_the_contexts_as_a_module_may() -> None:
    ground = Ground(PROJECT, PRODUCT, IMPORTS)
    ground.composition = [*ground.composition, ["orders"]]
    assert list(RULES[DOWN].findings(ground)) == []
    ground.graph = deepcopy(IMPORTS)
    ground.graph.add_import(
        importer="bailiwick.tasks.module",
        imported="bailiwick.orders.contract",
        line_number=3,
        line_contents="",
    )
    [found] = RULES[DOWN].findings(ground)
    assert "tasks/module.py:3: imports what stands above it" in str(found)


def test_a_module_that_nothing_can_see_the_imports_of_is_seen() -> None:
    hidden = Source("src/bailiwick/tasks/hidden/thing.py", "")
    [found] = RULES[DOWN].findings(Ground(PROJECT, [*PRODUCT, hidden], IMPORTS))
    assert str(found).startswith(f"{hidden.path}:1: is in a folder without __init__.py")


def test_a_cycle_through_three_modules_is_seen_beside_one_through_two() -> None:
    graph = ImportGraph()
    for importer, imported in ("ab", "bc", "ca", "cd", "ef", "fe", "fa"):
        graph.add_import(importer=f"acme.{importer}", imported=f"acme.{imported}")
    ground = Ground(ACME, [Source(f"src/acme/{name}.py", "", "acme") for name in "abcdef"], graph)
    assert contracts.import_cycles(ground) == [["acme.a", "acme.b", "acme.c"], ["acme.e", "acme.f"]]


def test_a_framework_behind_several_modules_is_told_once_where_the_business_ends() -> None:
    graph = with_parents(deepcopy(IMPORTS), "bailiwick.tasks.domain.new", "bailiwick.kernel.new")
    chain = ("tasks.application.tasks", "tasks.domain.new", "kernel.new")
    for importer, imported in pairwise(f"bailiwick.{step}" for step in chain):
        graph.add_import(importer=importer, imported=imported, line_number=7, line_contents="")
    for framework in ("fastapi", "sqlalchemy"):
        graph.add_import(importer="bailiwick.kernel.new", imported=framework, line_number=1, line_contents="")
    new = [Source(f"src/bailiwick/{step.replace('.', '/')}.py", "") for step in chain[1:]]
    [found] = RULES[FRAMEWORKS].findings(Ground(PROJECT, [*PRODUCT, *new], graph))
    assert str(found) == (
        "src/bailiwick/tasks/domain/new.py:7: leads to fastapi: "
        "bailiwick.tasks.domain.new → bailiwick.kernel.new → fastapi"
    )
