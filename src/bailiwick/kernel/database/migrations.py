"""Migrations: each context has its own Alembic branch and version table, shipped in its package."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, create_engine, event, text
from sqlalchemy.ext.asyncio import create_async_engine

from bailiwick.kernel.contexts import name_of, package_of
from bailiwick.kernel.database.sqlite import connect
from bailiwick.kernel.settings import Settings

T = TypeVar("T")
KERNEL = "kernel"
LOCK = 7_239_151_402
"""The advisory lock that lets only one process migrate at a time. Any number, but always this."""
WAIT_BRIEFLY = "SET LOCAL lock_timeout = '5s'"
"""A migration that waits for a lock makes all later requests wait: it gives up, and is tried again."""


@dataclass(frozen=True, slots=True)
class Status:
    """Where one context stands. `current` is None for a context that was never migrated."""

    context: str
    current: str | None
    head: str
    pending: int


def upgrade(settings: Settings) -> list[Status]:
    """Bring every enabled context to its newest version. Returns how each stood before."""
    return asyncio.run(upgrade_async(settings.database.url, settings.contexts))


async def upgrade_async(url: str, contexts: Iterable[str]) -> list[Status]:
    def work(connection: Connection) -> list[Status]:
        before = [_status(connection, context) for context in (KERNEL, *contexts)]
        for status in before:
            if status.pending:
                _run(connection, status.context, "head", "_upgrade_revs")
        return before

    return await alone(url, work)


def downgrade(settings: Settings, context: str, steps: int = 1) -> Status:
    """Undo the last `steps` migrations of one context (at least 1). Data in what is dropped is gone."""

    def work(connection: Connection) -> Status:
        _run(connection, context, f"-{steps}", "_downgrade_revs")
        return _status(connection, context)

    return asyncio.run(alone(settings.database.url, work))


def status(settings: Settings) -> list[Status]:
    """How each enabled context stands, the kernel first."""
    return asyncio.run(status_async(settings.database.url, settings.contexts))


async def status_async(url: str, contexts: Iterable[str]) -> list[Status]:
    return await alone(url, lambda connection: [_status(connection, c) for c in (KERNEL, *contexts)])


async def alone(url: str, work: Callable[[Connection], T]) -> T:
    """Run `work` in one transaction that only one process at a time can hold."""
    if url.startswith("sqlite:///"):
        return await asyncio.to_thread(_on_sqlite, url.removeprefix("sqlite:///"), work)
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        await connection.execute(text(WAIT_BRIEFLY))
        result = await connection.run_sync(work)
    await engine.dispose()
    return result


def _on_sqlite(path: str, work: Callable[[Connection], T]) -> T:
    engine = create_engine("sqlite://", creator=lambda: connect(path), poolclass=NullPool)
    # The driver leaves BEGIN to us, and only an immediate one keeps two migrators apart.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.begin() as connection:
        return work(connection)


def scripts(context: str) -> ScriptDirectory:
    """The migrations that a context ships in its package."""
    package = import_module(package_of(context))
    assert package.__file__ is not None
    folder = str(Path(package.__file__).parent / "migrations")
    return ScriptDirectory(folder, version_locations=[folder])


def _version_table(context: str) -> str:
    return f"{name_of(context)}_version"


def _status(connection: Connection, context: str) -> Status:
    history = scripts(context)
    current = MigrationContext.configure(
        connection, opts={"version_table": _version_table(context)}
    ).get_current_revision()
    head = history.get_current_head() or ""
    return Status(context, current, head, len(list(history.iterate_revisions(head, current or "base"))))


def _run(connection: Connection, context: str, target: str, direction: str) -> None:
    history = scripts(context)

    def steps(current: Any, _: Any) -> Any:
        return getattr(history, direction)(target, current)

    with EnvironmentContext(Config(), history, fn=steps, destination_rev=target) as environment:
        environment.configure(
            connection=connection, version_table=_version_table(context), render_as_batch=True
        )
        environment.run_migrations()
