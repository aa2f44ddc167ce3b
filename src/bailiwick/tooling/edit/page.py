"""The page of a context in the docs: one row more for a field or a route, one name more among the events."""

import re
from pathlib import Path

from bailiwick.tooling.edit.context import Context
from bailiwick.tooling.edit.details import Details
from bailiwick.tooling.generate.fields import Field


def page_of(context: Context) -> Path | None:
    path = Path("docs", f"{context.name}.md")
    return path if (context.project.root / path).is_file() else None


def tell_field(context: Context, details: Details, field: Field) -> None:
    """Below the last row of a field that the aggregate had."""
    for name in reversed(details.fields):
        if _add_row(context, f"| `{name}` |", f"| `{field.name}` | {field.described} |"):
            return


def tell_route(context: Context, below: str, path: str, does: str) -> None:
    """Below the last row of a route about one of them."""
    _add_row(context, f"{below}/{{id}}", f"| `POST {path}` | {does} |")


def tell_event(context: Context, aggregate: str, event: str) -> None:
    """Into the sentence that lists what others hear of the aggregate."""
    path = page_of(context)
    if path is not None:
        text = context.read(path)
        listed = re.compile(rf"^(Others hear of .*`{aggregate}\w+`.*) and (`\w+`)\.", re.MULTILINE)
        context.rewrite(path, listed.sub(rf"\1, \2 and `{event}`.", text, count=1))


def _add_row(context: Context, like: str, row: str) -> bool:
    path = page_of(context)
    lines = context.read(path).split("\n") if path else []
    at = [number for number, line in enumerate(lines) if line.startswith("| ") and like in line]
    if path is None or not at:
        return False
    context.rewrite(path, "\n".join([*lines[: at[-1] + 1], row, *lines[at[-1] + 1 :]]))
    return True
