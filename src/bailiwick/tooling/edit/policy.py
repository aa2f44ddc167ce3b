"""The reviewed table of who may call which route: a new route gets the lines of the one it was made like."""

import re

from bailiwick.tooling.edit.context import Context
from bailiwick.tooling.edit.source import NotAsExpected


def allow_like(context: Context, like: str, new: str) -> None:
    """Add lines for `POST /path` below those of another route. Where there is no table, say what is left.

    Raises NotAsExpected for a table without the other route.
    """
    path = context.project.policy.relative_to(context.project.root)
    if not (context.project.root / path).is_file():
        context.left.append(f"write down who may call {new}")
        return
    lines = context.read(path).split("\n")
    at = [number for number, line in enumerate(lines) if _operation(line) == like]
    if not at:
        raise NotAsExpected(path, f"the lines of {like}, to say the same of {new}")
    added = [_renamed(lines[number], new) for number in at]
    lines[at[-1] + 1 : at[-1] + 1] = added
    context.rewrite(path, "\n".join(aligned(lines, at[0])))
    context.left.append(f"see whether {new} is allowed to the right people: {path}")


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _operation(line: str) -> str:
    return _cells(line)[0] if line.startswith("| ") else ""


def _renamed(line: str, operation: str) -> str:
    _, *rest = _cells(line)
    return f"| {' | '.join([operation, *rest])} |"


def aligned(lines: list[str], inside: int) -> list[str]:
    """The lines, with the table around one of them drawn with columns of one width."""
    first, last = inside, inside
    while first > 0 and lines[first - 1].startswith("|"):
        first -= 1
    while last + 1 < len(lines) and lines[last + 1].startswith("|"):
        last += 1
    table = [_cells(line) for line in lines[first : last + 1]]
    ruled = [number for number, row in enumerate(table) if all(re.fullmatch(r":?-+:?", cell) for cell in row)]
    told = [row for number, row in enumerate(table) if number not in ruled]
    widths = [max(map(len, column)) for column in zip(*told, strict=True)]
    drawn = []
    for number, row in enumerate(table):
        if number in ruled:
            drawn.append(f"|{'|'.join('-' * (width + 2) for width in widths)}|")
        else:
            drawn.append(
                f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |"
            )
    return [*lines[:first], *drawn, *lines[last + 1 :]]
