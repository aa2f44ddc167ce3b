"""Many at once: nothing is spent twice, nothing is lost, and what does not conflict does not fail."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import bindparam, select, update

from bailiwick.kernel.application import NO_CAUSE, Contention
from bailiwick.kernel.database import migrations
from bailiwick.kernel.database.mapper import Mapper
from bailiwick.kernel.domain import DomainError
from bailiwick.kernel.http.retries import until_uncontended
from bailiwick.payments.application.holds import (
    CaptureHold,
    PlaceHold,
    VoidHold,
    capture_hold,
    place_hold,
    void_hold,
)
from bailiwick.payments.application.transfers import MakeTransfer, Reverse, Transfer, make_transfer, reverse
from bailiwick.payments.application.wallets import SetFreeze, set_freeze
from bailiwick.payments.domain.terms import AlreadyReversed, HoldOver, InsufficientBalance, WalletFrozen
from bailiwick.payments.domain.wallet import Wallet
from bailiwick.payments.infrastructure.tables import wallets
from bailiwick.payments.infrastructure.unit_of_work import SqlPaymentsUnitOfWork, SqlWallets
from tests.payments.bank import TELLER, Bank, Customer, nad


async def everybody(bank: Bank) -> list[int]:
    """What is in the wallets of people."""
    owned = select(wallets.c.posted).where(wallets.c.owner_id.is_not(None))
    return [posted for (posted,) in await bank.database.all(owned)]


async def outcomes(works: list[Callable[[], Awaitable[object]]]) -> Counter[str]:
    """All at once, each tried as often as the application would: how many ended how."""

    async def one(work: Callable[[], Awaitable[object]]) -> str:
        try:
            await until_uncontended(work, NO_CAUSE)
        except DomainError as refusal:
            return refusal.code
        return "done"

    return Counter(await asyncio.gather(*(one(work) for work in works)))


def spending(bank: Bank, ada: Customer, payee: Customer, amount: int) -> Callable[[], Awaitable[object]]:
    command = MakeTransfer(Transfer(ada.wallet, payee.wallet, nad(amount)), ada.actor)
    return lambda: make_transfer(command, bank.ports)


async def double_spend(bank: Bank) -> Counter[str]:
    ada, people = await bank.person(100), [await bank.person() for _ in range(10)]
    return await outcomes([spending(bank, ada, people[i % 10], 100) for i in range(50)])


async def test_of_50_who_spend_one_balance_at_once_exactly_one_succeeds(bank: Bank) -> None:
    assert await double_spend(bank) == {"done": 1, InsufficientBalance.code: 49}


@contextmanager
def storing_wallets_with(mapper: Mapper[Any]) -> Iterator[None]:
    kept, SqlWallets.mapper = SqlWallets.mapper, mapper
    try:
        yield
    finally:
        SqlWallets.mapper = kept


class Unguarded(Mapper[Any]):
    """The sabotage: what is added up is stored whether or not there is enough left."""

    def _update(self, *args: Any) -> Any:
        write = super()._update(*args)
        lax = {name: 0 for name in write.sums if name.startswith("taken_")}
        return type(write)(write.statement, write.params, write.exactly, {**write.sums, **lax})


class Overwriting(Mapper[Any]):
    """The other sabotage: what was read is changed and written back, whoever has changed it meanwhile."""

    def _update(self, id: Any, version: int, was: Any, changes: Any) -> Any:
        statement = update(self.table).where(self.table.c.id == bindparam("old_id"))
        binds: dict[str, Any] = {name: bindparam(f"new_{name}") for name in changes}
        values = {f"new_{name}": value for name, value in changes.items()}
        write = super()._update(id, version, was, changes)
        return type(write)(statement.values(binds), {**values, "old_id": id}, exactly=1)


@pytest.mark.parametrize("careless", [Unguarded, Overwriting])
async def test_without_the_guard_one_balance_is_spent_more_than_once(
    database_url: str, careless: type[Mapper[Any]]
) -> None:
    await migrations.upgrade_async(database_url, ["payments"])
    bank, kept = Bank(database_url), SqlWallets.mapper
    async with bank.backend.opened():
        with storing_wallets_with(
            careless(Wallet, wallets, subject="owner_id", limits=kept._limits, audited=kept.audited)
        ):
            assert (await double_spend(bank))["done"] > 1
        assert min(await everybody(bank)) < 0 or await bank.flaws()


async def test_50_transfers_into_and_out_of_one_wallet_all_succeed(bank: Bank) -> None:
    hot, people = await bank.person(1000), [await bank.person(100) for _ in range(25)]
    works = [spending(bank, hot, person, 3) for person in people]
    works += [spending(bank, person, hot, 5) for person in people]
    assert await outcomes(works) == {"done": 50}
    assert await hot.has() == (1000 + 25 * 2, 0)
    assert {await person.has() for person in people} == {(98, 0)}


async def test_they_do_not_even_wait_for_each_other_to_try_again(bank: Bank) -> None:
    """Without the counters of the mapper almost all of them would meet Contention at the first try."""
    hot, people = await bank.person(1000), [await bank.person(100) for _ in range(25)]
    tries = [spending(bank, person, hot, 5)() for person in people]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert not [result for result in results if isinstance(result, Contention)]


async def test_people_who_pay_each_other_in_a_circle_never_deadlock(bank: Bank) -> None:
    people = [await bank.person(100) for _ in range(8)]
    works = [
        spending(bank, payer, people[(at + step) % 8], 1)
        for step in (1, 3, 5, 7)
        for at, payer in enumerate(people)
    ]
    assert await outcomes(works) == {"done": 32}
    assert {await person.has() for person in people} == {(100, 0)}


async def test_a_daily_limit_holds_among_many(bank: Bank) -> None:
    ada, bob = await bank.person(1000, daily_limit=100), await bank.person()
    assert await outcomes([spending(bank, ada, bob, 10) for _ in range(30)]) == {
        "done": 10,
        "limit_exceeded": 20,
    }


async def test_of_20_reversals_at_once_exactly_one_succeeds(bank: Bank) -> None:
    ada, bob = await bank.person(1000), await bank.person(1000)
    journal = await ada.pay(bob, 100)
    command = Reverse(journal.id, TELLER)
    assert await outcomes([lambda: reverse(command, bank.ports)] * 20) == {
        "done": 1,
        AlreadyReversed.code: 19,
    }
    assert (await ada.has(), await bob.has()) == ((1000, 0), (1000, 0))


async def test_a_hold_is_captured_or_voided_once_whoever_tries(bank: Bank) -> None:
    ada, shop = await bank.person(1000), await bank.person()
    command = PlaceHold(ada.wallet, shop.wallet, nad(100), "shoes", timedelta(hours=1), ada.actor)
    hold = await place_hold(command, bank.ports)
    works: list[Callable[[], Awaitable[object]]] = [
        lambda: capture_hold(CaptureHold(hold.id, None, shop.actor), bank.ports),
        lambda: void_hold(VoidHold(hold.id, shop.actor), bank.ports),
    ]
    assert await outcomes(works * 10) == {"done": 1, HoldOver.code: 19}
    assert await ada.has() in ((1000, 0), (900, 0))


async def test_nothing_leaves_a_wallet_that_was_frozen_after_it_was_read(bank: Bank) -> None:
    """Counters are stored without a look at the version, so the limit itself must know of the freeze."""
    ada, bob = await bank.person(100), await bank.person()
    uow = SqlPaymentsUnitOfWork(bank.database)
    async with uow:
        payer, payee = await uow.wallets.get(ada.wallet), await uow.wallets.get(bob.wallet)
        payer.pay_out(nad(10), bank.now())
        payee.pay_in(nad(10))
        await set_freeze(SetFreeze(ada.wallet, True, TELLER), bank.ports)
        with pytest.raises(Contention):
            await uow.commit(None)
    with pytest.raises(WalletFrozen):
        await ada.pay(bob, 10)
