"""The use cases that change an aggregate already, and their routes: a new one is made like them."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from bailiwick.tooling.edit.context import Aggregate, Context
from bailiwick.tooling.edit.source import (
    Function,
    NotAsExpected,
    Source,
    fields_of,
    last_name,
    parameters_of,
)
from bailiwick.tooling.generate.naming import snake

VERBS = {"post", "put", "patch", "delete"}


@dataclass(frozen=True)
class UseCase:
    """A use case that changes one aggregate: a new one loads it alike, and asks for the same right."""

    source: Source
    handler: Function
    command: ast.ClassDef
    requires: tuple[str, ...]
    loads: str
    variable: str

    @property
    def takes(self) -> list[str]:
        """What the loading asks of the command, in the order of its fields."""
        text = " ".join([*self.requires, self.loads])
        return [name for name in fields_of(self.command) if re.search(rf"\bcommand\.{name}\b", text)]


@dataclass(frozen=True)
class Route:
    """The route of a use case. `path` counts from the prefix of its router."""

    source: Source
    function: Function
    mark: ast.Call
    path: str

    @property
    def router(self) -> str:
        assert isinstance(self.mark.func, ast.Attribute)
        return ast.unparse(self.mark.func.value)

    @property
    def method(self) -> str:
        return last_name(self.mark.func).upper()

    def keyword(self, name: str) -> str | None:
        return next((self.source.text_of(k.value) for k in self.mark.keywords if k.arg == name), None)

    @property
    def prefix(self) -> str:
        """What stands before the path of every route of its router. Raises NotAsExpected."""
        for node in self.source.tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == self.router:
                given = [k.value for call in self.source.calls("Router", node) for k in call.keywords]
                if given and isinstance(given[0], ast.Constant):
                    return str(given[0].value)
        raise NotAsExpected(self.source.path, f'`{self.router} = Router("…", prefix="/api/…")`')


def use_case_like(context: Context, aggregate: Aggregate) -> UseCase:
    """The plainest that expects a version, else the plainest. Raises NotAsExpected."""
    found = [each for source in context.use_cases() for each in _use_cases(source, aggregate)]
    if not found:
        word = aggregate.word
        raise NotAsExpected(
            context.folder / ("store.py" if context.is_flat else "application"),
            f"a use case to make the new one like: it takes (command, ports), loads one {aggregate.words} by "
            f"`command.{word}_id` in `async with ports.uow() as uow:`, and ends with "
            f"`return await uow.commit({word})`",
        )
    return max(found, key=lambda each: ("version" in each.takes, -len(fields_of(each.command))))


def _use_cases(source: Source, aggregate: Aggregate) -> Iterator[UseCase]:
    commands = {snake(node.name): node for node in source.classes()}
    for function in source.functions():
        command = commands.get(function.name)
        if command is not None and last_name(function.returns) == aggregate.name:
            found = _use_case(source, function, command)
            if found is not None and f"{aggregate.word}_id" in found.takes:
                yield found


def _use_case(source: Source, function: Function, command: ast.ClassDef) -> UseCase | None:
    *before, block = function.body
    said = before[1:] if ast.get_docstring(function) else before
    requires = tuple(source.text_of(each) for each in said)
    if not isinstance(block, ast.AsyncWith) or not all(".require(" in each for each in requires):
        return None
    loads, commits = block.body[0], block.body[-1]
    if list(parameters_of(function)) != ["command", "ports"] or not isinstance(loads, ast.Assign):
        return None
    variable = ast.unparse(loads.targets[0])
    if ast.unparse(commits) != f"return await uow.commit({variable})":
        return None
    return UseCase(source, function, command, requires, source.text_of(loads), variable)


def route_like(context: Context, aggregate: Aggregate, like: UseCase) -> Route:
    """The route of the use case. Raises NotAsExpected."""
    for source in context.routes():
        for route in _routes(source):
            calls = source.calls(like.handler.name, route.function)
            if calls and f"{{{aggregate.word}_id}}" in route.path:
                return route
    raise NotAsExpected(
        context.folder / ("http.py" if context.is_flat else "interfaces/http.py"),
        f"the route that calls {like.handler.name}, below `/{{{aggregate.word}_id}}`",
    )


def _routes(source: Source) -> Iterator[Route]:
    for function in source.functions():
        for mark in function.decorator_list:
            if isinstance(mark, ast.Call) and last_name(mark.func) in VERBS:
                path = mark.args[0].value if mark.args and isinstance(mark.args[0], ast.Constant) else ""
                yield Route(source, function, mark, str(path))


def router_demands_keys(route: Route) -> bool:
    """Whether any route of the same router refuses a request without a key of idempotence."""
    same = (each for each in _routes(route.source) if each.router == route.router)
    return any(each.keyword("idempotent") == '"required"' for each in same)
