"""The usual way to move money: five statements in a transaction, and nothing else. What W3 is shown beside.

`python -m bench.five URL` reads seconds from standard input. It checks the balance, moves it, and writes a
journal with two entries and the event; there is no HTTP, no key and no audit trail.
"""

import asyncio
import random
import sys
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import uvloop
from uuid_utils.compat import uuid7

CLIENTS = 8
TAKE = "UPDATE payments_wallet SET posted = posted - $2 WHERE id = $1 AND posted - held >= $2"
GIVE = "UPDATE payments_wallet SET posted = posted + $2 WHERE id = $1"
JOURNAL = (
    "INSERT INTO payments_journal (id, kind, description, effective_at, recorded_at, version) "
    "VALUES ($1, 'transfer', 'A hundred', $2, $2, 1)"
)
ENTRIES = (
    "INSERT INTO payments_entry (journal_id, position, wallet_id, currency, amount, effective_at) "
    "VALUES ($1, 0, $2, 'NAD', -$4::bigint, $5), ($1, 1, $3, 'NAD', $4, $5)"
)
EVENT = (
    "INSERT INTO kernel_event (id, type, schema, payload, occurred_at, aggregate_id, aggregate_version, "
    "correlation_id) VALUES ($1, 'payments.MoneyMoved', 1, '{}', $3, $2, 1, '')"
)


async def transfer(connection: Any, payer: UUID, payee: UUID, amount: int) -> None:
    id, now = uuid7(), datetime.now(UTC)
    async with connection.transaction():
        await connection.execute(TAKE, payer, amount)
        await connection.execute(GIVE, payee, amount)
        await connection.execute(JOURNAL, id, now)
        await connection.execute(ENTRIES, id, payer, payee, amount, now)
        await connection.execute(EVENT, uuid7(), id, now)


async def client(connection: Any, own: UUID, others: list[UUID], until: float) -> int:
    """As many transfers as fit. Each client pays from a wallet of its own, so that none waits for a lock."""
    made = 0
    while time.perf_counter() < until:
        # In one order, as anybody must who wants no deadlocks: from the lower to the higher id.
        low, high = sorted((own, random.choice(others)))
        await transfer(connection, low, high, 100)
        made += 1
    return made


async def main(url: str) -> None:
    """For each line, transfer for so long, and print how many, the seconds and the CPU time."""
    connections = [await asyncpg.connect(url) for _ in range(CLIENTS)]
    wallets = [row[0] for row in await connections[0].fetch("SELECT id FROM payments_wallet ORDER BY id")]
    for line in sys.stdin:
        started, cpu = time.perf_counter(), time.process_time()
        until = started + float(line)
        mine = zip(connections, wallets, strict=False)
        made = await asyncio.gather(
            *(client(connection, own, wallets[CLIENTS:], until) for connection, own in mine)
        )
        print(sum(made), time.perf_counter() - started, time.process_time() - cpu, flush=True)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
