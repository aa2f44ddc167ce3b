"""The proof of the books: it holds while money moves, and finds and names every kind of damage."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from prometheus_client import generate_latest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from bailiwick.cli import app
from bailiwick.kernel.audit.sealing import Sealer
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.failpoints import VARIABLE
from bailiwick.kernel.messaging.handlers import JobHandler
from bailiwick.kernel.messaging.schedules import Clockwork
from bailiwick.payments.infrastructure import balances, chain
from bailiwick.payments.infrastructure.chain import LEDGER
from bailiwick.payments.infrastructure.proof import EVERY_FIVE_MINUTES, ProveLedger, Prover
from bailiwick.payments.infrastructure.tables import proved_sums, seals, wallets
from bailiwick.payments.interfaces import cli
from tests.kernel.messages import working
from tests.payments.books import Books, literal, now, opened, script
from tests.style.source import ROOT


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with opened(database_url) as database:
        yield database


@pytest.fixture
def books(database: Database) -> Books:
    return Books(database)


@pytest.fixture
def prover(database: Database) -> Prover:
    return Prover(database, now)


@dataclass
class Town:
    """Three wallets, nine journals, an open hold."""

    ada: UUID
    bob: UUID
    shop: UUID
    moved: list[UUID]
    hold: UUID

    @property
    def names(self) -> dict[str, UUID]:
        journal, last, nobody = self.moved[4], self.moved[8], UUID(int=1)
        people = {"ada": self.ada, "bob": self.bob, "shop": self.shop, "hold": self.hold}
        return people | {"journal": journal, "last": last, "nobody": nobody}


def written(url: str, people: Town, *statements: str) -> list[str]:
    """Statements with ids as the engine writes them."""
    ids = {name: literal(url, id) for name, id in people.names.items()}
    return [statement.format(**ids) for statement in statements]


async def town(books: Books) -> Town:
    ada, bob, shop = [await books.wallet() for _ in range(3)]
    moved = [await books.move((ada, -10 - n), (bob, 9 + n), (shop, 1)) for n in range(9)]
    return Town(ada, bob, shop, moved, await books.hold(ada, shop, 25))


async def test_sound_books_hold_and_the_next_proof_goes_on_from_there(books: Books, prover: Prover) -> None:
    people = await town(books)
    first = await prover.prove()
    assert (first.damages, first.since, first.head[0]) == ([], 0, 9)
    assert (first.journals, first.entries, first.wallets, first.open_holds) == (9, 27, 3, 1)
    await books.move((people.bob, -3), (people.ada, 3))
    second = await prover.prove()
    assert (second.damages, second.since, second.journals, second.wallets) == ([], 9, 1, 3)
    assert (await prover.prove()).journals == 0
    full = await prover.prove(full=True)
    assert (full.damages, full.since, full.journals, full.head) == ([], 0, 10, second.head)
    sums = await books.database.all(select(proved_sums.c.wallet_id, proved_sums.c.amount))
    assert dict(sums) == dict(await books.database.all(select(wallets.c.id, wallets.c.posted)))


async def test_books_without_anything_hold(prover: Prover) -> None:
    report = await prover.prove()
    assert (report.damages, report.head[0], report.wallets) == ([], 0, 0)


async def test_a_conversion_is_balanced_in_each_currency(books: Books, prover: Prover) -> None:
    ada, euros, house, house_euros = [await books.wallet(currency=c) for c in ("NAD", "EUR", "NAD", "EUR")]
    await books.move((ada, -200), (house, 200))
    await books.move((house_euros, -10), (euros, 10), currency="EUR")
    assert (await prover.prove()).damages == []


ENTRY = "UPDATE payments_entry SET {} WHERE journal_id = {{journal}} AND position = "
WALLET = "UPDATE payments_wallet SET {} WHERE id = "
JOURNAL = "UPDATE payments_journal SET description = 'x' WHERE id = {journal}"
MORE = WALLET.format("posted = posted + 1") + "{bob}"
LONG_AGO = "'2026-01-01T00:00:00.000000Z'"
OVERDUE = "UPDATE payments_hold SET expires_at = '2026-01-01T00:00:00.000000Z'"

DAMAGE: dict[str, tuple[list[str], list[str]]] = {
    "a changed balance": ([MORE], ["wallet {bob}: posted is 1.18 NAD, its entries come to 1.17 NAD"]),
    "a changed hold": (
        ["UPDATE payments_hold SET amount = 24 WHERE id = {hold}"],
        ["wallet {ada}: held is 0.25 NAD, its open holds come to 0.24 NAD"],
    ),
    "a deleted entry": (
        ["DELETE FROM payments_entry WHERE journal_id = {journal} AND position = 2"],
        [
            "journal {journal} (position 5): its entries in NAD come to -1 instead of 0",
            "journal {journal} (position 5): it or one of its entries was altered",
            "wallet {shop}: posted is 0.09 NAD, its entries come to 0.08 NAD",
        ],
    ),
    "an entry of a journal that is not balanced": (
        [ENTRY.format("amount = 14") + "1", MORE],
        [
            "journal {journal} (position 5): its entries in NAD come to 1 instead of 0",
            "journal {journal} (position 5): it or one of its entries was altered",
        ],
    ),
    "money that is now of another currency": (
        [ENTRY.format("currency = 'EUR'") + "2", WALLET.format("posted = posted - 1") + "{shop}"],
        [
            "journal {journal} (position 5): its entries in NAD come to -1 instead of 0",
            "journal {journal} (position 5): its entries in EUR come to 1 instead of 0",
            "journal {journal} (position 5): it or one of its entries was altered",
            "wallet {shop}: it has entries in EUR, and is not there",
        ],
    ),
    "money that went to somebody else": (
        [
            ENTRY.format("wallet_id = {shop}") + "1",
            WALLET.format("posted = posted + 13") + "{shop}",
            WALLET.format("posted = posted - 13") + "{bob}",
        ],
        ["journal {journal} (position 5): it or one of its entries was altered"],
    ),
    "another date": (
        [ENTRY.format(f"effective_at = {LONG_AGO}") + "1"],
        ["journal {journal} (position 5): it or one of its entries was altered"],
    ),
    "another description": (
        [JOURNAL],
        ["journal {journal} (position 5): it or one of its entries was altered"],
    ),
    "a deleted journal": (
        [
            "DELETE FROM payments_entry WHERE journal_id = {journal}",
            "DELETE FROM payments_journal WHERE id = {journal}",
        ],
        [
            "journal {journal} (position 5): it is missing",
            "wallet {ada}: posted is -1.26 NAD, its entries come to -1.12 NAD",
            "wallet {bob}: posted is 1.17 NAD, its entries come to 1.04 NAD",
            "wallet {shop}: posted is 0.09 NAD, its entries come to 0.08 NAD",
        ],
    ),
    "a forged seal": (
        ["UPDATE payments_seal SET digest = '00' WHERE position = 5"],
        ["journal {journal} (position 5): its seal was altered"],
    ),
    "the last seal forged": (
        ["UPDATE payments_seal SET digest = '00' WHERE position = 9"],
        ["journal {last} (position 9): it, one of its entries, or its seal was altered"],
    ),
    "a wallet that is gone": (
        ["DELETE FROM payments_wallet WHERE id = {shop}"],
        ["wallet {shop}: it has entries in NAD, and is not there"],
    ),
    "a wallet in another currency": (
        [WALLET.format("currency = 'EUR'") + "{shop}"],
        [
            "wallet {shop}: posted is 0.09 EUR, its entries come to 0.00 EUR",
            "wallet {shop}: it has entries in NAD, and is not there",
        ],
    ),
    "a hold that nobody ended": (
        [OVERDUE],
        ["hold {hold}: its time passed at 2026-01-01 00:00:00 UTC, and it is still open"],
    ),
    "a hold without a wallet": (
        ["UPDATE payments_hold SET wallet_id = {nobody}", WALLET.format("held = 0") + "{ada}"],
        ["hold {hold}: it is open, and its wallet is not there"],
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
async def test_damage_is_found_and_named(books: Books, prover: Prover, database_url: str, what: str) -> None:
    people = await town(books)
    assert (await prover.prove(full=True)).damages == []
    statements, expected = DAMAGE[what]
    await script(database_url, *written(database_url, people, *statements))
    report = await prover.prove(full=True)
    assert sorted(report.damages) == sorted(text.format(**people.names) for text in expected)
    assert report.damaged == len(expected)


async def test_a_seal_that_is_gone_is_found(books: Books, prover: Prover, database_url: str) -> None:
    people = await town(books)
    await prover.prove()
    await script(database_url, "DELETE FROM payments_seal WHERE position = 5")
    report = await prover.prove(full=True)
    assert "position 6: the seal before it is missing" in report.damages
    assert (await books.database.all(select(seals.c.journal_id).where(seals.c.position == 10))) == [
        (people.moved[4],)
    ]


async def test_what_is_new_is_proved_without_looking_at_what_is_old(
    books: Books, prover: Prover, database_url: str
) -> None:
    people = await town(books)
    await prover.prove()
    await script(database_url, *written(database_url, people, JOURNAL))
    new = await books.move((people.ada, -1), (people.bob, 1))
    assert (await prover.prove()).damages == []
    await script(database_url, *written(database_url, people, MORE))
    assert [text[:6] for text in (await prover.prove()).damages] == ["wallet"]
    found = await prover.prove(full=True)
    assert [text for text in found.damages if str(people.moved[4]) in text]
    assert not [text for text in found.damages if str(new) in text]


async def test_books_that_do_not_hold_are_not_remembered_as_proved(
    books: Books, prover: Prover, database_url: str
) -> None:
    people = await town(books)
    await prover.prove()
    held_at = (await prover.checkpoint()).held_at
    await books.move((people.ada, -1), (people.bob, 1))
    await script(database_url, *written(database_url, people, MORE))
    for _ in range(2):
        assert (await prover.prove()).damaged == 1
    last = await prover.checkpoint()
    assert (last.position, last.held_at, last.damages) == (9, held_at, 1)
    await script(database_url, *written(database_url, people, MORE.replace("+ 1", "- 1")))
    assert (await prover.prove()).damaged == 0
    assert (await prover.checkpoint()).position == 10


async def test_old_damage_that_was_found_once_is_found_until_it_is_mended(
    books: Books, prover: Prover, database_url: str
) -> None:
    people = await town(books)
    await prover.prove()
    await script(database_url, *written(database_url, people, JOURNAL))
    assert (await prover.prove()).damaged == 0
    assert (await prover.prove(full=True)).damaged
    for _ in range(2):
        assert (await prover.prove()).damaged
    assert (await prover.checkpoint()).damages


async def test_a_chain_that_was_made_anew_is_another_one(
    books: Books, prover: Prover, database_url: str
) -> None:
    people = await town(books)
    await prover.prove()
    await script(database_url, *written(database_url, people, JOURNAL, "DELETE FROM payments_seal"))
    await Sealer(books.database, now, LEDGER).sweep()
    [found] = (await prover.prove()).damages
    assert found.startswith("position 9: the chain is another one than when the books last held")


async def test_proofs_hold_while_money_moves(
    books: Books, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With steps so small that much moves between any two of them, and two provers at once."""
    monkeypatch.setattr(balances, "AT_ONCE", 2)
    monkeypatch.setattr(chain, "STRIDE", {"postgresql": 7, "sqlite": 7})
    people = [await books.wallet() for _ in range(6)]
    moves = 0

    async def trade(number: int) -> None:
        nonlocal moves
        for count in range(25):
            payer, payee = people[(number + count) % 6], people[(number + 2 * count + 1) % 6]
            await books.move((payer, -1 - count % 5), (payee, 1 + count % 5))
            if count % 4 == 0:
                await books.hold(payer, payee, 2)
            moves += 1

    async def prove() -> list[str]:
        prover, damages, rounds = Prover(database, now), list[str](), 0
        while moves < 75 or rounds < 3:
            damages += (await prover.prove(full=rounds % 3 == 2)).damages
            rounds += 1
        return damages

    sealer = asyncio.ensure_future(Sealer(database, now, LEDGER).run())
    first, second, *_ = await asyncio.gather(prove(), prove(), *(trade(number) for number in range(3)))
    sealer.cancel()
    with suppress(asyncio.CancelledError):
        await sealer
    assert (first, second) == ([], [])
    report = await Prover(database, now).prove(full=True)
    assert (report.damages, report.journals) == ([], 75)


async def test_a_journal_that_was_committed_late_raises_no_false_alarm(books: Books, prover: Prover) -> None:
    people = await town(books)
    await prover.prove()
    await books.move((people.ada, -1), (people.bob, 1), id=UUID(int=5), recorded_at=now() - timedelta(days=1))
    assert (await prover.prove()).damages == []
    assert (await prover.checkpoint()).position == 10


async def test_the_schedule_proves_and_the_gauge_shows_how_it_went(
    books: Books, prover: Prover, database: Database, database_url: str
) -> None:
    people = await town(books)
    prover.show(await prover.checkpoint())
    assert shown() == (0.0, 0.0)
    time = now()
    clocks = [Clockwork(database, [EVERY_FIVE_MINUTES], lambda: time) for _ in range(2)]
    for later, due in ((0, 0), (5, 1), (0, 0)):
        time += timedelta(minutes=later)
        assert sum([await clock.enqueue_due() for clock in clocks]) == due
    await working(database, now, JobHandler(ProveLedger, prover.run_job)).until_idle()
    prover.show(await prover.checkpoint())
    held, at = shown()
    assert held == 1.0
    assert abs(at - now().timestamp()) < 60
    await script(database_url, *written(database_url, people, MORE))
    await prover.run_job(ProveLedger())
    prover.show(await prover.checkpoint())
    assert shown() == (0.0, at)


def shown() -> tuple[float, float]:
    lines = dict(
        line.rsplit(" ", 1) for line in generate_latest().decode().splitlines() if line.startswith("ledger_")
    )
    return float(lines["ledger_holds"]), float(lines["ledger_held_at_seconds"])


KILLED = """
import asyncio, sys
from bailiwick.payments.infrastructure.proof import Prover
from tests.kernel.samples import database_at
from tests.payments.books import now

async def main():
    database = database_at(sys.argv[1])
    await database.open()
    assert not (await Prover(database, now).prove()).damages
    await database.close()

asyncio.run(main())
"""


async def test_a_prover_may_be_killed_around_what_it_remembers(
    books: Books, prover: Prover, database_url: str
) -> None:
    people = await town(books)
    for number, (moment, position) in enumerate(
        (("proof.before_write=kill", 0), ("proof.after_write=kill", 10), ("database.*=kill", 10), ("", 12))
    ):
        if number:
            await books.move((people.ada, -1), (people.bob, 1))
        if number == 1:
            await Sealer(books.database, now, LEDGER).sweep()
        ended = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", KILLED, database_url],
            env=os.environ | {VARIABLE: moment},
            cwd=ROOT,
            check=False,
            timeout=60,
        )
        assert (ended.returncode != 0) == bool(moment), moment
        assert (await prover.checkpoint()).position == position, moment
    report = await prover.prove(full=True)
    assert (report.damages, report.journals) == ([], 12)


def test_the_command_says_what_holds_and_what_does_not(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    people = asyncio.run(prepared(database_url))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("BAILIWICK_CONTEXTS", "identity,payments")
    assert commanded("ledger prove").exit_code == 0
    well = commanded("ledger prove --full")
    assert well.exit_code == 0
    said = well.stdout.splitlines()
    assert said[0] == "OK: the books hold."
    assert said[1].startswith("Looked at: 9 journals with 27 entries, 3 wallets, 1 open hold, in ")
    assert said[2].startswith("Head: 9 ")
    asyncio.run(script(database_url, *written(database_url, people, MORE)))
    damaged = commanded("ledger prove")
    assert damaged.exit_code == 1
    said = damaged.stdout.splitlines()
    assert said[0] == "DAMAGED in 1 place:"
    assert said[1] == f"  wallet {people.bob}: posted is 1.18 NAD, its entries come to 1.17 NAD"
    assert said[2].startswith("Looked at since position 9: 0 journals")


def test_the_command_says_where_payments_are_not(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setenv("BAILIWICK_CONTEXTS", "identity")
    refused = commanded("ledger prove")
    assert refused.exit_code == 2
    assert "carries no payments" in refused.stderr


async def test_a_long_proof_says_how_far_it_is(
    books: Books, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "STRIDE", {"postgresql": 2, "sqlite": 2})
    monkeypatch.setattr(cli, "SAY_EVERY", 0.0)
    await town(books)
    said: list[str] = []
    remarks: list[str] = []
    assert await cli.proved(database, now, said.append, remarks.append, full=False)
    assert remarks[0].startswith(("4 of 9 journals, 44 % …", "2 of 9 journals, 22 % …"))
    assert remarks[-1] == "9 of 9 journals, 100 % …"


async def prepared(url: str) -> Town:
    async with opened(url) as database:
        return await town(Books(database))


def commanded(line: str) -> Result:
    return CliRunner().invoke(app, line.split(), prog_name="bailiwick")
