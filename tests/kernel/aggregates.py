"""Every mapper of the product, for tests of any aggregate of any kind."""

import importlib
import pkgutil
import types
from collections.abc import Iterator
from typing import Any

import bailiwick
from bailiwick.kernel.database.mapper import Mapper
from bailiwick.kernel.database.unit_of_work import SqlRepository


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
