"""What the database holds of money and goods, read past the product, and what its proofs say."""

import asyncio
import json
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bailiwick.catalog.infrastructure.recount import recount
from bailiwick.payments.infrastructure.proof import Prover
from tests.acceptance.server import until
from tests.kernel.samples import database_at
from tests.kill.depth import KILLS
from tests.kill.stored import _id, _postgresql, _sqlite, expire_leases

AT_REST = 90.0
"""Seconds in which interrupted work must be done: a lease has run out by then, and some pauses."""


@dataclass
class Purse:
    posted: int = 0
    held: int = 0
    overdraft: int | None = 0


@dataclass
class Journal:
    """`legs` are what each wallet got, with the currency."""

    id: str
    kind: str
    description: str
    hold: str | None
    legs: list[tuple[str, str, int]] = field(default_factory=list)

    @property
    def moved(self) -> Counter[str]:
        moved: Counter[str] = Counter()
        for wallet, _, amount in self.legs:
            moved[wallet] += amount
        return moved


@dataclass
class Hold:
    id: str
    wallet: str
    reference: str
    amount: int
    captured: int
    refunded: int
    status: str


@dataclass
class Order:
    """`key` is the key with which it was asked for: it is written in the address."""

    id: str
    number: str
    key: str
    status: str
    pieces: int


@dataclass
class Treasury:
    """`damages` are what `ledger prove` and `stock recount` say; `moving` what is not at rest yet."""

    purses: dict[str, Purse] = field(default_factory=dict)
    journals: list[Journal] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    stock: tuple[int, int] = (0, 0)
    stuck: int = 0
    damages: list[str] = field(default_factory=list)
    moving: int = 0


QUERIES = {
    "purses": "SELECT id, posted, held, overdraft FROM payments_wallet",
    "journals": "SELECT id, kind, description, hold_id FROM payments_journal ORDER BY id",
    "entries": "SELECT journal_id, wallet_id, currency, amount FROM payments_entry",
    "holds": "SELECT id, wallet_id, reference, amount, captured, refunded, status FROM payments_hold",
    "orders": "SELECT id, number, address_street, status, lines FROM orders_order",
    "stock": "SELECT on_hand, reserved FROM catalog_stock",
    "stuck": "SELECT count(*) FROM kernel_process WHERE status = 'stuck'",
}
MOVING = {
    "work": "SELECT count(*) FROM kernel_work WHERE queue NOT IN ('payments.holds', 'catalog.reservations') "
    "AND name NOT LIKE '%.expire'",
    "processes": "SELECT count(*) FROM kernel_process WHERE status IN ('running', 'waiting', 'compensating')",
    "holds": "SELECT count(*) FROM payments_hold WHERE status = 'open' AND reference LIKE 'short-%'",
}
"""What has no time of its own to come is done soon. What is to expire later waits for that."""


def queried(url: str, queries: dict[str, str]) -> dict[str, list[Any]]:
    rows = _postgresql if url.startswith("postgres") else _sqlite
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(rows, url, queries).result()


def read_treasury(url: str) -> Treasury:
    rows = queried(url, QUERIES)
    legs = defaultdict(list)
    for journal, wallet, currency, amount in rows["entries"]:
        legs[_id(journal)].append((_id(wallet), currency, amount))
    return Treasury(
        purses={_id(id): Purse(*figures) for id, *figures in rows["purses"]},
        journals=[
            Journal(_id(row[0]), row[1], row[2], _id(row[3]) if row[3] else None, legs[_id(row[0])])
            for row in rows["journals"]
        ],
        holds=[Hold(_id(row[0]), _id(row[1]), *row[2:]) for row in rows["holds"]],
        orders=[Order(_id(row[0]), row[1], row[2], row[3], _pieces(row[4])) for row in rows["orders"]],
        stock=rows["stock"][0] if rows["stock"] else (0, 0),
        stuck=rows["stuck"][0][0],
    )


def _pieces(lines: str | bytes) -> int:
    return sum(line["quantity"] for line in json.loads(lines))


def moving(url: str) -> int:
    return sum(rows[0][0] for rows in queried(url, MOVING).values())


def at_rest(url: str) -> Treasury:
    """What there is once all that follows from it is done, and proved."""
    if not KILLS:
        expire_leases(url)  # the short form has no time to wait; once: again it takes from who lives, too
    until(lambda: not moving(url) or None, seconds=AT_REST)
    treasury = read_treasury(url)
    treasury.damages = proved(url)
    return treasury


def proved(url: str) -> list[str]:
    """What `bailiwick ledger prove --full` and `bailiwick stock recount` find."""

    async def prove() -> list[str]:
        database = database_at(url)
        await database.open()
        try:
            ledger = await Prover(database, lambda: datetime.now(UTC)).prove(full=True)
            stock = await recount(database)
        finally:
            await database.close()
        return [*ledger.damages, *(said for count in stock.wrong for said in count.differences)]

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, prove()).result()
