"""A pool of PostgreSQL connections that costs next to nothing to borrow from.

The driver's own pool wraps each connection, guards it with timers and resets it on return: 38 µs for a
read of 56 µs. We leave no session state behind, so a list of idle connections is enough.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from bailiwick.kernel.application import Unavailable


class Pool:
    """At most `size` connections. A borrower waits for at most `timeout` seconds, first come, first served.

    The connection used last is lent first, so a burst's connections fall idle and `prune` closes them.
    """

    def __init__(self, connect: Callable[[], Awaitable[Any]], size: int, timeout: float) -> None:
        self._connect, self._size, self._timeout = connect, size, timeout
        self._idle: list[Any] = []
        self._turns: deque[asyncio.Future[None]] = deque()
        self.busy = 0
        self._fewest_idle = 0
        self.closed = False

    @property
    def open(self) -> int:
        """Connections open, borrowed ones included."""
        return self.busy + len(self._idle)

    @property
    def waiting(self) -> int:
        """Borrowers that wait for their turn."""
        return len(self._turns)

    async def borrow(self) -> Any:
        """A connection, to be given back by `give_back` whatever happens.

        Raises Unavailable after the timeout, and what the driver raises where it cannot connect.
        """
        if self.busy >= self._size:
            await self._turn()
        else:
            self.busy += 1
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                self._fewest_idle = min(self._fewest_idle, len(self._idle))
                return connection
        try:
            return await self._connect()
        except BaseException:
            self._pass_on()
            raise

    def give_back(self, connection: Any, *, sound: bool) -> None:
        """Return a connection. One that is not `sound`, being cut off in the middle, or that comes back after
        the end, is closed instead."""
        if self.closed or not sound:
            connection.terminate()
        elif not connection.is_closed():
            self._idle.append(connection)
        self._pass_on()

    async def prune(self) -> None:
        """Close what nobody has needed since the last call."""
        unneeded, self._idle = self._idle[: self._fewest_idle], self._idle[self._fewest_idle :]
        self._fewest_idle = len(self._idle)
        for connection in unneeded:
            with suppress(Exception):  # the driver cuts it off where it cannot say goodbye
                await connection.close(timeout=1)

    def close(self) -> None:
        """Close what is idle. Nobody may borrow any more."""
        self.closed = True
        while self._idle:
            self._idle.pop().terminate()

    async def _turn(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        try:
            async with asyncio.timeout(self._timeout):
                await turn
        except BaseException as reason:
            if turn.done() and not turn.cancelled():
                self._pass_on()  # our turn came while we were giving up
            if isinstance(reason, TimeoutError):
                raise Unavailable("all database connections are busy") from reason
            raise

    def _pass_on(self) -> None:
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.busy -= 1
