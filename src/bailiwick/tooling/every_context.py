"""Tests of every own context of a project: its aggregates, its migrations and its events.

A project's `tests/test_every_context.py` imports them. The contexts are found, never listed.
"""

import asyncio
import importlib
import json
import pkgutil
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, inspect

from bailiwick.kernel.contexts import name_of, package_of
from bailiwick.kernel.database import migrations
from bailiwick.kernel.database.mapper import Mapper
from bailiwick.kernel.database.unit_of_work import SqlRepository
from bailiwick.kernel.domain import Event
from bailiwick.kernel.encoding import plain
from bailiwick.kernel.messaging.handlers import decoder
from bailiwick.kernel.messaging.outbox import event_type
from bailiwick.kernel.messaging.publishing import published_events
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Database
from bailiwick.tooling.any_aggregate import (
    create_tables,
    database_at,
    examples_of,
    keeps_everything,
    messages,
    unconstrained,
)
from bailiwick.tooling.project import Project

PROJECT = Project.find()
CONTEXTS = [f"{PROJECT.package}.{name}" for name in PROJECT.contexts]


def mappers_of(context: str) -> Iterator[tuple[str, Mapper[Any]]]:
    """Every mapper of a context, with a name for it."""
    package = importlib.import_module(package_of(context))
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if module.name.rpartition(".")[2] in ("unit_of_work", "store"):
            for thing in vars(importlib.import_module(module.name)).values():
                if isinstance(thing, type) and issubclass(thing, SqlRepository) and "mapper" in vars(thing):
                    yield f"{name_of(context)}.{thing.mapper.kind.__name__}", thing.mapper


def metadata_of(context: str) -> MetaData:
    """The tables as the code of a context believes in them."""
    try:
        tables = importlib.import_module(f"{package_of(context)}.infrastructure.tables")
    except ModuleNotFoundError:
        tables = importlib.import_module(f"{package_of(context)}.tables")
    found: MetaData = tables.metadata
    return found


def tables_of(connection: Connection, context: str) -> list[str]:
    version = f"{name_of(context)}_version"
    found = inspect(connection).get_table_names()
    return sorted(name for name in found if name.startswith(f"{name_of(context)}_") and name != version)


def differences(connection: Connection, context: str) -> list[Any]:
    """Where the tables of a context are not what its code believes."""
    believed = metadata_of(context)
    ours = {*tables_of(connection, context), *believed.tables}
    options = {"compare_type": True, "include_name": lambda name, kind, _: kind != "table" or name in ours}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), believed))


def settings_of(context: str, url: str) -> Settings:
    return Settings(contexts=[context], database=Database(url=url))


MAPPERS = dict(pair for context in CONTEXTS for pair in mappers_of(context))


@pytest.mark.parametrize("name", MAPPERS)
async def test_any_aggregate_is_kept_whole(name: str, database_url: str) -> None:
    mapper, metadata = unconstrained(MAPPERS[name])
    await create_tables(database_url, messages, metadata)
    database = database_at(database_url)
    await database.open()
    for one, other in examples_of(mapper.kind):
        await keeps_everything(database, mapper, one, other)
    await database.close()


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_context_migrates_up_down_and_up_again(database_url: str, context: str) -> None:
    own = settings_of(context, database_url)
    steps = {status.context: status.pending for status in migrations.upgrade(own)}[context]
    made = asyncio.run(migrations.alone(database_url, lambda c: tables_of(c, context)))
    down = migrations.downgrade(own, context, steps)
    assert (bool(made), down.current, down.pending) == (True, None, steps)
    assert asyncio.run(migrations.alone(database_url, lambda c: tables_of(c, context))) == []
    migrations.upgrade(own)
    assert asyncio.run(migrations.alone(database_url, lambda c: tables_of(c, context))) == made


@pytest.mark.parametrize("context", CONTEXTS)
def test_the_migrated_tables_are_what_the_code_believes(database_url: str, context: str) -> None:
    migrations.upgrade(settings_of(context, database_url))
    assert asyncio.run(migrations.alone(database_url, lambda c: differences(c, context))) == []


@pytest.mark.parametrize("context", CONTEXTS)
def test_every_published_event_keeps_its_stored_form(context: str) -> None:
    assert [wrong for kind in published_events([context]) for wrong in complaints(kind, context)] == []


def complaints(kind: type[Event], context: str) -> Iterator[str]:
    """Schemas of an event whose stored form is missing, cannot be read, or is no longer what is stored."""
    for schema in range(1, kind.schema + 1):
        path = PROJECT.golden(name_of(context)) / f"{event_type(kind)}.{schema}.json"
        if not path.exists():
            yield f"{path} is missing: write down how the event is stored"
            continue
        kept = json.loads(path.read_text("utf-8"))
        try:
            now = json.loads(orjson.dumps(decoder(kind)(kept, schema), default=plain))
        except Exception as error:
            yield f"{kind.__name__} cannot read {path}: {error}"
            continue
        if schema == kind.schema and now.keys() != kept.keys():
            yield f"{kind.__name__} has other fields than {path}: raise its schema, and add an upcast"
