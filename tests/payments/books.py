"""Books as the database has them: wallets, journals and holds written straight into their tables."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy import bindparam, insert, update
from sqlalchemy.types import BigInteger
from uuid_utils.compat import uuid7

from bailiwick.kernel.database import migrations
from bailiwick.kernel.database.columns import Id
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.statements import Write
from bailiwick.payments.infrastructure.tables import entries, holds, journals, wallets
from tests.kernel.samples import database_at

ZERO: dict[str, object] = {
    "posted": 0,
    "held": 0,
    "overdraft": None,
    "daily_limit": None,
    "spent": 0,
    "spent_on": None,
}
_MOVE = (
    update(wallets)
    .where(wallets.c.id == bindparam("which", type_=Id))
    .values(
        posted=wallets.c.posted + bindparam("amount", type_=BigInteger),
        held=wallets.c.held + bindparam("set_aside", type_=BigInteger),
    )
)
_WALLET, _JOURNAL, _ENTRY, _HOLD = insert(wallets), insert(journals), insert(entries), insert(holds)


def now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """A migrated database with payments, open."""
    await migrations.upgrade_async(url, ["payments"])
    database = database_at(url)
    await database.open()
    yield database
    await database.close()


class Books:
    """Moves money by the rules of the books, and nothing else."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def wallet(self, owner: UUID | None = None, currency: str = "NAD", name: str = "main") -> UUID:
        id = uuid4()
        row: dict[str, object] = ZERO | {
            "id": id,
            "owner_id": owner or uuid4(),
            "name": name,
            "currency": currency,
        }
        row |= {"status": "open", "opened_at": now(), "changed_at": now(), "version": 1, "overdraft": 0}
        await self.database.write([Write(_WALLET, row)])
        return id

    async def move(self, *legs: tuple[UUID, int], at: datetime | None = None, **told: object) -> UUID:
        """A journal with an entry for each leg, of wallets in NAD unless `currency` says otherwise."""
        id, effective, currency = told.pop("id", uuid7()), at or now(), told.pop("currency", "NAD")
        assert isinstance(id, UUID)
        journal: dict[str, object] = {
            "id": id,
            "kind": "transfer",
            "description": "lunch",
            "effective_at": effective,
        }
        journal |= {"recorded_at": now(), "requested_by": uuid4(), "key": None, "hold_id": None}
        journal |= {"reverses": None, "rate": None, "version": 1, **told}
        writes = [Write(_JOURNAL, journal)]
        for position, (wallet_id, amount) in enumerate(legs):
            entry: dict[str, object] = {
                "journal_id": id,
                "position": position,
                "wallet_id": wallet_id,
                "currency": currency,
            }
            writes.append(Write(_ENTRY, entry | {"amount": amount, "effective_at": effective}))
        moved = [Write(_MOVE, {"which": w, "amount": amount, "set_aside": 0}) for w, amount in legs]
        await self.database.write(writes, *([each] for each in moved))
        return id

    async def hold(self, wallet_id: UUID, payee_wallet_id: UUID, amount: int, lasts: float = 60.0) -> UUID:
        id = uuid4()
        hold: dict[str, object] = {
            "id": id,
            "wallet_id": wallet_id,
            "owner_id": uuid4(),
            "payee_wallet_id": payee_wallet_id,
        }
        hold |= {"payee_id": uuid4(), "currency": "NAD", "amount": amount, "captured": 0, "refunded": 0}
        hold |= {"status": "open", "reference": "order 7", "held_at": now(), "ended_at": None, "version": 1}
        hold["expires_at"] = now() + timedelta(seconds=lasts)
        moved = Write(_MOVE, {"which": wallet_id, "amount": 0, "set_aside": amount})
        await self.database.write([Write(_HOLD, hold), moved])
        return id


async def script(url: str, *statements: str) -> None:
    """What the owner of the database can do: switch the rules off, and do as they like."""
    if url.startswith("sqlite:"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        connection.close()
        return
    server = await asyncpg.connect(url)
    await server.execute("SET session_replication_role = replica")
    for statement in statements:
        await server.execute(statement)
    await server.close()


def literal(url: str, id: UUID) -> str:
    """An id as it stands in SQL."""
    return f"'{id.hex if url.startswith('sqlite:') else id}'"
