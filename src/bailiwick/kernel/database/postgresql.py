"""PostgreSQL through asyncpg: one round trip for a read, one for a unit of work."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import asyncpg
import orjson
from sqlalchemy.sql.expression import ClauseElement

from bailiwick.kernel.application import Contention, Unavailable
from bailiwick.kernel.database.connections import Duplicate, Row, Statements
from bailiwick.kernel.database.pool import Pool
from bailiwick.kernel.database.statements import POSTGRESQL, Write, in_order, merge
from bailiwick.kernel.failpoints import reached

T = TypeVar("T")

PRUNE_SECONDS = 60

UNREACHABLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that the server has just cut
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.DiskFullError,
    asyncpg.ReadOnlySQLTransactionError,
)


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
        self.statements = self.round_trips = 0
        self.readers: Mapping[str, Sequence[str]] = {}
        self.work_added, self.event_added = asyncio.Event(), asyncio.Event()
        self._compiled = Statements(self.dialect)
        self._url = url.replace("postgresql+asyncpg://", "postgresql://")
        self._connect_timeout = acquire_timeout
        self._command_timeout = statement_timeout + 1
        self._server_settings = {
            "application_name": "bailiwick",
            "statement_timeout": str(int(statement_timeout * 1000)),
            "lock_timeout": str(int(lock_timeout * 1000)),
            "idle_in_transaction_session_timeout": str(int(statement_timeout * 2000)),
            "timezone": "UTC",
            "jit": "off",
        }
        self.pool = Pool(self._connect, pool_size, acquire_timeout)

    async def _connect(self) -> Any:
        connection = await asyncpg.connect(
            self._url,
            timeout=self._connect_timeout,
            command_timeout=self._command_timeout,
            statement_cache_size=1024,
            server_settings=self._server_settings,
        )
        try:
            await connection.set_type_codec(
                "jsonb", schema="pg_catalog", encoder=str, decoder=orjson.loads, format="text"
            )
        except BaseException:  # whoever waits for it may be cancelled; nobody else knows of it yet
            connection.terminate()
            raise
        return connection

    async def open(self) -> None:
        """Connections are opened when they are needed; here begins their pruning."""
        self.pool.closed = False
        self._pruning = asyncio.ensure_future(self._prune())

    async def close(self) -> None:
        self._pruning.cancel()
        self.pool.close()

    async def _prune(self) -> None:
        while True:
            await asyncio.sleep(PRUNE_SECONDS)
            await self.pool.prune()

    async def _use(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Do something with a connection, and say what went wrong in the kernel's words."""
        sound = False
        try:
            connection = await self.pool.borrow()
            try:
                result = await work(connection)
                sound = True
                return result
            except asyncpg.PostgresError as refused:
                # The server has answered and is ready for more, unless it is going or a transaction is open.
                sound = not isinstance(refused, UNREACHABLE) and not connection.is_in_transaction()
                raise
            finally:
                self.pool.give_back(connection, sound=sound)
        except (asyncpg.SerializationError, asyncpg.DeadlockDetectedError) as lost:
            raise Contention("somebody else changed the same thing; try again") from lost
        except UNREACHABLE as down:
            raise Unavailable("the database does not answer") from down

    async def all(self, statement: ClauseElement, /, **params: Any) -> list[Row]:
        compiled = self._compiled[statement]
        values = compiled.values(params)
        self.statements += 1
        self.round_trips += 1
        records = await self._use(lambda connection: connection.fetch(compiled.sql, *values))
        if compiled.readers is None:
            return records  # type: ignore[no-any-return]  # a Record is a tuple in all we use of it
        return [compiled.row(record) for record in records]

    async def first(self, statement: ClauseElement, /, **params: Any) -> Row | None:
        compiled = self._compiled[statement]
        values = compiled.values(params)
        self.statements += 1
        self.round_trips += 1
        record = await self._use(lambda connection: connection.fetchrow(compiled.sql, *values))
        return None if record is None else compiled.row(record) if compiled.readers else record

    async def write(self, *phases: Sequence[Write]) -> None:
        merged = [self._merged(phase) for phase in phases if phase]
        self.statements += sum(map(len, phases))
        self.round_trips += len(merged) if len(merged) < 2 else len(merged) + 2
        reached("database.before_write")
        try:
            if len(merged) == 1:
                [(sql, values)] = merged
                await self._use(lambda connection: connection.fetchval(sql, *values))
            elif merged:
                await self._use(lambda connection: _in_transaction(connection, merged))
        except asyncpg.UniqueViolationError as duplicate:
            raise Duplicate(str(duplicate.constraint_name)) from duplicate
        except asyncpg.DivisionByZeroError as stale:
            raise Contention("somebody else changed it meanwhile; try again") from stale
        reached("database.after_commit")

    def _merged(self, writes: Sequence[Write]) -> tuple[str, list[Any]]:
        parts, values = [], []
        for write in in_order(writes):
            compiled = self._compiled[write.statement]
            parts.append((compiled.sql, len(compiled.names), write.exactly))
            values += compiled.values(write.values)
        return merge(tuple(parts)), values


async def _in_transaction(connection: Any, merged: Sequence[tuple[str, list[Any]]]) -> None:
    async with connection.transaction():
        for sql, values in merged:
            await connection.fetchval(sql, *values)
        reached("database.before_commit")
