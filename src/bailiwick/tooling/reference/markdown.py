"""Tables and first lines, as all pages of the reference have them."""

import inspect
from collections.abc import Iterable, Iterator, Sequence

WRITTEN = "Written by `bailiwick reference`; do not edit by hand."


def opening(title: str, *paragraphs: str) -> Iterator[str]:
    """The first lines of a page."""
    yield f"# {title}"
    for paragraph in (WRITTEN, *paragraphs):
        yield from ("", paragraph)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table, with an empty one before it; nothing where there are no rows."""
    lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
    if lines:
        yield from ("", f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}")
        yield from lines


def code(*names: str) -> str:
    """Names between backticks, with commas."""
    return ", ".join(f"`{name}`" for name in names)


def meaning(thing: object) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())


def text(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
