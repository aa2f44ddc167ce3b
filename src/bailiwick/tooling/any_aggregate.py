"""Any aggregate of any kind: strategies and comparisons derived from the annotations alone."""

import sqlite3
import types
from collections.abc import Callable
from copy import deepcopy
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, ForeignKey, MetaData, String, Table, Text
from sqlalchemy.schema import CreateIndex, CreateTable

from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.mapper import Mapper
from bailiwick.kernel.database.postgresql import PostgresDatabase
from bailiwick.kernel.database.sqlite import SqliteDatabase
from bailiwick.kernel.database.statements import POSTGRESQL, SQLITE
from bailiwick.kernel.database.unit_of_work import SqlRepository, SqlUnitOfWork
from bailiwick.kernel.http.idempotency import idempotency
from bailiwick.kernel.money import Money

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    # In JSON it is made as anywhere, by its rules.
    Money: st.builds(Money, st.integers(-(2**31), 2**31 - 1), st.sampled_from(["JPY", "KWD", "NAD"])),
    str: TEXT,
    bool: st.booleans(),
    int: st.integers(-(2**31), 2**31 - 1),
    float: st.floats(-1e15, 1e15),
    object: TEXT,
    UUID: st.uuids(),
    date: st.dates(),
    datetime: st.datetimes(datetime(3, 1, 1), datetime(9997, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    type(None): st.none(),
}


CONTAINERS: dict[Any, Callable[..., st.SearchStrategy[Any]]] = {
    Union: st.one_of,
    types.UnionType: st.one_of,
    list: lambda item: st.lists(item, max_size=4),
    frozenset: lambda item: st.frozensets(item, max_size=4),
    dict: lambda key, value: st.dictionaries(key, value, max_size=3),
    tuple: st.tuples,
}


def any_of(annotation: Any) -> st.SearchStrategy[Any]:
    """Any value of an annotation. Dataclasses are made without their rules, as loading makes them."""
    while hasattr(annotation, "__supertype__"):
        annotation = annotation.__supertype__
    origin, inside = get_origin(annotation), get_args(annotation)
    if annotation in PLAIN:
        return PLAIN[annotation]
    if inside[1:] == (...,):
        return st.lists(any_of(inside[0]), max_size=3).map(tuple)
    if origin in CONTAINERS:
        return CONTAINERS[origin](*map(any_of, inside))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return st.sampled_from(annotation)
    assert is_dataclass(annotation), f"no way to make any {annotation}"
    hints = get_type_hints(annotation)
    parts = {f.name: any_of(hints[f.name]) for f in fields(annotation)}
    return st.fixed_dictionaries(parts).map(lambda values: made(annotation, values))


def made(kind: Any, values: dict[str, Any]) -> Any:
    thing = object.__new__(kind)
    for name, value in values.items():
        object.__setattr__(thing, name, value)
    return thing


def fresh(kind: Any) -> st.SearchStrategy[Any]:
    """Any aggregate that was never stored."""

    def unstored(aggregate: Any) -> Any:
        aggregate.version = 0
        return aggregate

    return any_of(kind).map(unstored)


def state(thing: Any) -> Any:
    """All that a thing is made of, with the types: an enum is not its value, a set is not a list."""
    if is_dataclass(thing) and not isinstance(thing, type):
        return type(thing), {f.name: state(getattr(thing, f.name)) for f in fields(thing)}
    if isinstance(thing, list | tuple):
        return type(thing), [state(item) for item in thing]
    if isinstance(thing, dict):
        return type(thing), {key: state(value) for key, value in thing.items()}
    kind = next((plain for plain in (UUID, datetime) if isinstance(thing, plain)), type(thing))
    return kind, thing


def unconstrained(mapper: Mapper[Any]) -> tuple[Mapper[Any], MetaData]:
    """The same mapper on tables without rules, for aggregates that no rule of the business has seen."""
    metadata = MetaData()
    root = _copy(mapper.table, metadata)
    children: dict[str, Any] = {
        child.field: _copy(child.parent.table, metadata, child.parent.name, mapper.table.name)
        for child in mapper.children
    }
    return Mapper(mapper.kind, root, **children), metadata


def _copy(table: Table, metadata: MetaData, parent: str = "", root: str = "") -> Table:
    return Table(
        table.name,
        metadata,
        *(
            Column(
                column.name,
                Text() if type(column.type) is String else column.type,
                *([ForeignKey(f"{root}.id")] if column.name == parent else []),
                primary_key=column.primary_key,
                nullable=column.nullable,
            )
            for column in table.c
            if column.computed is None
        ),
    )


thoroughly = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)


def examples_of(kind: Any) -> list[tuple[Any, Any]]:
    """Pairs of aggregates that were never stored, no two first ones with the same id."""
    found: dict[UUID, tuple[Any, Any]] = {}

    @thoroughly
    @given(fresh(kind), fresh(kind))
    def gather(one: Any, other: Any) -> None:
        found.setdefault(one.id, (one, other))

    gather()
    return list(found.values())


def repository(database: Database, mapper: Mapper[Any]) -> tuple[SqlUnitOfWork, SqlRepository[Any, Any]]:
    kind = type("Anything", (SqlRepository,), {"mapper": mapper})
    unit = SqlUnitOfWork(database)
    return unit, kind(unit)


async def stored(database: Database, mapper: Mapper[Any], aggregate: Any) -> None:
    unit, things = repository(database, mapper)
    async with unit:
        things.add(aggregate)
        await unit.commit(None)


async def loaded(database: Database, mapper: Mapper[Any], id: UUID) -> Any:
    return await repository(database, mapper)[1].get(id)


async def changed(database: Database, mapper: Mapper[Any], id: UUID, /, **values: Any) -> Any:
    """The aggregate after some of its fields were replaced and stored."""
    unit, things = repository(database, mapper)
    async with unit:
        aggregate = await things.get(id)
        for name, value in values.items():
            setattr(aggregate, name, value)
        return await unit.commit(aggregate)


async def keeps_everything(database: Database, mapper: Mapper[Any], one: Any, other: Any) -> None:
    """Store, load, equal; then each field changed, stored, loaded, equal; and nothing written in vain."""
    before = state(one)
    await stored(database, mapper, one)
    assert one.version == 1
    found = await loaded(database, mapper, one.id)
    before[1]["version"] = state(1)
    assert state(found) == before
    version = 1
    for name in (f.name for f in fields(mapper.kind) if f.name not in ("id", "version")):
        value = deepcopy(getattr(other, name))
        version += state(value) != state(getattr(found, name))
        result = await changed(database, mapper, one.id, **{name: value})
        found = await loaded(database, mapper, one.id)
        assert state(getattr(found, name)) == state(value)
        assert state(found) == state(result)
        assert found.version == version, name
    same = {f.name: deepcopy(getattr(found, f.name)) for f in fields(found) if f.name != "id"}
    before_that, reads = database.statements, 1 + len(mapper.children)
    await changed(database, mapper, one.id, **same)
    assert database.statements == before_that + reads


def database_at(url: str, pool_size: int = 10) -> Database:
    """Not yet opened. Without TLS, which the server does not have: a cancelled try for it warns later."""
    if url.startswith("sqlite:"):
        return SqliteDatabase(url)
    return PostgresDatabase(f"{url}?sslmode=disable", pool_size=pool_size)


messages = idempotency.metadata
"""The kernel's own tables: outbox, inbox and idempotency keys."""


async def create_tables(url: str, *kinds: MetaData) -> None:
    """Make the tables of `kinds` as their metadata says, without migrations."""
    dialect = SQLITE if url.startswith("sqlite:") else POSTGRESQL
    tables = [table for kind in kinds for table in kind.sorted_tables]
    made = [CreateTable(table) for table in tables] + [CreateIndex(i) for t in tables for i in t.indexes]
    script = ";\n".join(str(each.compile(dialect=dialect)) for each in made)
    if dialect is SQLITE:
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        connection.executescript(script)
        connection.close()
        return
    server = await asyncpg.connect(url)
    await server.execute(script)
    await server.close()
