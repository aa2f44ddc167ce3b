"""The rules of money, without a database."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.kernel.domain import DomainError, Invalid
from bailiwick.kernel.money import CurrencyMismatch, InvalidAmount, Money, UnknownCurrency
from bailiwick.payments import contract
from bailiwick.payments.contract import JournalKind, MoneyMoved
from bailiwick.payments.domain import booking
from bailiwick.payments.domain.hold import Hold, HoldId
from bailiwick.payments.domain.journal import Entry, Journal, JournalId, Slip, Unbalanced
from bailiwick.payments.domain.scheduled import ScheduledTransfer, ScheduledTransferId
from bailiwick.payments.domain.terms import MOST_AT_ONCE, Fees, HouseWallet, InvalidTime, Rate, SameWallet
from bailiwick.payments.domain.wallet import HouseAccount, Wallet, WalletId, WalletRules

NOON = datetime(2031, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SLIP = Slip(description="lunch", effective_at=NOON, recorded_at=NOON, requested_by=None)
CURRENCIES = ("NAD", "EUR", "JPY")


def nad(amount: int) -> Money:
    return Money(amount, "NAD")


def a_wallet(posted: int = 0, currency: str = "NAD", rules: WalletRules | None = None) -> Wallet:
    wallet = Wallet.open(WalletId(uuid4()), uuid4(), currency, rules or WalletRules(), NOON)
    wallet.posted = posted
    wallet.pull_events()
    return wallet


def an_id() -> JournalId:
    return JournalId(uuid4())


def test_a_new_wallet_is_empty_and_says_whose_it_is() -> None:
    owner = uuid4()
    wallet = Wallet.open(WalletId(uuid4()), owner, "NAD", WalletRules(), NOON)
    [opened] = wallet.pull_events()
    assert isinstance(opened, contract.WalletOpened)
    assert (opened.audience(), opened.currency, wallet.available) == (owner, "NAD", 0)
    with pytest.raises(UnknownCurrency):
        Wallet.open(WalletId(uuid4()), owner, "XXX", WalletRules(), NOON)


def test_the_house_has_one_wallet_of_each_kind_and_may_owe() -> None:
    cash = Wallet.of_the_house(HouseAccount.CASH, "NAD", NOON)
    assert cash.id == Wallet.of_the_house(HouseAccount.CASH, "NAD", NOON).id
    assert len({kind.wallet_id(currency) for kind in HouseAccount for currency in CURRENCIES}) == 12
    cash.pay_out(nad(10**12), NOON)
    assert (cash.posted, cash.available) == (-(10**12), None)


def test_the_limits_of_the_house_stay_as_they_are() -> None:
    with pytest.raises(HouseWallet):
        Wallet.of_the_house(HouseAccount.CASH, "NAD", NOON).change_rules({"overdraft": 0}, NOON)


def test_available_is_what_is_posted_less_what_is_held_plus_the_overdraft() -> None:
    wallet = a_wallet(100, rules=WalletRules(overdraft=20))
    wallet.set_aside(nad(90), NOON)
    assert wallet.available == 30
    wallet.set_free(nad(90))
    assert wallet.available == 120


def test_a_freeze_is_told_once_and_so_is_its_end() -> None:
    wallet = a_wallet(100)
    for change in (wallet.freeze, wallet.freeze, wallet.thaw, wallet.thaw):
        change(NOON)
    assert [type(event) for event in wallet.pull_events()] == [contract.WalletFrozen, contract.WalletThawed]


@pytest.mark.parametrize("changes", [{"overdraft": -1}, {"daily_limit": -1}, {"overdraft": 2**63}])
def test_limits_are_at_least_zero(changes: dict[str, int | None]) -> None:
    with pytest.raises(Invalid):
        a_wallet().change_rules(changes, NOON)


def test_what_is_refused_changes_no_wallet() -> None:
    """So that of transfers made each for itself a refused one leaves no trace."""
    frozen = a_wallet(100)
    frozen.freeze(NOON)
    payers = [a_wallet(9), frozen, a_wallet(100, rules=WalletRules(daily_limit=9)), a_wallet(9, "EUR")]
    pairs = [(payer, a_wallet()) for payer in payers] + [(a_wallet(100), a_wallet(0, "EUR"))]
    for payer, payee in pairs:
        before = dict(vars(payer)), dict(vars(payee))
        with pytest.raises(DomainError):
            booking.transfer(an_id(), payer, payee, nad(10), SLIP)
        assert (vars(payer), vars(payee)) == before


def test_the_news_of_a_movement_reaches_who_gets_the_money() -> None:
    payer, payee = a_wallet(100), a_wallet()
    journal = booking.transfer(an_id(), payer, payee, nad(10), SLIP)
    [moved] = journal.pull_events()
    assert isinstance(moved, MoneyMoved)
    assert (moved.audience(), moved.amount, moved.kind) == (payee.owner_id, 10, JournalKind.TRANSFER)
    assert payer.pull_events() == payee.pull_events() == []


def test_a_journal_that_does_not_balance_is_none() -> None:
    one, two = WalletId(uuid4()), WalletId(uuid4())
    for entries in (
        [],
        [Entry(one, nad(0), NOON), Entry(two, nad(0), NOON)],
        [Entry(one, nad(-10), NOON), Entry(two, nad(9), NOON)],
        [Entry(one, nad(-10), NOON), Entry(two, Money(10, "EUR"), NOON)],
    ):
        with pytest.raises(Unbalanced):
            Journal(id=an_id(), kind=JournalKind.TRANSFER, slip=SLIP, entries=entries)


def test_a_journal_is_of_now_or_of_the_past_and_says_what_for_in_short() -> None:
    with pytest.raises(InvalidTime):
        Slip(description="", effective_at=NOON + HOUR, recorded_at=NOON, requested_by=None)
    with pytest.raises(Invalid):
        Slip(description="x" * 201, effective_at=NOON, recorded_at=NOON, requested_by=None)


@pytest.mark.parametrize(
    ("fees", "amount", "fee"),
    [
        (Fees(), 1000, 0),
        (Fees(150, 5), 1000, 20),
        (Fees(150), 33, 0),
        (Fees(150), 34, 1),
        (Fees(10_000), 7, 7),
    ],
)
def test_a_fee_is_rounded_to_the_nearest_minor_unit(fees: Fees, amount: int, fee: int) -> None:
    assert fees.on(nad(amount)) == nad(fee)


@pytest.mark.parametrize(
    ("amount", "rate", "bought"),
    [
        (nad(1000), "0.05", Money(50, "EUR")),
        (Money(1050, "EUR"), "160.5", Money(1685, "JPY")),
        (Money(100, "JPY"), "0.00625", Money(62, "EUR")),
        (nad(199), "0.005", None),
    ],
)
def test_what_is_bought_is_rounded_down_and_never_nothing(
    amount: Money, rate: str, bought: Money | None
) -> None:
    if bought is None:
        with pytest.raises(InvalidAmount):
            Rate.of(rate).convert(amount, "EUR")
    else:
        assert Rate.of(rate).convert(amount, bought.currency) == bought


def test_a_rate_that_buys_more_than_can_be_moved_is_refused() -> None:
    with pytest.raises(InvalidAmount):
        Rate(Decimal(10**12)).convert(Money(MOST_AT_ONCE, "JPY"), "EUR")


@pytest.mark.parametrize("lasts", [timedelta(0), timedelta(days=7, seconds=1)])
def test_money_is_held_for_a_second_to_a_week(lasts: timedelta) -> None:
    with pytest.raises(Invalid):
        Hold.place(HoldId(uuid4()), a_wallet(10), a_wallet(), nad(1), "", lasts, NOON)


def test_money_is_held_for_somebody_else() -> None:
    wallet = a_wallet(10)
    with pytest.raises(SameWallet):
        Hold.place(HoldId(uuid4()), wallet, wallet, nad(1), "", HOUR, NOON)
    with pytest.raises(CurrencyMismatch):
        Hold.place(HoldId(uuid4()), wallet, a_wallet(0, "EUR"), nad(1), "", HOUR, NOON)
    with pytest.raises(Invalid):
        Hold.place(HoldId(uuid4()), wallet, a_wallet(), nad(1), "x" * 101, HOUR, NOON)


@pytest.mark.parametrize("after", [timedelta(0), -HOUR, timedelta(days=367)])
def test_a_transfer_is_scheduled_for_the_next_366_days(after: timedelta) -> None:
    ids = ScheduledTransferId(uuid4()), uuid4(), WalletId(uuid4()), WalletId(uuid4())
    with pytest.raises(InvalidTime):
        ScheduledTransfer.plan(*ids, nad(1), "", NOON + after, NOON)


# Whatever is done in whatever order, the books agree with the wallets.

House = dict[str, Wallet]
Deed = Callable[[Wallet, Wallet, Money, House], Journal]
AMOUNTS = st.integers(-5, 120)
PLACES = st.tuples(st.integers(0, 5), st.integers(0, 5))


def transfer(payer: Wallet, payee: Wallet, amount: Money, house: House) -> Journal:
    fee = Fees(500).on(amount)
    charged = (house["fees"], fee) if fee.amount > 0 else None
    return booking.transfer(an_id(), payer, payee, amount, SLIP, charged)


def captured(payer: Wallet, payee: Wallet, amount: Money, house: House) -> Journal:
    hold = Hold.place(HoldId(uuid4()), payer, payee, amount, "", HOUR, NOON)
    return booking.capture(an_id(), hold, payer, payee, Money(max(1, amount.amount // 2), "NAD"), SLIP)


def refunded(payer: Wallet, payee: Wallet, amount: Money, house: House) -> Journal:
    hold = Hold.place(HoldId(uuid4()), payer, payee, amount, "", HOUR, NOON)
    booking.capture(an_id(), hold, payer, payee, None, SLIP)
    return booking.refund(an_id(), hold, payee, payer, amount, SLIP, uuid4())


def reversed_(payer: Wallet, payee: Wallet, amount: Money, house: House) -> Journal:
    undone = transfer(payer, payee, amount, house)
    wallets = {wallet.id: wallet for wallet in (payer, payee, house["fees"])}
    return booking.reversal(an_id(), undone, wallets, SLIP)


def deposited(payer: Wallet, payee: Wallet, amount: Money, house: House) -> Journal:
    return booking.deposit(an_id(), house["cash"], payee, amount, SLIP)


def withdrawn(payer: Wallet, payee: Wallet, amount: Money, house: House) -> Journal:
    return booking.withdrawal(an_id(), payer, house["cash"], amount, SLIP)


DEEDS: list[Deed] = [transfer, captured, refunded, reversed_, deposited, withdrawn]
STEPS = st.lists(st.tuples(st.sampled_from(DEEDS), PLACES, AMOUNTS), max_size=30)


@given(STEPS)
def test_money_is_neither_made_nor_lost_and_nobody_goes_below_zero(
    steps: list[tuple[Deed, tuple[int, int], int]],
) -> None:
    people = [a_wallet(100) for _ in range(6)]
    house = {str(kind): Wallet.of_the_house(kind, "NAD", NOON) for kind in HouseAccount}
    everybody = [*people, *house.values()]
    for deed, (one, other), amount in steps:
        with suppress(DomainError):
            deed(people[one], people[other], nad(amount), house)
            assert all(wallet.held == 0 for wallet in people)
        assert sum(wallet.posted for wallet in everybody) == 600
        assert all((wallet.available or 0) >= 0 for wallet in people)
