"""Which layer each statement of a flat context belongs to."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bailiwick.tooling.edit.source import (
    Source,
    fields_of,
    last_name,
    methods_of,
    parameters_of,
)
from bailiwick.tooling.generate.naming import plural, snake

REFUSALS = {"NotFound", "Forbidden", "Conflict", "Invalid", "DomainError"}
PORTS, SUBSCRIBERS = "application/ports", "application/subscribers"
UNIT_OF_WORK, QUERIES = "infrastructure/unit_of_work", "infrastructure/queries"
ORDER = ("domain", "application", UNIT_OF_WORK, QUERIES)
"""From the inside to the outside: each may use those before it."""


@dataclass(eq=False)
class Part:
    """A statement of the flat file. `place` is the file of the full shape that it goes to, without `.py`."""

    node: ast.stmt
    name: str
    text: str
    uses: set[str]
    place: str = ""
    gap: int = 2
    """How many empty lines stood above it."""

    @property
    def depth(self) -> int:
        return next((at for at, layer in enumerate(ORDER) if self.place.startswith(layer)), len(ORDER))


def parts_of(source: Source) -> list[Part]:
    """Every statement but the docstring and the imports, with the comments above it, each in its place."""
    lines, found, above = source.text.split("\n"), [], 0
    for node in source.tree.body:
        if not isinstance(node, ast.Import | ast.ImportFrom) and not _is_text(node):
            text = "\n".join(lines[above : node.end_lineno])
            gap = len(text) - len(text.lstrip("\n"))
            found.append(Part(node, _name(node), text.strip("\n"), set(names_in(node)), gap=gap))
        elif _is_text(node) and found:
            # A string below a constant tells about it.
            found[-1].text += "\n" + "\n".join(lines[above : node.end_lineno]).strip("\n")
        above = node.end_lineno or above
    _seed(found)
    _spread(found)
    _split_domain(found)
    return found


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _name(node: ast.stmt) -> str:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return node.name
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return ast.unparse(targets[0]) if targets[0] is not None else ""


def defined(part: Part) -> set[str]:
    """The names that a statement gives a meaning: several for `LEAST, MOST = 1, 9`."""
    return set(re.findall(r"\w+", part.name))


def names_in(node: ast.AST) -> Iterator[str]:
    """The names that are used, those in annotations that are written as texts, too."""
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            yield each.id
        elif isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value.isidentifier():
            yield each.value


def _seed(parts: Sequence[Part]) -> None:
    """What shows by its form where it belongs. A command goes where its handler goes."""
    handlers = {}
    for part in parts:
        if isinstance(part.node, ast.FunctionDef | ast.AsyncFunctionDef):
            part.place = _place_of_function(part.node)
            handlers[part.name] = part.place
    for part in parts:
        if isinstance(part.node, ast.ClassDef):
            handled = handlers.get(snake(part.name), "")
            part.place = handled if handled.startswith("application/") else _place_of_class(part.node)


def _place_of_function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    taken = list(parameters_of(node))
    if taken == ["command", "ports"]:
        return f"application/{plural(_subject(node))}"
    if taken[:1] == ["event"]:
        return SUBSCRIBERS
    return QUERIES if "database" in taken else ""


def _place_of_class(node: ast.ClassDef) -> str:
    bases = set(
        map(last_name, (each.value if isinstance(each, ast.Subscript) else each for each in node.bases))
    )
    if "Aggregate" in bases:
        return f"domain/{snake(node.name)}"
    if bases & REFUSALS:
        return "domain"
    if bases & {"SqlRepository", "SqlUnitOfWork"}:
        return UNIT_OF_WORK
    if "uow" in fields_of(node):
        return PORTS
    return QUERIES if "of" in methods_of(node) or node.name.endswith("View") else ""


def _subject(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """What a use case is about: `invoice` of `send_invoice`, `credit_note` of `change_credit_note`."""
    return function.name.partition("_")[2]


def _spread(parts: Sequence[Part]) -> None:
    """All else goes to the innermost of those that use it, but no further in than what it needs itself."""
    waiting = [part for part in parts if not part.place]
    while waiting:
        used = {name for part in waiting for name in part.uses - defined(part)}
        settled = [part for part in waiting if not defined(part) & used]
        for part in settled or waiting:
            users = [each for each in parts if each.place and defined(part) & each.uses]
            needs = [each for each in parts if each.place and defined(each) & part.uses]
            inner = min(users, key=lambda each: each.depth, default=None)
            outer = max([*needs, *([inner] if inner else [])], key=lambda each: each.depth, default=None)
            part.place = outer.place if inner and outer else _unused(part)
        waiting = [part for part in waiting if not part.place]


def _unused(part: Part) -> str:
    """A limit of the domain, or a value of it that only routes know; what is made by a call is read."""
    is_made = isinstance(part.node, ast.Assign) and isinstance(part.node.value, ast.Call)
    is_value = isinstance(part.node, ast.ClassDef) or part.name.isupper()
    return "domain" if is_value and not is_made else QUERIES


def _split_domain(parts: Sequence[Part]) -> None:
    """What belongs to no aggregate by itself goes to the first that uses it, else to the first there is."""
    files = [part.place for part in parts if part.place.startswith("domain/")]
    for part in parts:
        if part.place == "domain":
            users = [each.place for each in parts if defined(part) & each.uses and each.place in files]
            part.place = users[0] if users else files[0]


def written(parts: Sequence[Part]) -> str:
    """The statements of one file: constants stand together as they did, all else two lines apart."""
    pieces: list[str] = []
    for before, part in zip([None, *parts], parts, strict=False):
        plain = before is not None and all(isinstance(each.node, ast.Assign) for each in (before, part))
        gap = min(part.gap, 1) if plain else 2
        pieces += ["\n" * (gap + 1) if before else "", part.text]
    return "".join(pieces)


def modules_of(parts: Sequence[Part]) -> Mapping[str, str]:
    """Where each name is found afterwards: `Invoice` in `domain/invoice`."""
    return {name: part.place for part in parts for name in defined(part)}


def file_of(folder: Path, place: str) -> Path:
    return folder / f"{place}.py"
