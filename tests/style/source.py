"""Source files as the style rules see them."""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
PRODUCT = "src/bailiwick/"
NOT_CONTEXTS = {"kernel", "cli"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(eq=False)
class Source:
    """One Python file. `path` counts from the root of the repository.

    It is parsed at once, when tests are collected: Python 3.11 fails to parse (SystemError) while the
    garbage that a failing test left is reported.
    """

    path: str
    text: str

    def __post_init__(self) -> None:
        self.tree = ast.parse(self.text, self.path)
        self.nodes = list(ast.walk(self.tree))

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).stem

    @property
    def in_product(self) -> bool:
        return self.path.startswith(PRODUCT)

    @property
    def inner(self) -> tuple[str, ...]:
        """The steps of the path below the package: `("tasks", "domain", "task.py")`. Empty for a test."""
        return PurePosixPath(self.path.removeprefix(PRODUCT)).parts if self.in_product else ()

    @property
    def context(self) -> str | None:
        """The bounded context the file belongs to, if it belongs to one."""
        inside = len(self.inner) > 1 and self.inner[0] not in NOT_CONTEXTS
        return self.inner[0] if inside else None

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


def repository() -> list[Source]:
    """Every Python file of the product, its tests, its benchmarks and its tools."""
    found = (path for place in ("src/bailiwick", "tests", "bench", "scripts") for path in read(ROOT / place))
    return [Source(path.relative_to(ROOT).as_posix(), path.read_text()) for path in found]


def read(place: Path) -> Iterable[Path]:
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
