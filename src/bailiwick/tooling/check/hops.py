"""How many functions a request goes through from its route to its SQL, read from the sources."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bailiwick.tooling.check.source import Function, Source, last_name, root_name
from bailiwick.tooling.check.style.use_cases import VERBS

KERNEL = "kernel"


@dataclass(frozen=True, slots=True)
class Way:
    """A route and what its request goes through until the SQL: the file of each function. Empty if unseen."""

    context: str
    route: str
    writes: bool
    through: tuple[str, ...]

    @property
    def hops(self) -> int:
        return len(self.through)

    @property
    def files(self) -> int:
        """Those of the context that an endpoint like this one is written in."""
        return len({*self.through} - {KERNEL})


def ways(modules: Mapping[str, Source]) -> Iterator[Way]:
    """The way of every route of every context."""
    for source in modules.values():
        for function in source.functions() if source.in_layer("http", "interfaces") else ():
            verb = _verb(function)
            if verb and source.context:
                through = _Walk(modules).way(source, function) or ()
                yield Way(source.context, function.name, verb != "get", through)


def _verb(function: Function) -> str | None:
    marks = (mark.func for mark in function.decorator_list if isinstance(mark, ast.Call))
    return next((each.attr for each in marks if isinstance(each, ast.Attribute) and each.attr in VERBS), None)


class _Walk:
    def __init__(self, modules: Mapping[str, Source]) -> None:
        self.modules = modules
        self.seen: set[Function] = set()

    def way(self, source: Source, function: Function) -> tuple[str, ...] | None:
        """The shortest way from a function to SQL, to which the kernel's commit and page belong."""
        if function in self.seen:
            return None
        self.seen.add(function)
        calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
        if any(_is_kernel(call) for call in calls):
            return source.path, KERNEL
        if any(_is_sql(call) for call in calls):
            return (source.path,)
        below = (self.way(*called) for call in calls for called in self._called(source, call))
        shortest = min((way for way in below if way), key=len, default=None)
        return (source.path, *shortest) if shortest else None

    def _called(self, source: Source, call: ast.Call) -> Iterator[tuple[Source, Function]]:
        """The functions of the same context that a call may mean: by their name, or as methods of a name."""
        for module in self._modules(source, root_name(call.func)):
            for function in module.named.get(last_name(call.func), ()):
                yield module, function

    def _modules(self, source: Source, name: str) -> Iterator[Source]:
        yield source
        if name in source.origins:
            for module in (source.origins[name], f"{source.origins[name]}.{name}"):
                found = self.modules.get(module)
                if found and found.context == source.context:
                    yield found


def _is_kernel(call: ast.Call) -> bool:
    """Whether it is the commit of a unit of work, or the page of a listing."""
    if last_name(call.func) == "commit":
        return root_name(call.func) == "uow"
    return last_name(call.func) == "page" and any(last_name(arg).endswith("database") for arg in call.args)


def _is_sql(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and last_name(call.func.value).endswith("database")
