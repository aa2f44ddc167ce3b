"""Source files as the rules see them."""

import ast
import gc
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from bailiwick.tooling.project import PRODUCT, Project

PLACES = ("tests", "bench", "scripts")
NOT_CONTEXTS = {"kernel", "cli", "tooling"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


class NotPython(Exception):
    """A file cannot be parsed. The text says where."""


@dataclass(eq=False)
class Source:
    """One Python file. `path` counts from the root of the project, `package` is that of its contexts.

    It is parsed at once, not where a rule first asks: Python 3.11 fails to parse (SystemError) while the
    garbage that a failing test left is reported.
    """

    path: str
    text: str
    package: str = PRODUCT

    def __post_init__(self) -> None:
        try:
            self.tree = ast.parse(self.text, self.path)
        except SyntaxError as error:
            raise NotPython(f"{self.path}:{error.lineno}: {error.msg}") from error
        self.nodes = list(ast.walk(self.tree))
        self.in_product = self.path.startswith(f"src/{self.package}/")

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).stem

    @property
    def module(self) -> str:
        """The name by which it is imported, `acme.invoices.contract`; that of the package for `__init__`."""
        steps = PurePosixPath(self.path.removeprefix("src/").removesuffix(".py")).parts
        return ".".join(steps[:-1] if steps[-1] == "__init__" else steps)

    @property
    def inner(self) -> tuple[str, ...]:
        """The steps of the path below the package: `("tasks", "domain", "task.py")`. Empty for a test."""
        return PurePosixPath(self.path).parts[2:] if self.in_product else ()

    @property
    def context(self) -> str | None:
        """The bounded context the file belongs to, if it belongs to one."""
        inside = len(self.inner) > 1 and self.inner[0] not in NOT_CONTEXTS
        return self.inner[0] if inside else None

    @cached_property
    def origins(self) -> dict[str, str]:
        """The module that each imported name is imported from."""
        imports = (node for node in self.nodes if isinstance(node, ast.ImportFrom))
        return {alias.asname or alias.name: node.module or "" for node in imports for alias in node.names}

    @cached_property
    def named(self) -> dict[str, list[Function]]:
        """Functions and methods by their names."""
        found: dict[str, list[Function]] = {}
        for function in self.functions():
            found.setdefault(function.name, []).append(function)
        return found

    def in_layer(self, *layers: str) -> bool:
        """Whether the file is one of these parts of its context, as a file or as a package."""
        return self.context is not None and self.inner[1].removesuffix(".py") in layers

    def calls(self, *names: str) -> Iterator[ast.Call]:
        """Calls of functions or methods with one of these names."""
        for node in self.nodes:
            if isinstance(node, ast.Call) and last_name(node.func) in names:
                yield node

    def functions(self) -> Iterator[Function]:
        yield from (node for node in self.nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))

    def classes(self) -> Iterator[ast.ClassDef]:
        yield from (node for node in self.nodes if isinstance(node, ast.ClassDef))


def sources_of(project: Project) -> list[Source]:
    """Every Python file of a project, of its tests, its benchmarks and its tools. Raises NotPython."""
    places = (project.source, *(project.root / place for place in PLACES))
    with garbage_kept():
        return [
            Source(
                path.relative_to(project.root).as_posix(), path.read_text(encoding="utf-8"), project.package
            )
            for place in places
            for path in python_files(place)
        ]


@contextmanager
def garbage_kept() -> Iterator[None]:
    """Among so many new nodes, none of them garbage, looking for garbage takes longer than parsing."""
    was_looking = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_looking:
            gc.enable()


def python_files(place: Path) -> Iterable[Path]:
    return sorted(path for path in place.rglob("*.py") if "__pycache__" not in path.parts)


def last_name(node: ast.AST | None) -> str:
    """The last name of a dotted expression: `commit` of `self.connection.commit`. Empty for others."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def root_name(node: ast.AST) -> str:
    """The first name of a dotted expression: `uow` of `uow.tasks.get`. Empty for others."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def literal(node: ast.AST | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def parameters(function: Function) -> list[ast.arg]:
    return [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def is_frozen_dataclass(node: ast.AST) -> bool:
    return isinstance(node, ast.ClassDef) and any(
        isinstance(mark, ast.Call)
        and last_name(mark.func) == "dataclass"
        and any(
            k.arg == "frozen" and isinstance(k.value, ast.Constant) and k.value.value for k in mark.keywords
        )
        for mark in node.decorator_list
    )
