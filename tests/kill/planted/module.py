"""Defects by name. The variable PLANT says which one this process has."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.failpoints import reached
from bailiwick.kernel.http.authentication import Authentication
from bailiwick.kernel.messaging.runs import Run
from bailiwick.kernel.module import Module, Platform

Phases = Sequence[Sequence[Write]]


def module(platform: Platform) -> Module:
    async def plant() -> None:
        PLANTS[os.environ["PLANT"]](platform)

    return Module("planted", (), (), before=(plant,))


def table_of(write: Write) -> str:
    return str(getattr(getattr(write.statement, "table", None), "name", ""))


def forgets(platform: Platform) -> None:
    """Every fifth change of a task is acknowledged and not stored."""
    store, count = platform.database.write, 0

    async def write(*phases: Sequence[Write]) -> None:
        nonlocal count
        of_task = any(table_of(each) == "tasks_task" for phase in phases for each in phase)
        count += of_task
        if not of_task or count % 5:
            await store(*phases)

    platform.database.write = write  # type: ignore[method-assign]


def in_two(later: Callable[[str], bool]) -> Callable[[Platform], None]:
    """What `later` says of is stored by a second transaction, some time after the first."""

    def plant(platform: Platform) -> None:
        store = platform.database.write

        async def write(*phases: Sequence[Write]) -> None:
            await store(*([each for each in phase if not later(table_of(each))] for phase in phases))
            rest = [each for phase in phases for each in phase if later(table_of(each))]
            if rest:
                await asyncio.sleep(0.05)
                reached("planted.between")
                await store(rest)

        platform.database.write = write  # type: ignore[method-assign]

    return plant


def keeps_dead_connections(platform: Platform) -> None:
    """The pool lends what the server has closed, and takes back what broke."""
    pool: Any = getattr(platform.database, "pool")  # noqa: B009  # PostgreSQL only

    async def borrow() -> Any:
        pool.busy += 1
        return pool._idle.pop() if pool._idle else await pool._connect()

    def give_back(connection: Any, *, sound: bool) -> None:
        pool.busy -= 1
        pool._idle.append(connection)

    pool.borrow, pool.give_back = borrow, give_back


def waits_for_the_database(platform: Platform) -> None:
    """A connection that cannot be had is tried for again and again, while the client waits."""
    pool: Any = getattr(platform.database, "pool")  # noqa: B009  # PostgreSQL only
    connect = pool._connect

    async def patient() -> Any:
        while True:
            try:
                return await connect()
            except Exception:
                await asyncio.sleep(0.5)

    pool._connect = patient


def leaks_connections(platform: Platform) -> None:
    """One connection in twenty is never given back."""
    pool: Any = getattr(platform.database, "pool")  # noqa: B009  # PostgreSQL only
    give_back, count = pool.give_back, 0

    def forget(connection: Any, *, sound: bool) -> None:
        nonlocal count
        count += 1
        if count % 20:
            give_back(connection, sound=sound)

    pool.give_back = forget


def leaves_transactions_open(platform: Platform) -> None:
    """Connections begin a transaction that nobody ends."""
    pool: Any = getattr(platform.database, "pool")  # noqa: B009  # PostgreSQL only
    connect = pool._connect

    async def beginning() -> Any:
        connection = await connect()
        await connection.execute("BEGIN")
        return connection

    pool._connect = beginning


def trusts_tokens(platform: Platform) -> None:
    """What was revoked is not remembered: a token holds until it expires."""
    learn = Authentication.learn

    def forget(self: Authentication, ended: Any, stamps: Any, keep_seconds: float) -> None:
        learn(self, set(), {}, keep_seconds)

    Authentication.learn = forget  # type: ignore[method-assign]


def leaves_at_once(platform: Platform) -> None:
    """The order to stop ends the process in the middle of what it does."""

    def leave(*_: object) -> None:
        os._exit(0)

    asyncio.get_running_loop().call_later(0.5, lambda: signal.signal(signal.SIGTERM, leave))


def forgets_its_keys(platform: Platform) -> None:
    """A process has another key each time that it does the same step."""
    Run.key_of = lambda self, step: uuid4()  # type: ignore[method-assign]


PLANTS: dict[str, Callable[[Platform], None]] = {
    "forgets": forgets,
    "answer_apart": in_two(lambda table: table == "kernel_idempotency"),
    "facts_apart": in_two(lambda table: table.startswith("kernel_") and table != "kernel_idempotency"),
    "keeps_dead_connections": keeps_dead_connections,
    "waits_for_the_database": waits_for_the_database,
    "leaks_connections": leaks_connections,
    "leaves_transactions_open": leaves_transactions_open,
    "trusts_tokens": trusts_tokens,
    "leaves_at_once": leaves_at_once,
    "wallets_apart": in_two(lambda table: table == "payments_wallet"),
    "forgets_its_keys": forgets_its_keys,
}
