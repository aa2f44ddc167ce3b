"""One more migration of a context: the next number, below the newest revision."""

import ast
import re
from collections.abc import Sequence
from pathlib import Path

from bailiwick.tooling.edit.context import Context
from bailiwick.tooling.edit.source import NotAsExpected, Source


def add_columns(
    context: Context, table: str, columns: Sequence[tuple[str, str]], title: str, name: str
) -> Path:
    """A migration that adds columns, `(name, what sa.Column has behind the name)`, and takes them back.

    They must be nullable or have a default of the server: then the table is not written anew, and code that
    does not know them goes on writing. Raises NotAsExpected where there is no single newest revision.
    """
    number, newest = _newest(context)
    revision = f"{context.name}_{number + 1:04}"
    path = context.folder / "migrations" / f"{number + 1:04}_{name}.py"
    typed = {kind for _, shape in columns for kind in re.findall(r"\b(?:Id|UtcDateTime|Json)\b", shape)}
    own = f"from bailiwick.kernel.database.columns import {', '.join(sorted(typed))}\n" if typed else ""
    up = "\n".join(
        f'    op.add_column("{table}", sa.Column("{column}", {shape}))' for column, shape in columns
    )
    down = "\n".join(f'    op.drop_column("{table}", "{column}")' for column, _ in reversed(columns))
    text = f'''"""{title}"""

import sqlalchemy as sa
from alembic import op
{own}
revision = "{revision}"
down_revision = "{newest}"


def upgrade() -> None:
{up}


def downgrade() -> None:
{down}
'''
    context.add(path, text)
    return path


def _newest(context: Context) -> tuple[int, str]:
    steps = {
        _said(source, "revision"): (_said(source, "down_revision"), source.path)
        for source in context.sources("migrations")
        if source.path.name[:4].isdigit()
    }
    heads = steps.keys() - {before for before, _ in steps.values()}
    if len(heads) != 1:
        raise NotAsExpected(
            context.folder / "migrations",
            f"one newest revision; there are {', '.join(sorted(heads)) or 'none'}",
        )
    return max(int(path.name[:4]) for _, path in steps.values()), heads.pop()


def _said(source: Source, variable: str) -> str:
    for node in source.tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == variable:
            return str(node.value.value) if isinstance(node.value, ast.Constant) else ""
    raise NotAsExpected(source.path, f"`{variable} = …`")
