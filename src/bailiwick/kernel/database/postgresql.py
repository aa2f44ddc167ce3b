"""PostgreSQL through asyncpg: one round trip for a read, one for a unit of work."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson
from sqlalchemy.sql.expression import ClauseElement

from bailiwick.kernel.application import Contention, Unavailable
from bailiwick.kernel.database.connections import Duplicate, Row, Statements
from bailiwick.kernel.database.statements import POSTGRESQL, Write, merge

UNREACHABLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.DiskFullError,
    asyncpg.ReadOnlySQLTransactionError,
)


async def _nothing(connection: object) -> None:
    """Nothing to reset: we leave no session state behind, and a reset costs a round trip."""


class PostgresDatabase:
    """A pool of connections. Times are in seconds."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        acquire_timeout: float = 2.0,
        statement_timeout: float = 5.0,
        lock_timeout: float = 2.0,
    ) -> None:
        self.dialect = POSTGRESQL
        self.statements = self.round_trips = self._wanted = 0
        self.committed = asyncio.Event()
        self._compiled = Statements(self.dialect)
        self._acquire_timeout = acquire_timeout
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._connect: Callable[[], asyncpg.Pool[asyncpg.Record]] = lambda: asyncpg.create_pool(
            url.replace("postgresql+asyncpg://", "postgresql://"),
            min_size=0,
            max_size=pool_size,
            timeout=acquire_timeout,
            command_timeout=statement_timeout + 1,
            statement_cache_size=1024,
            max_inactive_connection_lifetime=300,
            init=self._prepare,
            reset=_nothing,
            server_settings={
                "application_name": "bailiwick",
                "statement_timeout": str(int(statement_timeout * 1000)),
                "lock_timeout": str(int(lock_timeout * 1000)),
                "idle_in_transaction_session_timeout": str(int(statement_timeout * 2000)),
                "timezone": "UTC",
                "jit": "off",
            },
        )

    @staticmethod
    async def _prepare(connection: Any) -> None:
        await connection.set_type_codec(
            "jsonb", schema="pg_catalog", encoder=str, decoder=orjson.loads, format="text"
        )

    async def open(self) -> None:
        self._pool = await self._connect()

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        if self._pool is None:
            raise RuntimeError("the database is not open")
        self._wanted += 1
        try:
            async with self._pool.acquire(timeout=self._acquire_timeout) as connection:
                yield connection
        except (asyncpg.SerializationError, asyncpg.DeadlockDetectedError) as lost:
            raise Contention("somebody else changed the same thing; try again") from lost
        except UNREACHABLE as down:
            if isinstance(down, ValueError):
                raise  # the driver's own DataError: the values are wrong, not the database
            raise Unavailable("the database does not answer") from down
        finally:
            self._wanted -= 1

    @property
    def pool_open(self) -> int:
        """Connections open."""
        return self._pool.get_size() if self._pool else 0

    @property
    def pool_busy(self) -> int:
        """Connections in use."""
        return self._pool.get_size() - self._pool.get_idle_size() if self._pool else 0

    @property
    def pool_waiting(self) -> int:
        """Callers that wait for a connection."""
        return max(0, self._wanted - self.pool_busy)

    async def all(self, statement: ClauseElement, /, **params: Any) -> list[Row]:
        compiled = self._compiled[statement]
        values = compiled.values(params)
        self.statements += 1
        self.round_trips += 1
        async with self._connection() as connection:
            records = await connection.fetch(compiled.sql, *values)
        if compiled.readers is None:
            return records  # type: ignore[no-any-return]  # a Record is a tuple in all we use of it
        return [compiled.row(record) for record in records]

    async def first(self, statement: ClauseElement, /, **params: Any) -> Row | None:
        compiled = self._compiled[statement]
        values = compiled.values(params)
        self.statements += 1
        self.round_trips += 1
        async with self._connection() as connection:
            record = await connection.fetchrow(compiled.sql, *values)
        return None if record is None else compiled.row(record) if compiled.readers else record

    async def write(self, *phases: Sequence[Write]) -> None:
        merged = [self._merged(phase) for phase in phases if phase]
        self.statements += sum(map(len, phases))
        self.round_trips += len(merged) if len(merged) < 2 else len(merged) + 2
        try:
            async with self._connection() as connection:
                if len(merged) == 1:
                    await connection.fetchval(merged[0][0], *merged[0][1])
                elif merged:
                    async with connection.transaction():
                        for sql, values in merged:
                            await connection.fetchval(sql, *values)
        except asyncpg.UniqueViolationError as duplicate:
            raise Duplicate(str(duplicate.constraint_name)) from duplicate
        except asyncpg.DivisionByZeroError as stale:
            raise Contention("somebody else changed it meanwhile; try again") from stale
        self.committed.set()

    def _merged(self, writes: Sequence[Write]) -> tuple[str, list[Any]]:
        parts, values = [], []
        for write in writes:
            compiled = self._compiled[write.statement]
            parts.append((compiled.sql, len(compiled.names), write.exactly))
            values += compiled.values(write.params)
        return merge(tuple(parts)), values
