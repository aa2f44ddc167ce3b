"""Migrations: up, down and up again, the same tables as the code believes in, one migrator at a time."""

import asyncio
import importlib
import pkgutil
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Connection, Index, Integer, MetaData, Table, Text, text

import bailiwick
from bailiwick.kernel.database import migrations
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Database as DatabaseSettings
from bailiwick.kernel.testing import create_database, drop_database
from tests.kernel.samples import create_tables, messages

CONTEXTS = [
    module.name
    for module in pkgutil.iter_modules(bailiwick.__path__)
    if module.ispkg and module.name not in ("kernel", "tooling")
]


def metadata_of(context: str) -> MetaData:
    """The tables as the code of a context believes in them."""
    if context == "kernel":
        return messages
    try:
        tables = importlib.import_module(f"bailiwick.{context}.infrastructure.tables")
    except ModuleNotFoundError:
        tables = importlib.import_module(f"bailiwick.{context}.tables")
    found: MetaData = tables.metadata
    return found


def differences(connection: Connection, contexts: list[str]) -> list[Any]:
    together = MetaData()
    for context in contexts:
        for table in metadata_of(context).tables.values():
            table.to_metadata(together)
    options = {
        "compare_type": True,
        "include_name": lambda name, kind, _: kind != "table" or not name.endswith("_version"),
    }
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), together))


def settings(url: str, contexts: list[str]) -> Settings:
    return Settings(contexts=contexts, database=DatabaseSettings(url=url))


def test_every_context_ships_its_migrations() -> None:
    assert "tasks" in CONTEXTS
    for context in CONTEXTS:
        assert migrations.scripts(context).get_current_head(), context


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_context_migrates_up_down_and_up_again(database_url: str, context: str) -> None:
    own = settings(database_url, [context])
    before = {status.context: status for status in migrations.upgrade(own)}
    assert (before[context].current, before[context].pending > 0) == (None, True)
    steps = before[context].pending
    made = tables_at(database_url)
    down = migrations.downgrade(own, context, steps)
    assert (down.current, down.pending) == (None, steps)
    assert not [
        name for name in tables_at(database_url) if name.startswith(f"{context}_") and "version" not in name
    ]
    migrations.upgrade(own)
    assert tables_at(database_url) == made
    assert [status.pending for status in migrations.status(own)] == [0, 0]
    assert [status.pending for status in migrations.upgrade(own)] == [0, 0]


def tables_at(url: str) -> list[str]:
    def read(connection: Connection) -> list[str]:
        sql = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        if url.startswith("sqlite:"):
            sql = "SELECT name FROM sqlite_master"
        return sorted(name for (name,) in connection.execute(text(sql)))

    return asyncio.run(migrations.alone(url, read))


def test_the_migrated_schema_is_what_the_code_believes(database_url: str) -> None:
    migrations.upgrade(settings(database_url, CONTEXTS))
    found = asyncio.run(migrations.alone(database_url, lambda c: differences(c, ["kernel", *CONTEXTS])))
    assert found == []


def indexes_at(url: str) -> dict[str, str]:
    """The definition of each index: Alembic compares columns, but not the condition of a partial one."""

    def read(connection: Connection) -> dict[str, str]:
        sql = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
        if url.startswith("sqlite:"):
            sql = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        return {name: " ".join(definition.split()) for name, definition in connection.execute(text(sql))}

    return asyncio.run(migrations.alone(url, read))


def test_the_migrated_indexes_have_the_conditions_that_the_code_believes(
    sqlite_url: str, postgres: str, database_url: str
) -> None:
    kind = "sqlite" if database_url.startswith("sqlite:") else "postgresql"
    believed = f"{sqlite_url}.believed" if kind == "sqlite" else create_database(postgres)
    for context in ["kernel", *CONTEXTS]:
        asyncio.run(create_tables(believed, metadata_of(context)))
    migrations.upgrade(settings(database_url, CONTEXTS))
    migrated, code = indexes_at(database_url), indexes_at(believed)
    named = {
        str(i.name) for c in ["kernel", *CONTEXTS] for t in metadata_of(c).tables.values() for i in t.indexes
    }
    assert {name: migrated[name] for name in named} == {name: code[name] for name in named}
    assert any(" WHERE " in code[name] for name in named)
    if kind == "postgresql":
        drop_database(postgres, believed)


@pytest.mark.parametrize(
    "drift",
    [
        "ALTER TABLE tasks_task ADD COLUMN forgotten INTEGER",
        "ALTER TABLE tasks_task DROP COLUMN completed_at",
        "DROP INDEX ix_tasks_task_owner_status",
        "CREATE INDEX ix_extra ON tasks_task (title)",
        "DROP TABLE kernel_inbox",
        "CREATE TABLE kernel_forgotten (id INTEGER)",
    ],
)
def test_a_drift_of_the_schema_is_seen(database_url: str, drift: str) -> None:
    def plant(connection: Connection) -> list[Any]:
        connection.execute(text(drift))
        return differences(connection, ["kernel", "tasks"])

    migrations.upgrade(settings(database_url, ["tasks"]))
    assert len(asyncio.run(migrations.alone(database_url, plant))) > 0


def test_a_drift_of_the_code_is_seen(database_url: str) -> None:
    def compare(connection: Connection) -> list[Any]:
        changed = MetaData()
        for table in messages.tables.values():
            table.to_metadata(changed)
        events: Table = changed.tables["kernel_event"]
        events.append_column(Column("new", Integer))
        Index("ix_new", events.c.schema)
        Table("kernel_new", changed, Column("id", Text))
        return list(compare_metadata(MigrationContext.configure(connection), changed))

    asyncio.run(migrations.upgrade_async(database_url, []))
    found = asyncio.run(migrations.alone(database_url, compare))
    added = {entry[0] for entry in found if isinstance(entry, tuple)}
    assert {"add_column", "add_index", "add_table"} <= added


async def test_two_migrators_at_once_migrate_once(database_url: str) -> None:
    both = await asyncio.gather(*(migrations.upgrade_async(database_url, CONTEXTS) for _ in range(3)))
    pending = sorted(sum(status.pending for status in statuses) for statuses in both)
    assert pending[:2] == [0, 0]
    assert pending[2] > len(CONTEXTS)
    assert {status.pending for status in await migrations.status_async(database_url, CONTEXTS)} == {0}


async def test_a_migration_that_fails_leaves_nothing_behind(database_url: str) -> None:
    def fail(connection: Connection) -> None:
        migrations._run(connection, "kernel", "head", "_upgrade_revs")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await migrations.alone(database_url, fail)
    [kernel] = await migrations.status_async(database_url, [])
    assert kernel.current is None


async def test_a_migration_waits_only_briefly_for_a_lock(postgresql_url: str) -> None:
    def ask(connection: Connection) -> Any:
        return connection.execute(text("SHOW lock_timeout")).scalar()

    assert await migrations.alone(postgresql_url, ask) == "5s"
