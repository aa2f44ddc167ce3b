"""Moving: everything that one database holds goes into another one, which may be of the other kind."""

import asyncio
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, MetaData, Table, delete, func, insert, inspect, select

from bailiwick.kernel.contexts import package_of
from bailiwick.kernel.database import migrations

AT_ONCE = 1000
EVER_USED = {"kernel_event", "kernel_audit"}
"""Every change of anything leaves a row in one of them."""
KERNEL_TABLES = ("bailiwick.kernel.messaging.tables", "bailiwick.kernel.http.idempotency")


class CannotCopy(Exception):
    """The one database cannot be copied into the other. The text says what to do."""


@dataclass(frozen=True, slots=True)
class Copied:
    """How many rows of a table went over."""

    table: str
    rows: int


def copy(source: str, target: str, contexts: Sequence[str]) -> list[Copied]:
    """Copy all rows of `source` into `target`, in which nothing has happened yet, in one transaction.

    Nobody may change the source meanwhile or afterwards: stop what serves it. All of it is held in memory.
    Raises CannotCopy where a version or a table does not fit, and where something happened in the target.
    """
    return asyncio.run(_copy(source, target, contexts))


async def _copy(source: str, target: str, contexts: Sequence[str]) -> list[Copied]:
    if source == target:
        raise CannotCopy("Both are the same database: name the new one in the settings, the old one here.")
    tables = _tables(contexts)
    behind = [s.context for s in await migrations.status_async(source, contexts) if s.pending]
    if behind:
        raise CannotCopy(f"{', '.join(behind)} of the old database is not up to date: migrate it first.")
    held: dict[str, list[dict[str, Any]]] = await migrations.alone(source, lambda old: _read(old, tables))
    await migrations.upgrade_async(target, contexts)
    return await migrations.alone(target, lambda new: list(_written(new, tables, held)))


def _tables(contexts: Iterable[str]) -> list[Table]:
    """Every table of the kernel and of the contexts, those that others point to first."""
    packages = [package_of(context) for context in contexts]
    for module in (*KERNEL_TABLES, *(f"{package}.module" for package in packages)):
        import_module(module)
    places = tuple(f"{package}." for package in ("bailiwick.kernel", *packages))
    loaded = [module for name, module in sorted(sys.modules.items()) if name.startswith(places)]
    kinds = {id(kind): kind for each in loaded for kind in vars(each).values() if isinstance(kind, MetaData)}
    return [table for kind in kinds.values() for table in kind.sorted_tables]


def _read(old: Connection, tables: Sequence[Table]) -> dict[str, list[dict[str, Any]]]:
    there = {name for name in inspect(old).get_table_names() if not name.endswith("_version")}
    if unknown := there - {table.name for table in tables}:
        raise CannotCopy(
            f"Nothing here knows the tables {', '.join(sorted(unknown))}. Enable the contexts they are of."
        )
    return {table.name: [dict(row) for row in old.execute(_all(table)).mappings()] for table in tables}


def _all(table: Table) -> Any:
    """Without what the database computes by itself."""
    return select(*(column for column in table.columns if column.computed is None))


def _empty(new: Connection, tables: Sequence[Table]) -> None:
    """Delete what migrations and a start have left, if nothing else is there."""
    filled = [table for table in tables if new.execute(select(table).limit(1)).first()]
    if {table.name for table in filled} & EVER_USED:
        raise CannotCopy("The new database has been used. Give one that is empty: data is never mixed.")
    for table in reversed(filled):
        new.execute(delete(table))


def _written(
    new: Connection, tables: Sequence[Table], held: dict[str, list[dict[str, Any]]]
) -> Iterator[Copied]:
    _empty(new, tables)
    for table in tables:
        rows = held[table.name]
        for start in range(0, len(rows), AT_ONCE):
            new.execute(insert(table), rows[start : start + AT_ONCE])
        count = new.execute(select(func.count()).select_from(table)).scalar_one()
        if count != len(rows):
            raise CannotCopy(f"{table.name} has {count} rows instead of {len(rows)}. Nothing was stored.")
        yield Copied(table.name, count)
