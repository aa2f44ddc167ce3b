"""Transfers: what moves, what it costs, what is refused and with which words."""

import sqlite3
from contextlib import closing, nullcontext
from datetime import timedelta

import asyncpg
import pytest
from sqlalchemy import func, select, text

from bailiwick.kernel.database import migrations
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.domain import DomainError
from bailiwick.kernel.money import CurrencyMismatch, InvalidAmount, Money
from bailiwick.kernel.settings.sections import Payments
from bailiwick.payments.application.transfers import (
    MakeTransfer,
    MakeTransfers,
    Transfer,
    make_transfer,
    make_transfers,
)
from bailiwick.payments.application.wallets import SetFreeze, set_freeze
from bailiwick.payments.domain.journal import Journal
from bailiwick.payments.domain.terms import (
    InsufficientBalance,
    InvalidTime,
    LimitExceeded,
    NoWallet,
    SameWallet,
    WalletFrozen,
)
from bailiwick.payments.domain.wallet import HouseAccount, WalletId
from bailiwick.payments.infrastructure.tables import entries, journals
from tests.payments.bank import TELLER, Bank, nad

JOURNALS = select(func.count()).select_from(journals)


async def counted(bank: Bank) -> int:
    [[count]] = await bank.database.all(JOURNALS)
    return int(count)


async def test_a_transfer_takes_from_one_and_gives_to_the_other(bank: Bank) -> None:
    ada, bob = await bank.person(1000), await bank.person()
    journal = await ada.pay(bob, 300, description="lunch")
    assert (await ada.has(), await bob.has()) == ((700, 0), (300, 0))
    stored = await bank.database.all(
        select(entries.c.wallet_id, entries.c.amount).where(entries.c.journal_id == journal.id)
    )
    assert [tuple(row) for row in stored] == [(ada.wallet, -300), (bob.wallet, 300)]


async def test_a_transfer_is_one_read_and_one_commit(bank: Bank) -> None:
    ada, bob = await bank.person(1000), await bank.person()
    await ada.pay(bob, 1)
    before = bank.database.round_trips
    await ada.pay(bob, 300)
    assert bank.database.round_trips - before == 2


async def test_the_payer_pays_the_fee_on_top(database_url: str) -> None:
    await migrations.upgrade_async(database_url, ["payments"])
    bank = Bank(database_url, Payments(fee_basis_points=150, fee_fixed=5))
    async with bank.backend.opened():
        ada, bob = await bank.person(1000), await bank.person()
        journal = await ada.pay(bob, 300)
        assert journal.fee == nad(10)
        assert (await ada.has(), await bob.has()) == ((690, 0), (300, 0))
        assert await bank.balance(HouseAccount.FEES.wallet_id("NAD")) == (10, 0)
        before = bank.database.round_trips
        await ada.pay(bob, 300)
        assert bank.database.round_trips - before == 2
        with pytest.raises(InsufficientBalance) as refused:
            await ada.pay(bob, 380)
        assert refused.value.extra == {"available": 380}
        assert await bank.flaws() == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE payments_entry SET amount = amount + 1",
        "UPDATE payments_journal SET description = 'x'",
        "DELETE FROM payments_entry",
        "DELETE FROM payments_journal",
    ],
)
async def test_what_is_in_the_books_stays_as_it_is(bank: Bank, change: str) -> None:
    ada, bob = await bank.person(1000), await bank.person()
    await ada.pay(bob, 300)
    with pytest.raises((sqlite3.IntegrityError, asyncpg.RaiseError), match="append-only"):
        await bank.database.write([Write(text(change), {})])


@pytest.mark.parametrize("same", ["id", "key", "reverses"])
async def test_no_journal_is_written_over_another(sqlite_url: str, same: str) -> None:
    await migrations.upgrade_async(sqlite_url, ["payments"])
    columns = "id, kind, description, effective_at, recorded_at, key, reverses, version"
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
        for number, failing in enumerate((False, True)):
            row = dict.fromkeys(columns.split(", "), str(number)) | {same: "x"}
            insert = f"INSERT OR REPLACE INTO payments_journal ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
            with pytest.raises(sqlite3.IntegrityError, match=same) if failing else nullcontext():
                connection.execute(insert, list(row.values()))


async def refusal(bank: Bank, command: MakeTransfer) -> DomainError:
    before = await counted(bank)
    with pytest.raises(DomainError) as refused:
        await make_transfer(command, bank.ports)
    assert await counted(bank) == before
    return refused.value


async def test_each_refusal_says_what_would_be_allowed(bank: Bank) -> None:
    ada, bob = await bank.person(1000, daily_limit=600, overdraft=50), await bank.person()
    euros = await bank.customer(bob.actor, 0, "EUR")

    def asked(amount: Money, to: WalletId = bob.wallet, of: WalletId = ada.wallet) -> MakeTransfer:
        return MakeTransfer(Transfer(of, to, amount), ada.actor)

    await ada.pay(bob, 200)
    limit = await refusal(bank, asked(nad(401)))
    assert (type(limit), limit.extra) == (LimitExceeded, {"left_today": 400})
    short = await refusal(bank, asked(nad(851)))
    assert (type(short), short.extra) == (InsufficientBalance, {"available": 850})
    other = await refusal(bank, asked(nad(1), euros.wallet))
    assert (type(other), other.extra) == (CurrencyMismatch, {"allowed": "EUR"})
    assert isinstance(await refusal(bank, asked(Money(1, "EUR"))), CurrencyMismatch)
    assert isinstance(await refusal(bank, asked(nad(1), ada.wallet)), SameWallet)
    assert isinstance(await refusal(bank, asked(nad(0))), InvalidAmount)
    assert isinstance(await refusal(bank, asked(nad(10**15 + 1))), InvalidAmount)
    for missing in (
        asked(nad(1), of=bob.wallet),
        asked(nad(1), WalletId(bank.ports.new_id())),
        asked(nad(1), HouseAccount.CASH.wallet_id("NAD")),
    ):
        assert isinstance(await refusal(bank, missing), NoWallet)
    await set_freeze(SetFreeze(ada.wallet, True, TELLER), bank.ports)
    frozen = await refusal(bank, asked(nad(1)))
    assert (type(frozen), frozen.code) == (WalletFrozen, "wallet_frozen")


async def test_money_comes_into_a_frozen_wallet_and_goes_out_when_it_thaws(bank: Bank) -> None:
    ada, bob = await bank.person(100), await bank.person(100)
    await set_freeze(SetFreeze(bob.wallet, True, TELLER), bank.ports)
    await ada.pay(bob, 10)
    with pytest.raises(WalletFrozen):
        await bob.pay(ada, 10)
    await set_freeze(SetFreeze(bob.wallet, False, TELLER), bank.ports)
    await bob.pay(ada, 110)
    assert await bob.has() == (0, 0)


async def test_an_overdraft_may_be_used_to_its_end(bank: Bank) -> None:
    ada, bob = await bank.person(10, overdraft=5), await bank.person()
    await ada.pay(bob, 15)
    assert await ada.has() == (-5, 0)
    with pytest.raises(InsufficientBalance) as refused:
        await ada.pay(bob, 1)
    assert refused.value.extra == {"available": 0}


async def test_a_dry_run_says_what_would_be_and_stores_nothing(bank: Bank) -> None:
    ada, bob = await bank.person(100), await bank.person()
    before = await counted(bank)
    tried = await make_transfer(
        MakeTransfer(Transfer(ada.wallet, bob.wallet, nad(30)), ada.actor, True), bank.ports
    )
    assert (tried.amount, tried.version) == (nad(30), 0)
    too_much = MakeTransfer(Transfer(ada.wallet, bob.wallet, nad(101)), ada.actor, True)
    with pytest.raises(InsufficientBalance):
        await make_transfer(too_much, bank.ports)
    assert (await ada.has(), await counted(bank)) == ((100, 0), before)


async def test_only_operators_date_back_and_nobody_dates_ahead(bank: Bank) -> None:
    ada, bob = await bank.person(100), await bank.person()
    teller = await bank.customer(TELLER, 100)
    day = bank.now().replace(year=2020)
    transfer = Transfer(ada.wallet, bob.wallet, nad(1), effective_at=day)
    with pytest.raises(InvalidTime):
        await make_transfer(MakeTransfer(transfer, ada.actor), bank.ports)
    transfer = Transfer(teller.wallet, bob.wallet, nad(1), effective_at=day)
    journal = await make_transfer(MakeTransfer(transfer, TELLER), bank.ports)
    assert (journal.slip.effective_at, journal.slip.recorded_at > day) == (day, True)
    late = bank.now().replace(year=2100)
    transfer = Transfer(teller.wallet, bob.wallet, nad(1), effective_at=late)
    with pytest.raises(InvalidTime):
        await make_transfer(MakeTransfer(transfer, TELLER), bank.ports)


async def test_many_transfers_are_one_read_and_one_commit(bank: Bank) -> None:
    ada, people = await bank.person(1000), [await bank.person() for _ in range(10)]
    transfers = [Transfer(ada.wallet, person.wallet, nad(i + 1)) for i, person in enumerate(people)]
    before = bank.database.round_trips
    made = await make_transfers(MakeTransfers(transfers * 10, ada.actor, atomic=True), bank.ports)
    assert bank.database.round_trips - before == 2
    assert len({journal.id for journal in made if isinstance(journal, Journal)}) == 100
    assert await ada.has() == (1000 - 550, 0)
    assert [await person.has() for person in people] == [(10 * (i + 1), 0) for i in range(10)]


async def test_transfers_made_together_are_made_all_or_none(bank: Bank) -> None:
    ada, bob = await bank.person(100), await bank.person()
    transfers = [Transfer(ada.wallet, bob.wallet, nad(amount)) for amount in (60, 60, 10)]
    before = await counted(bank)
    with pytest.raises(InsufficientBalance) as refused:
        await make_transfers(MakeTransfers(transfers, ada.actor, atomic=True), bank.ports)
    assert refused.value.extra == {"available": 40, "index": 1}
    assert (await ada.has(), await counted(bank)) == ((100, 0), before)


async def test_of_transfers_made_each_for_itself_a_refused_one_hinders_no_other(bank: Bank) -> None:
    ada, bob = await bank.person(100), await bank.person()
    transfers = [Transfer(ada.wallet, bob.wallet, nad(amount)) for amount in (60, 60, 10)]
    made = await make_transfers(MakeTransfers(transfers, ada.actor, atomic=False), bank.ports)
    assert [type(outcome) for outcome in made] == [Journal, InsufficientBalance, Journal]
    assert await ada.has() == (30, 0)


async def test_the_limit_of_a_day_is_new_on_the_next(bank: Bank) -> None:
    ada, bob = await bank.person(1000, daily_limit=100), await bank.person()
    await ada.pay(bob, 60)
    await ada.pay(bob, 40)
    with pytest.raises(LimitExceeded) as refused:
        await ada.pay(bob, 1)
    assert refused.value.extra == {"left_today": 0}
    bank.wait(timedelta(days=1))
    await ada.pay(bob, 100)
    assert await ada.has() == (800, 0)
