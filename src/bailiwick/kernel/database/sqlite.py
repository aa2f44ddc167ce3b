"""SQLite, the embedded default: one writing thread, a few reading ones, nothing lost."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Select
from sqlalchemy.sql.expression import ClauseElement

from bailiwick.kernel.application import Contention, Unavailable
from bailiwick.kernel.database.connections import Duplicate, Row, Statements
from bailiwick.kernel.database.statements import SQLITE, Compiled, Write, in_order
from bailiwick.kernel.failpoints import reached

T = TypeVar("T")
READERS = 4


def connect(path: str) -> sqlite3.Connection:
    """A connection in the only mode that is safe here.

    The driver's default mode opens transactions by itself and loses updates without an error;
    `isolation_level=None` leaves that to us. WAL lets readers go on while somebody writes, and
    `synchronous=FULL` keeps a commit through a power cut.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, timeout=5.0, check_same_thread=False)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}")
    connection.create_function("unicode_lower", 1, _lower, deterministic=True)
    return connection


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


class SqliteDatabase:
    """One file. Every transaction runs whole in one thread, so a cancelled request cannot split it."""

    def __init__(self, url: str) -> None:
        self.path = url.removeprefix("sqlite:///")
        self.dialect = SQLITE
        self.statements = self.round_trips = 0
        self.readers: Mapping[str, Sequence[str]] = {}
        self.work_added, self.event_added = asyncio.Event(), asyncio.Event()
        self._compiled = Statements(self.dialect)
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="sqlite-writer")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="sqlite-reader")

    async def open(self) -> None:
        await self._in(self._writer, lambda connection: connection.execute("SELECT 1").fetchone())

    async def close(self) -> None:
        for pool in (self._readers, self._writer):
            await asyncio.to_thread(pool.shutdown)
        for connection in self._connections:
            connection.close()

    async def _in(self, pool: ThreadPoolExecutor, work: Callable[[sqlite3.Connection], T]) -> T:
        def run() -> T:
            connection = getattr(self._local, "connection", None)
            if connection is None:
                connection = self._local.connection = connect(self.path)
                self._connections.append(connection)
            return work(connection)

        try:
            return await asyncio.get_running_loop().run_in_executor(pool, run)
        except sqlite3.OperationalError as down:
            if down.sqlite_errorcode == sqlite3.SQLITE_ERROR:
                raise  # the statement is wrong, not the database
            raise Unavailable(f"the database does not answer: {down}") from down

    async def all(self, statement: ClauseElement, /, **params: Any) -> list[Row]:
        compiled = self._compiled[statement]
        values = compiled.values(params)
        self.statements += 1
        self.round_trips += 1
        pool = self._readers if isinstance(statement, Select) else self._writer
        records = await self._in(pool, lambda c: c.execute(compiled.sql, values).fetchall())
        return [compiled.row(record) for record in records]

    async def first(self, statement: ClauseElement, /, **params: Any) -> Row | None:
        rows = await self.all(statement, **params)
        return rows[0] if rows else None

    async def write(self, *phases: Sequence[Write]) -> None:
        work = []
        for write in (write for phase in phases for write in in_order(phase)):
            compiled = self._compiled[write.statement]
            work.append((compiled, compiled.values(write.values), write.exactly))
        self.statements += len(work)
        self.round_trips += 1
        await self._in(self._writer, lambda connection: _transact(connection, work))


def _transact(connection: sqlite3.Connection, work: Sequence[tuple[Compiled, list[Any], int | None]]) -> None:
    reached("database.before_write")
    connection.execute("BEGIN IMMEDIATE")
    try:
        for compiled, values, exactly in work:
            touched = connection.execute(compiled.sql, values).rowcount
            if exactly is not None and touched != exactly:
                raise Contention("somebody else changed it meanwhile; try again")
        reached("database.before_commit")
        connection.execute("COMMIT")
        reached("database.after_commit")
    except sqlite3.IntegrityError as refused:
        connection.execute("ROLLBACK")
        words = str(refused)
        if "UNIQUE constraint failed: " not in words:
            raise
        raise Duplicate(words.partition("UNIQUE constraint failed: ")[2]) from refused
    except BaseException:
        connection.execute("ROLLBACK")
        raise
