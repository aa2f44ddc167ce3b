"""Any aggregate of any kind: strategies and comparisons derived from the annotations alone."""

import importlib
import pkgutil
import types
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from hypothesis import strategies as st
from sqlalchemy import Column, ForeignKey, MetaData, String, Table, Text

import bailiwick
from bailiwick.kernel.database.mapper import Mapper
from bailiwick.kernel.database.unit_of_work import SqlRepository
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


def shipped_mappers() -> dict[str, Mapper[Any]]:
    """Every mapper of every shipped context, by context and aggregate: found, never listed."""
    found = {}
    for module in _stores():
        for thing in vars(module).values():
            if isinstance(thing, type) and issubclass(thing, SqlRepository) and "mapper" in vars(thing):
                found[f"{module.__name__.split('.')[1]}.{thing.mapper.kind.__name__}"] = thing.mapper
    return found


def _stores() -> Iterator[types.ModuleType]:
    for module in pkgutil.walk_packages(bailiwick.__path__, "bailiwick."):
        parts = module.name.split(".")
        if "kernel" not in parts and parts[-1] in ("unit_of_work", "store"):
            yield importlib.import_module(module.name)


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
