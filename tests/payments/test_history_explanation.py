"""What a wallet was at a time, and why it is what it is."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from bailiwick.kernel.application import Actor
from bailiwick.kernel.database.statements import POSTGRESQL, compile_for
from bailiwick.payments.domain.wallet import HouseAccount
from bailiwick.payments.infrastructure import history
from tests.payments.bank import TELLER, Bank, Customer, nad
from tests.payments.books import Books, opened

THEN = datetime(2026, 5, 1, tzinfo=UTC)


async def told(bank: Bank, actor: Actor, wallet: UUID, what: str) -> Any:
    async with bank.browser(actor) as browser:
        answer = await browser.get(f"/api/v1/wallets/{wallet}/{what}")
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def balance(bank: Bank, who: Customer, at: datetime) -> int:
    found = await told(bank, who.actor, who.wallet, f"balance?at={at:%Y-%m-%dT%H:%M:%SZ}")
    assert datetime.fromisoformat(found["at"]) == at
    return int(found["balance"]["amount"])


async def test_a_balance_at_a_time_is_of_the_entries_that_count_by_then(bank: Bank) -> None:
    ada, bob = await bank.person(), await bank.person()
    books = Books(bank.database)
    for days, amount in ((3, 100), (1, 10), (2, 1), (2, 1000)):
        await books.move((ada.wallet, amount), (bob.wallet, -amount), at=THEN + timedelta(days=days))
    day = timedelta(days=1)
    found = [await balance(bank, ada, THEN + n * day) for n in range(5)]
    assert found == [0, 10, 1011, 1111, 1111]
    assert await balance(bank, bob, THEN + 2 * day) == -1011
    assert await balance(bank, ada, THEN + 3 * day - timedelta(seconds=1)) == 1011
    assert (await told(bank, ada.actor, ada.wallet, "balance"))["balance"]["amount"] == 1111


async def test_a_balance_is_one_statement_that_reads_only_what_came_since(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(postgresql_url) as database:
        books = Books(database)
        ada, bob = await books.wallet(), await books.wallet()
        await many(postgresql_url, ada, bob, 20_000)
        statement = compile_for(POSTGRESQL, history._BALANCE)
        server = await asyncpg.connect(postgresql_url)
        values = statement.values({"wallet": ada, "at": datetime.now(UTC) - timedelta(seconds=100)})
        plan = "\n".join(
            line for (line,) in await server.fetch(f"EXPLAIN (ANALYZE) {statement.sql}", *values)
        )
        await server.close()
    assert "ix_payments_entry_effective" in plan
    assert "Seq Scan on payments_entry" not in plan


async def many(url: str, payer: UUID, payee: UUID, count: int) -> None:
    """A journal for each second until now."""
    server = await asyncpg.connect(url)
    journal = "(lpad(to_hex(1700000000000 + n), 12, '0') || '70008' || lpad(to_hex(n), 15, '0'))::uuid"
    at = f"now() - ({count} - n) * interval '1 second'"
    await server.execute(
        f"INSERT INTO payments_journal SELECT {journal}, 'transfer', 'x', {at}, {at}, NULL, NULL, NULL, NULL,"  # noqa: S608  # numbers of ours
        f" NULL, 1 FROM generate_series(1, {count}) n"
    )
    for position, wallet, amount in ((0, payer, -1), (1, payee, 1)):
        await server.execute(
            f"INSERT INTO payments_entry SELECT {journal}, {position}, '{wallet}', 'NAD', {amount}, {at}"  # noqa: S608  # numbers of ours
            f" FROM generate_series(1, {count}) n"
        )
    await server.execute("ANALYZE")
    await server.close()


async def test_each_figure_is_explained_by_what_is_behind_it(bank: Bank) -> None:
    ada, bob = await bank.person(1000, overdraft=50), await bank.person()
    await ada.pay(bob, 300, description="rent")
    await Books(bank.database).hold(ada.wallet, bob.wallet, 25)
    found = await told(bank, ada.actor, ada.wallet, "explanation")
    figures = [found[name]["amount"] for name in ("posted", "pending", "available", "earlier")]
    assert figures == [700, 25, 725, 0]
    assert [(e["kind"], e["amount"]["amount"], e["description"]) for e in found["entries"]] == [
        ("transfer", -300, "rent"),
        ("deposit", 1000, ""),
    ]
    assert [(hold["amount"]["amount"], hold["reference"]) for hold in found["holds"]] == [(25, "order 7")]
    assert found["in_words"] == [
        "Posted is 7.00 NAD: 2 entries come to 7.00 NAD.",
        "Pending is 0.25 NAD: 1 open hold sets it aside.",
        "Available is 7.25 NAD: 7.00 NAD posted, less 0.25 NAD pending, plus 0.50 NAD that may be overdrawn.",
    ]


async def test_old_entries_are_summed_up(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, bob = await bank.person(), await bank.person()
    books = Books(bank.database)
    for _ in range(103):
        await books.move((ada.wallet, 2), (bob.wallet, -2))
    found = await told(bank, ada.actor, ada.wallet, "explanation")
    assert (len(found["entries"]), found["earlier"]["amount"]) == (100, 6)
    assert found["in_words"][0] == (
        "Posted is 2.06 NAD: the newest 100 entries come to 2.00 NAD, all before to 0.06 NAD."
    )


async def test_an_empty_a_frozen_and_a_house_wallet_are_explained(bank: Bank) -> None:
    ada = await bank.person()
    async with bank.browser(TELLER) as browser:
        await browser.put(f"/api/v1/wallets/{ada.wallet}/freeze")
    found = await told(bank, ada.actor, ada.wallet, "explanation")
    assert found["in_words"] == [
        "Posted is 0.00 NAD: nothing has moved yet.",
        "Pending is 0.00 NAD: no hold is open.",
        "Available is 0.00 NAD: 0.00 NAD posted, less 0.00 NAD pending.",
        "The wallet is frozen: nothing goes out of it but what is held already.",
    ]
    await bank.person(500)
    house = await told(bank, TELLER, HouseAccount.CASH.wallet_id(nad(1).currency), "explanation")
    assert (house["posted"]["amount"], house["available"]) == (-500, None)
    assert house["in_words"][2].startswith("Available is whatever is asked for")
