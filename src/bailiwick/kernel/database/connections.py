"""What a database is to the rest of the kernel, whichever engine is behind it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Dialect
from sqlalchemy.sql.expression import ClauseElement

from bailiwick.kernel.database.statements import Compiled, Write, compile_for

Row = tuple[Any, ...]

MOST_COMPILED = 5000


class Duplicate(Exception):
    """A unique constraint refused a write. `constraint` is its name, or SQLite's words for it."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


class Statements:
    """The statements compiled so far for one dialect. Callers pass module-level constants."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self._compiled: dict[ClauseElement, Compiled] = {}

    def __getitem__(self, statement: ClauseElement) -> Compiled:
        compiled = self._compiled.get(statement)
        if compiled is None:
            if len(self._compiled) >= MOST_COMPILED:
                self._compiled.clear()
            compiled = self._compiled[statement] = compile_for(self.dialect, statement)
        return compiled


class Database(Protocol):
    """Reads run outside a transaction; `write` is one transaction.

    All raise kernel Unavailable when the database does not answer. `round_trips` and `statements`
    only grow: budgets in tests read their differences. `readers` says for each type of event which
    queues get a piece of work for it. `work_added` is set when a unit of work has left some, and
    `event_added` when it has recorded an event, so that nobody here need wait for the next poll.
    """

    dialect: Dialect
    statements: int
    round_trips: int
    readers: Mapping[str, Sequence[str]]
    work_added: asyncio.Event
    event_added: asyncio.Event

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def all(self, statement: ClauseElement, /, **params: Any) -> list[Row]:
        """All rows of a SELECT, or of a single write with RETURNING (which commits at once)."""
        ...

    async def first(self, statement: ClauseElement, /, **params: Any) -> Row | None:
        """The first row of the same, or None."""
        ...

    async def write(self, *phases: Sequence[Write]) -> None:
        """All writes or none. Phases run in their order, the writes of one phase in any order.

        Raises Contention where a write touches another number of rows than it must, and Duplicate
        where a unique constraint refuses one.
        """
        ...
