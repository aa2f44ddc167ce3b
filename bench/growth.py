"""`python -m bench.growth`: what payments cost with few entries in the books and with many.

The same wallets get 10,000 entries, then a million (`--most` says how many). Each figure is the median of
many askings by one caller, in milliseconds.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

import uvloop

from bailiwick.kernel.audit.sealing import Sealer
from bailiwick.kernel.database import migrations
from bailiwick.kernel.database.postgresql import PostgresDatabase
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.testing import create_database, execute
from bailiwick.payments.infrastructure.chain import LEDGER
from bailiwick.payments.infrastructure.proof import Prover
from bench.__main__ import say
from bench.servers import durable_postgres
from bench.staging import SETTINGS, Person, Resident, backend_on, transfer_order

FEW, PEOPLE, TIMES = 10_000, 100, 300

# Journals of two entries between wallets next to each other, a millisecond apart, the newest an hour ago.
GROW = """
WITH numbered AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM payments_wallet),
made AS (
    SELECT n, (lpad(to_hex(t), 12, '0') || '7000' || substr(md5(n::text || '{first}'), 1, 16))::uuid AS id,
        to_timestamp(t / 1000.0) AS at
    FROM (SELECT n, (extract(epoch FROM now()) * 1000)::bigint - 3600000 - {journals} + n AS t
          FROM generate_series(1, {journals}) n) AS times
), journal AS (
    INSERT INTO payments_journal (id, kind, description, effective_at, recorded_at, version)
    SELECT id, 'transfer', 'grown', at, at, 1 FROM made
)
INSERT INTO payments_entry (journal_id, position, wallet_id, currency, amount, effective_at)
SELECT made.id, side, numbered.id, 'NAD', CASE side WHEN 0 THEN -1 ELSE 1 END, made.at
FROM made CROSS JOIN generate_series(0, 1) side
JOIN numbered ON place = (made.n + side) % {people}
"""
SETTLE = """
UPDATE payments_wallet SET posted = coalesce(
    (SELECT sum(amount) FROM payments_entry WHERE wallet_id = payments_wallet.id), 0), overdraft = 10 ^ 12
"""


async def milliseconds(ask: Callable[[], Awaitable[object]]) -> float:
    """The median of many askings, after some that warm up."""
    took = []
    for _ in range(TIMES):
        started = time.perf_counter()
        await ask()
        took.append((time.perf_counter() - started) * 1000)
    return statistics.median(took[TIMES // 10 :])


async def figures(product: Resident, person: Person, wallet: str, other: str) -> dict[str, float]:
    """What each thing takes now, from the request to the answer, without the network."""
    number, token, at = count(), person.access_token, "2000-01-01T00:00:00Z"
    half_an_hour_ago = (datetime.now(UTC) - timedelta(minutes=30)).isoformat().replace("+00:00", "Z")
    path, run = f"/api/v1/wallets/{wallet}", time.time_ns()

    def read(what: str) -> Callable[[], Awaitable[object]]:
        return lambda: product.ask("GET", f"{path}{what}", token)

    def transfer() -> Awaitable[object]:
        key, order = f"{run}-{next(number)}", transfer_order(wallet, other)
        return product.ask("POST", "/api/v1/transfers", token, order, idempotency_key=key)

    page = (await product.ask("GET", f"{path}/entries?cursor=&sort=effective_at&per_page=50", token))[
        "pagination"
    ]
    return {
        "a wallet": await milliseconds(read("")),
        "its newest 50 entries": await milliseconds(read("/entries?cursor=&per_page=50")),
        "its oldest but 50": await milliseconds(
            read(f"/entries?cursor={page['next_cursor']}&sort=effective_at&per_page=50")
        ),
        "its balance half an hour ago": await milliseconds(read(f"/balance?at={half_an_hour_ago}")),
        "its balance at the beginning": await milliseconds(read(f"/balance?at={at}")),
        "a transfer": await milliseconds(transfer),
    }


async def proved(url: str) -> float:
    """Seconds of a full proof of the books, once all is sealed."""
    database = PostgresDatabase(url, statement_timeout=600)
    await Sealer(database, lambda: datetime.now(UTC), LEDGER).sweep()
    report = await Prover(database, lambda: datetime.now(UTC)).prove(full=True)
    if report.damaged:
        raise RuntimeError(f"the books do not hold: {report.damages[:3]}")
    return report.seconds


async def grown(
    url: str, product: Resident, people: Sequence[Person], size: int, first: int
) -> dict[str, float]:
    """The figures when there are so many entries."""
    statements = (
        GROW.format(journals=(size - first) // 2, first=first, people=PEOPLE),
        SETTLE,
        "VACUUM ANALYZE",
    )
    for statement in statements:
        await asyncio.to_thread(execute, url, statement)
    wallets = await product.wallets_of([people[0], people[50]])
    found = await figures(product, people[0], *wallets)
    return found | {"a full proof, in ms": await proved(url) * 1000}


async def main(most: int) -> None:
    """Measure with few entries and with many, and print both and their ratio."""
    with durable_postgres() as postgres:
        url = create_database(postgres)
        await migrations.upgrade_async(url, Settings(**SETTINGS).contexts)
        backend = backend_on(PostgresDatabase(url), url)
        async with backend.running():
            product = Resident(backend)
            people = await asyncio.gather(*(product.register(number) for number in range(PEOPLE)))
            await product.wallets_of(people)
            few = await grown(url, product, people, FEW, 0)
            say(f"loading {most} entries …")
            many = await grown(url, product, people, most, FEW)
    say(f"{'':32}{FEW:>12,}{most:>12,}   times")
    for name, before in few.items():
        say(f"{name:32}{before:12.2f}{many[name]:12.2f}   {many[name] / before:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--most", type=int, default=1_000_000, help="entries at the end")
    uvloop.run(main(parser.parse_args().most))
