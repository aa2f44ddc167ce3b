"""Two versions of one module made one: what the second has and the first has not is put where it belongs."""

import ast
from collections.abc import Sequence

Place = tuple[int, list[str]]
"""The number of a line, from 1, and what is inserted above it."""


def merged(old: str, new: str) -> str:
    """The old text with the imports, statements and members of classes that only the new one has.

    A statement goes above the one that follows it in the new text, if the old text has that; else to the end.
    Imports are neither sorted nor joined, and blank lines are left to the formatter.
    """
    before, after = ast.parse(old), ast.parse(new)
    lines = new.splitlines()
    imports = [ast.unparse(node) for node in after.body if isinstance(node, ast.Import | ast.ImportFrom)]
    last = max(node.end_lineno or 0 for node in before.body if isinstance(node, ast.Import | ast.ImportFrom))
    places: list[Place] = [(last + 1, imports)]
    places += _missing(before.body, after.body, lines, len(old.splitlines()) + 1)
    return _inserted(old, places)


def _missing(old: Sequence[ast.stmt], new: Sequence[ast.stmt], lines: list[str], end: int) -> list[Place]:
    known = {name: node for node in old if (name := _name(node))}
    found: list[Place] = []
    for at, node in enumerate(new):
        name = _name(node)
        if isinstance(node, ast.Import | ast.ImportFrom) or (at == 0 and _is_docstring(node)):
            continue
        there = known.get(name or "")
        if isinstance(there, ast.ClassDef) and isinstance(node, ast.ClassDef):
            found += _missing(there.body, node.body, lines, (there.end_lineno or 0) + 1)
        elif there is None:
            anchor = next((known[n] for later in new[at:] if (n := _name(later)) and n in known), None)
            text = _text(new, at, lines)
            found.append((_first_line(anchor), [*text, ""]) if anchor else (end, text))
    return found


def _name(node: ast.stmt) -> str | None:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return node.name
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0])
    return ast.unparse(node.target) if isinstance(node, ast.AnnAssign) else None


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _first_line(node: ast.stmt) -> int:
    marks: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(mark.lineno for mark in marks)])


def _text(body: Sequence[ast.stmt], at: int, lines: list[str]) -> list[str]:
    """A statement with the comments above it, and the blank lines between."""
    first = _first_line(body[at])
    start = (body[at - 1].end_lineno or 0) if at else first - 1
    return lines[start : body[at].end_lineno]


def _inserted(text: str, places: Sequence[Place]) -> str:
    lines = text.splitlines()
    # From the end, so that numbers hold; of two places at one line the first is inserted last, above.
    for number, added in sorted(places, key=lambda place: place[0])[::-1]:
        lines[number - 1 : number - 1] = added
    return "\n".join(lines) + "\n"
