"""A Python file that is edited: places are found by its syntax, and only the text at them changes."""

import ast
from collections.abc import Iterator
from pathlib import Path

from bailiwick.tooling.generate.rendering import CannotGenerate


class NotAsExpected(CannotGenerate):
    """The code has another form than the edit needs. Nothing was written."""

    def __init__(self, path: Path | str, looked_for: str) -> None:
        super().__init__(f"Nothing was changed. In {path} I looked for {looked_for}.")


class Source:
    """One file, by its path below the project. Edits do not move each other: all count from the old text."""

    def __init__(self, path: Path, text: str) -> None:
        self.path, self.text = path, text
        try:
            self.tree = ast.parse(text)
        except SyntaxError as error:
            raise NotAsExpected(
                path, f"code that Python can read; line {error.lineno}: {error.msg}"
            ) from None
        self._old = text.encode()
        lines = self._old.splitlines(keepends=True)
        self._starts = [sum(map(len, lines[:at])) for at in range(len(lines) + 1)]
        self._edits: list[tuple[int, int, bytes]] = []

    @property
    def changed(self) -> bool:
        return bool(self._edits)

    def result(self) -> str:
        """The new text. Of several edits at one place the one that was asked for first comes first."""
        pieces, at = [], 0
        for start, end, new in sorted(self._edits, key=lambda edit: edit[:2]):
            pieces += [self._old[at:start], new]
            at = end
        return b"".join([*pieces, self._old[at:]]).decode()

    def text_of(self, node: ast.AST) -> str:
        return ast.get_source_segment(self.text, node) or ""

    def _start(self, node: "Placed") -> int:
        return self._starts[node.lineno - 1] + node.col_offset

    def _end(self, node: "Placed") -> int:
        return self._starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)

    def replace(self, node: "Placed", text: str) -> None:
        self._edits.append((self._start(node), self._end(node), text.encode()))

    def after(self, node: "Placed", text: str) -> None:
        """Right behind the node, on its line."""
        self._edits.append((self._end(node), self._end(node), text.encode()))

    def below(self, node: "Placed", text: str) -> None:
        """Lines below the node's last one."""
        at = self._starts[node.end_lineno or node.lineno]
        gap = b"" if self._old[:at].endswith(b"\n") else b"\n"
        self._edits.append((at, at, gap + text.encode() + b"\n"))

    def above(self, node: ast.stmt, text: str) -> None:
        """Lines above the node, its decorators and the comment that stands right above it."""
        line = min([node.lineno, *(mark.lineno for mark in getattr(node, "decorator_list", ()))])
        lines = self.text.split("\n")
        while line > 1 and lines[line - 2].startswith("#"):
            line -= 1
        at = self._starts[line - 1]
        self._edits.append((at, at, text.encode() + b"\n"))

    def at_the_end(self, text: str) -> None:
        at = len(self._old)
        self._edits.append((at, at, text.encode() + b"\n"))

    def imports(self, module: str, *names: str) -> None:
        """Have the names imported. Their order is the formatter's business."""
        missing = sorted(set(names) - self.imported_from(module))
        if missing:
            found = [node for node in self.tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
            line = f"from {module} import {', '.join(missing)}"
            self.below(found[-1] if found else self.tree.body[0], line if found else f"\n{line}")

    def imported_from(self, module: str) -> set[str]:
        return {
            alias.name
            for node in self.tree.body
            if isinstance(node, ast.ImportFrom) and node.module == module
            for alias in node.names
        }

    def classes(self) -> Iterator[ast.ClassDef]:
        return (node for node in self.tree.body if isinstance(node, ast.ClassDef))

    def class_named(self, name: str) -> ast.ClassDef:
        """Raises NotAsExpected."""
        for node in self.classes():
            if node.name == name:
                return node
        raise NotAsExpected(self.path, f"the class {name}")

    def functions(self) -> Iterator["Function"]:
        return (node for node in self.tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))

    def calls(self, name: str, within: ast.AST | None = None) -> list[ast.Call]:
        """The calls of what has this name, or this last name behind a dot."""
        nodes = ast.walk(within or self.tree)
        return [node for node in nodes if isinstance(node, ast.Call) and last_name(node.func) == name]

    def add_argument(self, call: ast.Call, text: str) -> None:
        """One more argument, behind all others. Raises NotAsExpected for a call without."""
        arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
        if not arguments:
            raise NotAsExpected(self.path, f"arguments of {ast.unparse(call.func)} in line {call.lineno}")
        self.after(max(arguments, key=self._end), f", {text}")


Function = ast.FunctionDef | ast.AsyncFunctionDef
Placed = ast.stmt | ast.expr


def last_name(node: ast.AST | None) -> str:
    """The last name of a dotted expression: `get` of `router.get`. Empty for others."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def fields_of(node: ast.ClassDef) -> dict[str, ast.AnnAssign]:
    """The annotated fields of a dataclass or a body, in their order, without class variables."""
    return {
        last_name(statement.target): statement
        for statement in node.body
        if isinstance(statement, ast.AnnAssign) and "ClassVar" not in ast.unparse(statement.annotation)
    }


def methods_of(node: ast.ClassDef) -> dict[str, Function]:
    return {each.name: each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}


def parameters_of(function: Function) -> dict[str, str]:
    """Names and annotations, without `self` and `cls`."""
    found = [*function.args.args, *function.args.kwonlyargs]
    return {
        each.arg: ast.unparse(each.annotation) if each.annotation else ""
        for each in found
        if each.arg not in ("self", "cls")
    }
