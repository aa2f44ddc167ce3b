"""What the migrations make is what the code believes in: seen on an empty SQLite database."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Index, MetaData, Table, inspect

from bailiwick.kernel.contexts import name_of, package_of
from bailiwick.kernel.database import migrations
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Database
from bailiwick.tooling.check.ground import Ground
from bailiwick.tooling.check.rules import Finding, rule
from bailiwick.tooling.check.source import literal

VERSIONS = "_version"


@dataclass(frozen=True)
class Trial:
    """What came of migrating up and down again: differences by table, tables left over, or a failure."""

    differences: Sequence[tuple[str, str]] = ()
    left: Sequence[str] = ()
    failure: str = ""


def tried(contexts: Sequence[str], own: Sequence[str], believed: MetaData) -> Trial:
    """Migrate the kernel and these contexts; judge the `own` ones by what the code believes."""
    if not own:
        return Trial()
    with TemporaryDirectory(prefix="bailiwick-") as folder:
        url = f"sqlite:///{Path(folder, 'trial.db')}"
        settings = Settings(contexts=list(contexts), database=Database(url=url))
        prefixes = tuple(f"{name_of(context)}_" for context in own)
        try:
            migrations.upgrade(settings)
            found = asyncio.run(migrations.alone(url, lambda c: differences(c, prefixes, believed)))
            for context in reversed(own):
                migrations.downgrade(
                    settings, context, len(list(migrations.scripts(context).walk_revisions()))
                )
            left = asyncio.run(migrations.alone(url, lambda c: inspect(c).get_table_names()))
        except Exception as error:
            return Trial(failure=f"{type(error).__name__}: {error}")
    mine = (name for name in left if name.startswith(prefixes) and not name.endswith(VERSIONS))
    return Trial(found, sorted(mine))


def differences(
    connection: Connection, prefixes: tuple[str, ...], believed: MetaData
) -> list[tuple[str, str]]:
    """Where a migrated database and the code differ: the table, and what about it."""

    def ours(name: str | None, kind: str, _: Any) -> bool:
        return kind != "table" or (str(name).startswith(prefixes) and not str(name).endswith(VERSIONS))

    options = {"compare_type": True, "include_name": ours}
    found = compare_metadata(MigrationContext.configure(connection, opts=options), believed)
    return [told for entry in found for told in _told(entry if isinstance(entry, list) else [entry])]


def _told(entries: Iterable[Any]) -> Iterator[tuple[str, str]]:
    for deed, *subject in entries:
        last = subject[-1]
        if isinstance(last, Table):
            yield last.name, f"{_side(deed)} the table {last.name}"
        elif isinstance(last, Index):
            yield last.table.name if last.table is not None else "", f"{_side(deed)} the index {last.name}"
        elif deed.startswith("modify"):
            table, column = subject[1], subject[2]
            yield table, f"{table}.{column} is {last!r} in the code, {subject[-2]!r} in the database"
        else:
            table = subject[1] if isinstance(subject[1], str) else getattr(last.table, "name", "")
            yield table, f"{_side(deed)} {deed.partition('_')[2]} {last.name} of {table}"


def _side(deed: str) -> str:
    return "only the code has" if deed.startswith("add") else "only the database has"


def believed(contexts: Sequence[str], with_kernel: bool) -> MetaData:
    """The tables of these contexts as their code writes them down."""
    together = MetaData()
    modules = [place for context in contexts if (place := tables_module(package_of(context)))]
    for module in [*modules, *(["bailiwick.kernel.messaging.tables"] if with_kernel else [])]:
        for thing in vars(import_module(module)).values():
            for table in thing.tables.values() if isinstance(thing, MetaData) else ():
                table.to_metadata(together)
    return together


def tables_module(package: str) -> str | None:
    """Where a context writes down its tables, in either shape."""
    places = [f"{package}.infrastructure.tables", f"{package}.tables"]
    folders = [find_spec(place.rpartition(".")[0]) and place for place in places]
    return next((place for place in folders if place and find_spec(place)), None)


@rule(
    "migrations",
    "Write the migration: a new file in migrations/, or change the newest if it is not released.",
)
def the_schema_is_what_the_code_believes(ground: Ground) -> Iterator[Finding]:
    """Migrated up on an empty database, each table has the columns and indexes that the code says."""
    if ground.trial.failure:
        place = f"src/{ground.package}/"
        yield Finding(place, 1, f"the migrations fail: {ground.trial.failure}", "Correct the migration.")
    for table, what in ground.trial.differences:
        forgotten = what.startswith(_side("remove"))
        yield Finding(
            *_place(ground, table), what, "Say it there, or drop it in a migration." if forgotten else ""
        )


def _place(ground: Ground, table: str) -> tuple[str, int]:
    """Where the code says what a table is like."""
    for source in ground.sources:
        for call in source.calls("Table") if source.in_product else ():
            if call.args and literal(call.args[0]) == table:
                return source.path, call.lineno
    return f"src/{ground.package}/{table.partition('_')[0]}/", 1
