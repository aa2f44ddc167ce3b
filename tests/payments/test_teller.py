"""What operators do: deposits, withdrawals, conversions, reversals, limits and freezes."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from uuid import uuid4

import pytest

from bailiwick.identity.contract import UserRegistered
from bailiwick.kernel.application import PermissionRequired, Stale
from bailiwick.kernel.domain import Invalid, NotFound
from bailiwick.kernel.money import CurrencyMismatch, Money
from bailiwick.payments.application.transfers import (
    Convert,
    Deposit,
    Reverse,
    Withdraw,
    convert,
    deposit,
    reverse,
    withdraw,
)
from bailiwick.payments.application.wallets import (
    ChangeRules,
    OpenWallet,
    SetFreeze,
    change_rules,
    on_user_registered,
    open_wallet,
    set_freeze,
)
from bailiwick.payments.domain.journal import JournalId
from bailiwick.payments.domain.terms import (
    AlreadyReversed,
    InsufficientBalance,
    LimitExceeded,
    NotReversible,
    Rate,
    WalletExists,
)
from bailiwick.payments.domain.wallet import HouseAccount, WalletRules
from tests.payments.bank import TELLER, Bank, nad

CASH = HouseAccount.CASH.wallet_id("NAD")


async def test_money_comes_from_the_house_and_goes_back_to_it(bank: Bank) -> None:
    ada = await bank.person()
    await deposit(Deposit(ada.wallet, nad(100), TELLER), bank.ports)
    await withdraw(Withdraw(ada.wallet, nad(30), TELLER), bank.ports)
    assert (await ada.has(), await bank.balance(CASH)) == ((70, 0), (-70, 0))
    with pytest.raises(InsufficientBalance):
        await withdraw(Withdraw(ada.wallet, nad(71), TELLER), bank.ports)
    with pytest.raises(CurrencyMismatch):
        await deposit(Deposit(ada.wallet, Money(1, "EUR"), TELLER), bank.ports)


async def test_a_conversion_balances_in_each_currency(bank: Bank) -> None:
    ada = await bank.person(10_000)
    yen = await bank.customer(ada.actor, 0, "JPY")
    command = Convert(ada.wallet, yen.wallet, nad(1050), Rate(Decimal("8.456")), TELLER)
    journal = await convert(command, bank.ports)
    assert (journal.amount, journal.rate) == (Money(88, "JPY"), "8.456")
    assert (await ada.has(), await yen.has()) == ((8950, 0), (88, 0))
    assert await bank.balance(HouseAccount.EXCHANGE.wallet_id("NAD")) == (1050, 0)
    assert await bank.balance(HouseAccount.EXCHANGE.wallet_id("JPY")) == (-88, 0)
    bob = await bank.person()
    for wrong in (
        Convert(ada.wallet, bob.wallet, nad(10), Rate(Decimal(1)), TELLER),
        Convert(ada.wallet, yen.wallet, Money(1, "JPY"), Rate(Decimal(1)), TELLER),
    ):
        with pytest.raises(CurrencyMismatch):
            await convert(wrong, bank.ports)
    for text in ("0", "-1", "nan", "much", "1" * 21):
        with pytest.raises(Invalid):
            Rate.of(text)


async def test_a_reversal_gives_everything_back_once(bank: Bank) -> None:
    ada, bob = await bank.person(100), await bank.person()
    journal = await ada.pay(bob, 60)
    undone = await reverse(Reverse(journal.id, TELLER, "a mistake"), bank.ports)
    assert (undone.payer, undone.payee, undone.amount) == (bob.wallet, ada.wallet, nad(60))
    assert (await ada.has(), await bob.has()) == ((100, 0), (0, 0))
    with pytest.raises(AlreadyReversed):
        await reverse(Reverse(journal.id, TELLER), bank.ports)
    with pytest.raises(NotReversible) as refused:
        await reverse(Reverse(undone.id, TELLER), bank.ports)
    assert "transfer" in refused.value.extra["allowed"]
    with pytest.raises(NotFound):
        await reverse(Reverse(JournalId(uuid4()), TELLER), bank.ports)


async def test_what_has_been_spent_is_not_taken_back(bank: Bank) -> None:
    ada, bob = await bank.person(100), await bank.person()
    journal = await ada.pay(bob, 60)
    await bob.pay(ada, 10)
    with pytest.raises(InsufficientBalance) as refused:
        await reverse(Reverse(journal.id, TELLER), bank.ports)
    assert refused.value.extra == {"available": 50}


async def test_money_is_taken_back_from_a_frozen_wallet(bank: Bank) -> None:
    ada, thief = await bank.person(100), await bank.person()
    journal = await ada.pay(thief, 60)
    await set_freeze(SetFreeze(thief.wallet, True, TELLER), bank.ports)
    await reverse(Reverse(journal.id, TELLER), bank.ports)
    assert (await ada.has(), await thief.has()) == ((100, 0), (0, 0))


async def test_operators_change_limits_of_the_version_that_they_have_seen(bank: Bank) -> None:
    ada, bob = await bank.person(100), await bank.person()
    seen = (await bank.wallet(ada.wallet)).version
    changes = {"overdraft": 50, "daily_limit": 120}
    wallet = await change_rules(ChangeRules(ada.wallet, changes, TELLER, seen), bank.ports)
    assert wallet.rules == WalletRules(50, 120)
    with pytest.raises(Stale):
        await change_rules(ChangeRules(ada.wallet, {"overdraft": 0}, TELLER, seen), bank.ports)
    with pytest.raises(LimitExceeded):
        await ada.pay(bob, 121)
    await change_rules(ChangeRules(ada.wallet, {"daily_limit": None}, TELLER), bank.ports)
    await ada.pay(bob, 121)
    assert await ada.has() == (-21, 0)


async def test_who_is_no_operator_may_do_none_of_this(bank: Bank) -> None:
    ada, ports = await bank.person(100), bank.ports
    euros = await bank.customer(ada.actor, 0, "EUR")
    deeds: list[Callable[[], Awaitable[object]]] = [
        lambda: deposit(Deposit(ada.wallet, nad(1), ada.actor), ports),
        lambda: withdraw(Withdraw(ada.wallet, nad(1), ada.actor), ports),
        lambda: convert(Convert(ada.wallet, euros.wallet, nad(1), Rate(Decimal(9)), ada.actor), ports),
        lambda: reverse(Reverse(JournalId(uuid4()), ada.actor), ports),
        lambda: set_freeze(SetFreeze(ada.wallet, True, ada.actor), ports),
        lambda: change_rules(ChangeRules(ada.wallet, {"overdraft": 1}, ada.actor), ports),
    ]
    for deed in deeds:
        with pytest.raises(PermissionRequired):
            await deed()


async def test_everybody_gets_a_wallet_once_however_often_it_is_told(bank: Bank) -> None:
    event = UserRegistered(
        occurred_at=bank.now(), user_id=uuid4(), email="ada@example.com", full_name="Ada", username=None
    )
    for _ in range(2):
        await on_user_registered(event, bank.ports)
    wallet = await bank.ports.uow().wallets.of_owner(event.user_id, "NAD")
    assert wallet is not None
    assert (wallet.currency, wallet.rules, wallet.version) == ("NAD", WalletRules(), 1)


async def test_one_has_one_wallet_in_each_currency(bank: Bank) -> None:
    ada = await bank.person()
    wallet = await open_wallet(OpenWallet("EUR", ada.actor), bank.ports)
    assert (wallet.owner_id, wallet.currency) == (ada.actor.id, "EUR")
    for again in ("EUR", "NAD"):
        with pytest.raises(WalletExists):
            await open_wallet(OpenWallet(again, ada.actor), bank.ports)
