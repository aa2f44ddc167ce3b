"""What a new field goes into: the details of an aggregate, and all that repeats their fields."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from bailiwick.tooling.edit.context import Aggregate, Context
from bailiwick.tooling.edit.source import (
    NotAsExpected,
    Source,
    fields_of,
    last_name,
    methods_of,
    parameters_of,
)


@dataclass(frozen=True)
class Details:
    """The value object that an aggregate replaces as a whole, `replace(self.details, **changes)`."""

    aggregate: Aggregate
    attribute: str
    node: ast.ClassDef

    @property
    def source(self) -> Source:
        return self.aggregate.source

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def fields(self) -> dict[str, ast.AnnAssign]:
        return fields_of(self.node)

    def last_of(self, names: set[str]) -> str | None:
        """The last field that has one of these names: a new one stands below it."""
        return next((name for name in reversed(self.fields) if name in names), None)


def details_of(aggregate: Aggregate) -> Details:
    """Raises NotAsExpected."""
    source = aggregate.source
    for call in source.calls("replace", aggregate.node):
        given = call.args[0] if call.args else None
        if (
            isinstance(given, ast.Attribute)
            and ast.unparse(given.value) == "self"
            and given.attr in aggregate.fields
        ):
            kind = ast.unparse(aggregate.fields[given.attr].annotation)
            if kind in {node.name for node in source.classes()}:
                return Details(aggregate, given.attr, source.class_named(kind))
    raise NotAsExpected(
        source.path,
        f"the details of {aggregate.name}: a dataclass in the same file that it replaces as a whole, with "
        "`replace(self.details, **changes)`",
    )


@dataclass(frozen=True)
class Stored:
    """The table of an aggregate."""

    source: Source
    variable: str
    call: ast.Call

    @property
    def name(self) -> str:
        return str(self.call.args[0].value) if isinstance(self.call.args[0], ast.Constant) else ""

    @property
    def columns(self) -> dict[str, ast.Call]:
        found = (
            arg for arg in self.call.args if isinstance(arg, ast.Call) and last_name(arg.func) == "Column"
        )
        return {str(each.args[0].value): each for each in found if isinstance(each.args[0], ast.Constant)}

    def last_of(self, details: Details) -> ast.Call:
        """The last column of the details. Raises NotAsExpected."""
        for name in reversed(details.fields):
            for column in reversed(self.columns):
                prefixes = (name, f"{details.attribute}_{name}")
                if column.startswith(prefixes) and column.removeprefix(prefixes[1]).removeprefix(name) in (
                    "",
                    "_currency",
                    "_amount",
                ):
                    return self.columns[column]
        raise NotAsExpected(self.source.path, f"a column of {self.name} for a field of {details.name}")


def stored(context: Context, aggregate: Aggregate) -> Stored:
    """The table that the mapper of the aggregate names. Raises NotAsExpected."""
    for source in context.adapters():
        for call in source.calls("Mapper"):
            if len(call.args) > 1 and ast.unparse(call.args[0]) == aggregate.name:
                return _table(context, ast.unparse(call.args[1]))
    raise NotAsExpected(context.folder, f"`Mapper({aggregate.name}, <its table>)`")


def _table(context: Context, variable: str) -> Stored:
    for source in context.tables():
        for node in source.tree.body:
            call = node.value if isinstance(node, ast.Assign) else None
            if not isinstance(call, ast.Call) or last_name(call.func) != "Table":
                continue
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == variable:
                return Stored(source, variable, call)
    raise NotAsExpected(context.folder, f"`{variable} = Table(…)` among the tables")


@dataclass(frozen=True)
class View:
    """What readers see of an aggregate."""

    source: Source
    node: ast.ClassDef
    made: ast.Call
    variable: str
    """What `of` calls the aggregate."""


def view_of(context: Context, aggregate: Aggregate) -> View:
    """The view with `of(cls, aggregate)`. Raises NotAsExpected."""
    for source in context.adapters():
        for node in source.classes():
            method = methods_of(node).get("of")
            taken = parameters_of(method) if method else {}
            if method and list(taken.values()) == [aggregate.name]:
                for call in source.calls("cls", method):
                    if call.keywords and not call.args:
                        return View(source, node, call, next(iter(taken)))
    raise NotAsExpected(
        context.folder / ("store.py" if context.is_flat else "infrastructure/queries.py"),
        f"the view of {aggregate.name}: a class whose `of(cls, {aggregate.word}: {aggregate.name})` returns "
        "`cls(name=…, …)`",
    )


@dataclass(frozen=True)
class Body:
    """What clients send: a whole thing, or (`partial`) only what shall change."""

    source: Source
    node: ast.ClassDef
    partial: bool


def bodies_of(context: Context, details: Details) -> Iterator[Body]:
    """The bodies that a `Details(…)` is made of, or changes to one. Raises NotAsExpected for none."""
    found = False
    for source in context.routes():
        for node in source.classes():
            text = source.text_of(node)
            if not fields_of(node).keys() & details.fields.keys():
                continue
            partial = "exclude_unset" in text or "model_fields_set" in text
            if _changes(source, node, details.aggregate) if partial else f"{details.name}(" in text:
                found = True
                yield Body(source, node, partial)
    if not found:
        raise NotAsExpected(
            context.folder / ("http.py" if context.is_flat else "interfaces/http.py"),
            f"a body with fields of {details.name}, and a method that makes one of them",
        )


def _changes(source: Source, body: ast.ClassDef, aggregate: Aggregate) -> bool:
    """Whether a route that takes the body is about this aggregate: another's may have the same fields."""
    takers = (node for node in source.functions() if body.name in parameters_of(node).values())
    return any(re.search(rf"{aggregate.name}\b", source.text_of(node)) for node in takers)
