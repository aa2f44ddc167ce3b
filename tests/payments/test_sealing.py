"""The chain over the journals: anybody can recompute it, on either database."""

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from bailiwick.kernel.audit import sealing
from bailiwick.kernel.audit.chain import GENESIS
from bailiwick.kernel.audit.sealing import Sealer
from bailiwick.kernel.database import migrations
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.failpoints import VARIABLE
from bailiwick.payments.infrastructure.chain import LEDGER
from bailiwick.payments.infrastructure.proof import Prover
from bailiwick.payments.infrastructure.tables import journals, seals
from tests.payments.bank import Bank
from tests.payments.books import Books, now, opened, script
from tests.style.source import ROOT


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with opened(database_url) as database:
        yield database


@pytest.fixture
def books(database: Database) -> Books:
    return Books(database)


@pytest.fixture
def sealer(database: Database) -> Sealer:
    return Sealer(database, now, LEDGER)


_CHAIN = select(seals).order_by(seals.c.position)


async def test_a_seal_is_the_hash_of_the_one_before_and_of_the_journal_as_anybody_can_write_it_down(
    books: Books, sealer: Sealer
) -> None:
    payer, payee, by = await books.wallet(), await books.wallet(), UUID(int=7)
    at = now().replace(microsecond=50) - timedelta(days=1)
    first = await books.move((payer, -5), (payee, 5), at=at, description="Käse: 1,2;3", requested_by=by)
    [[recorded]] = await books.database.all(select(journals.c.recorded_at))
    second = await books.move((payer, -7), (payee, 7), rate="1.5", requested_by=None, hold_id=by)
    assert await sealer.look()
    told = (
        f"{first.hex},8:transfer,11:Käse: 1,2;3,{at:%Y-%m-%dT%H:%M:%S.%f}Z,{recorded:%Y-%m-%dT%H:%M:%S.%f}Z"
        f",{by.hex},-,-,-,-;0,{payer.hex},3:NAD,-5,;1,{payee.hex},3:NAD,5,"
    )
    expected = hashlib.sha256(f"{GENESIS};{told}".encode()).hexdigest()
    found = await books.database.all(_CHAIN)
    assert [(position, id) for position, id, _ in found] == [(1, first), (2, second)]
    assert found[0][2] == expected
    assert found[1][2] != expected


async def test_both_databases_tell_a_journal_alike(sqlite_url: str, postgresql_url: str) -> None:
    at, told = now(), []
    wallets = None
    for url in (sqlite_url, postgresql_url):
        async with opened(url) as database:
            books = Books(database)
            wallets = wallets or (await books.wallet(), await books.wallet())
            legs = (wallets[0], -(2**62)), (wallets[1], 2**62)
            same = {"id": UUID(int=1), "recorded_at": at, "requested_by": UUID(int=2)}
            await books.move(*legs, at=at, description="Żółw 🐢 'x\";,", key=UUID(int=3), rate="1", **same)
            await script(
                url,
                "UPDATE payments_entry SET effective_at = '2026-01-01T00:00:00.000000Z' WHERE position = 1",
            )
            rows = await database.all(LEDGER.unsealed, after=sealing.FIRST, last=sealing.LAST, most=9)
            told.append([text for _, text in rows])
    assert told[0] == told[1]
    assert "Żółw 🐢 'x\";," in told[0][0]
    assert told[0][0].endswith(",2026-01-01T00:00:00.000000Z")


async def test_two_sealers_at_once_make_one_chain(
    books: Books, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "BATCH", 3)
    payer, payee = await books.wallet(), await books.wallet()
    for _ in range(20):
        await books.move((payer, -1), (payee, 1))
    await asyncio.gather(*(Sealer(database, now, LEDGER).sweep() for _ in range(3)))
    found = await database.all(_CHAIN)
    assert [position for position, *_ in found] == list(range(1, 21))
    assert len({id for _, id, _ in found}) == 20
    assert (await Prover(database, now).prove(full=True)).damages == []


KILLED = """
import asyncio, sys
from bailiwick.kernel.audit import sealing
from bailiwick.payments.infrastructure.chain import LEDGER
from tests.kernel.samples import database_at
from tests.payments.bank import Bank
from tests.payments.books import now

async def main():
    sealing.BATCH = 5
    database = database_at(sys.argv[1])
    await database.open()
    await sealing.Sealer(database, now, LEDGER).sweep()
    await database.close()

asyncio.run(main())
"""


async def test_a_sealer_that_is_killed_leaves_a_chain_that_the_next_one_goes_on_with(
    books: Books, database: Database, database_url: str
) -> None:
    payer, payee = await books.wallet(), await books.wallet()
    for _ in range(30):
        await books.move((payer, -1), (payee, 1))
    for moment in ("sealing.before_write=kill@2", "sealing.after_write=kill@2", ""):
        ended = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", KILLED, database_url],
            env=os.environ | {VARIABLE: moment},
            cwd=ROOT,
            check=False,
            timeout=60,
        )
        assert (ended.returncode != 0) == bool(moment)
    assert len(await database.all(_CHAIN)) == 30
    assert (await Prover(database, now).prove(full=True)).damages == []


async def test_a_running_process_seals_what_moves_and_shows_whether_the_books_hold(database_url: str) -> None:
    await migrations.upgrade_async(database_url, ["payments"])
    bank = Bank(database_url)
    async with bank.backend.running():
        ada, bob = await bank.person(500), await bank.person()
        await ada.pay(bob, 100)
        async with asyncio.timeout(10):
            while len(await bank.database.all(_CHAIN)) < 2:  # noqa: ASYNC110 - another's progress
                await asyncio.sleep(0.05)
        assert (await Prover(bank.database, bank.now).prove()).damages == []
        schedules = [schedule.name for schedule in bank.backend.messaging.schedules]
        assert "payments.prove_ledger" in schedules
