"""The map that is read from the code equals what the composed product really has."""

import importlib
import pkgutil
from collections.abc import Mapping, Sequence

import pytest
from sqlalchemy import MetaData

from bailiwick.backend import Backend
from bailiwick.kernel.http.contracts import questions_of
from bailiwick.kernel.messaging.outbox import event_type
from bailiwick.kernel.messaging.publishing import published_events
from bailiwick.kernel.operations.traffic import asks_of
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Registration
from bailiwick.tooling.map.atlas import Atlas, Context
from bailiwick.tooling.map.reading import atlas_of
from bailiwick.tooling.map.sources import files_here
from bailiwick.tooling.project import Project

PROJECT = Project.find()
Facts = Mapping[str, Sequence[object]]


@pytest.fixture(scope="module")
def backends() -> list[Backend]:
    """Every way to compose it that changes which routes there are."""
    settings = (Settings(), Settings(registration=Registration(mode="open")))
    return [Backend.build(each) for each in settings]


def composed(backends: Sequence[Backend], name: str) -> Facts:
    """What one context has, in whichever way it is composed."""
    backend = backends[0]
    [carried] = [each for each in backend.carried if each.module.name == name]
    module = carried.module
    operations = {
        f"{operation.method} {operation.path}"
        for each in backends
        for own in each.modules
        if own.name == name
        for router in own.routers
        for operation in router.operations
    }
    kinds = [(kind, f"{name}.{kind.__name__}") for kind in module.contracts]
    return {
        "events": sorted(map(event_type, published_events([name]))),
        "questions": sorted(f"{own}.{each.name}" for kind, own in kinds for each in questions_of(kind)),
        "contracts": sorted(own for _, own in kinds),
        "tables": sorted(tables_in(carried.package)),
        "routes": sorted(operations),
        "hears": sorted(
            (each.name, event_type(each.kind))
            for each in backend.messaging.subscriptions
            if each.name.partition(".")[0] == name
        ),
        "asks": sorted(
            (each.answerer, *each.contracts) for each in asks_of(backend.carried) if each.asker == name
        ),
    }


def tables_in(package: str) -> set[str]:
    """The tables of all of a package's modules, whether its wiring uses them or not."""
    found = pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")
    loaded = [importlib.import_module(each.name) for each in found if ".migrations" not in each.name]
    data = [thing for module in loaded for thing in vars(module).values() if isinstance(thing, MetaData)]
    prefix = package.rpartition(".")[2]
    return {table for each in data for table in each.tables if table.startswith(f"{prefix}_")}


def mapped(atlas: Atlas, context: Context) -> Facts:
    """The same, of the map."""
    asked = [(other.name, atlas.contracts_asked(context.name, other.name)) for other in atlas.contexts]
    return {
        "events": sorted(each.name for each in context.events),
        "questions": sorted(each.name for each in context.questions),
        "contracts": sorted(each.name for each in context.contracts),
        "tables": sorted(each.name for each in context.tables),
        "routes": sorted(each.name for each in context.routes),
        "hears": sorted((each.name, each.event) for each in context.subscribers),
        "asks": sorted(
            (name, *(each.name.partition(".")[2] for each in contracts))
            for name, contracts in asked
            if contracts and name != context.name
        ),
    }


def differing(atlas: Atlas, backends: Sequence[Backend]) -> dict[str, list[str]]:
    """For each context the kinds of things that the map has otherwise."""
    found = {}
    for context in atlas.contexts:
        ours, theirs = mapped(atlas, context), composed(backends, context.name)
        found[context.name] = [kind for kind in theirs if ours[kind] != theirs[kind]]
    return {name: kinds for name, kinds in found.items() if kinds}


def test_the_map_is_what_the_product_is_made_of(backends: list[Backend]) -> None:
    atlas = atlas_of(PROJECT)
    assert [each.name for each in atlas.contexts] == sorted(each.name for each in backends[0].modules)
    assert differing(atlas, backends) == {}


def test_every_contract_that_is_asked_is_followed_to_where_it_is_asked() -> None:
    atlas = atlas_of(PROJECT)
    for one, other in atlas.pairs():
        asked = {each.question.rpartition(".")[0] for each in atlas.asked(one, other)}
        assert asked == {each.name for each in atlas.contracts_asked(one, other)}, (one, other)


PLANTED = {
    "hears": ("payments/module.py", "UserRegistered, partial(", "UserRestored, partial("),
    "routes": ("tasks/interfaces/http.py", 'prefix="/api/v1/tasks"', 'prefix="/api/v1/chores"'),
    "tables": ("orders/infrastructure/tables.py", '"orders_cart"', '"orders_basket"'),
    "events": ("catalog/contract.py", "class PriceChanged(", "class PriceForgotten("),
    "asks": ("orders/module.py", "import Payments", "import JournalKind"),
    "questions": ("payments/contract.py", "async def capture", "def capture"),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_map_of_other_code_differs(kind: str, backends: list[Backend]) -> None:
    file, here, other = PLANTED[kind]
    path, files = f"src/bailiwick/{file}", files_here(PROJECT)
    text = files[path]
    assert here in text
    changed = {
        **files,
        path: text.replace(here, other).replace("import UserRegistered", "import UserRestored"),
    }
    if kind == "asks":
        ports = "src/bailiwick/orders/application/ports.py"
        changed[ports] = files[ports].replace("import Payments", "import JournalKind")
    assert kind in differing(atlas_of(PROJECT, changed), backends)[file.partition("/")[0]]
