"""The SQL that a migration runs on PostgreSQL, written down without a database."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from sqlalchemy import Dialect, Select, TextClause, dialects
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData


@dataclass
class Rehearsed:
    """The statements of one migration. `lines` has the line of the migration for each line of `sql`."""

    path: str
    sql: str = ""
    failure: str = ""
    lines: list[int] = field(default_factory=list)

    def write(self, statement: str) -> None:
        """Called while the line of the migration that says it is still running."""
        written = statement.strip() + ";\n"
        self.sql += written
        self.lines += [self._line()] * written.count("\n")

    def _line(self) -> int:
        """The innermost line of the migration that is running."""
        return next((line for file, line in _running() if file == self.path), 1)

    def says(self, word: str) -> Iterator[int]:
        """The lines of the migration whose statements contain a word."""
        for number, line in enumerate(self.sql.splitlines()):
            if word in line.lower():
                yield self.lines[number]


def _running() -> Iterator[tuple[str, int]]:
    frame: Any = sys._getframe()
    while frame:
        yield frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back


class Stage:
    """Stands for a connection: writes down what would change anything, and answers questions with nothing."""

    def __init__(self, rehearsed: Rehearsed) -> None:
        self.dialect: Dialect = dialects.registry.load("postgresql.asyncpg")()
        self._rehearsed = rehearsed

    def execution_options(self, **_: Any) -> "Stage":
        return self

    def execute(self, statement: Any, *_: Any, **__: Any) -> IteratorResult[Any]:
        asks = isinstance(statement, Select) or (
            isinstance(statement, TextClause) and statement.text.lstrip().lower().startswith("select")
        )
        if not asks:
            self._rehearsed.write(str(statement.compile(dialect=self.dialect)))
        return IteratorResult(SimpleResultMetaData([]), iter(()))


def rehearse(script: Script) -> Rehearsed:
    """Go through the way up of one migration."""
    rehearsed = Rehearsed(script.path)
    stage: Any = Stage(rehearsed)
    context = MigrationContext.configure(dialect=stage.dialect)
    context.impl.connection = stage
    with Operations.context(context):
        try:
            script.module.upgrade()
        except Exception as error:
            rehearsed.failure = f"{type(error).__name__}: {error}"
    return rehearsed
