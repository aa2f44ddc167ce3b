"""A wallet: somebody's money in one currency, or the house's."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import NewType, Self
from uuid import NAMESPACE_URL, UUID, uuid5

from bailiwick.kernel.domain import Aggregate, Invalid
from bailiwick.kernel.money import LARGEST_AMOUNT, CurrencyMismatch, InvalidAmount, Money
from bailiwick.payments import contract
from bailiwick.payments.domain.terms import (
    HouseWallet,
    InsufficientBalance,
    LimitExceeded,
    WalletFrozen,
    positive,
)

WalletId = NewType("WalletId", UUID)

MOST_IN_A_WALLET = LARGEST_AMOUNT // 2
MAIN = "main"


class HouseAccount(StrEnum):
    """The wallets of the house in each currency: where money comes from, and where it goes."""

    CASH = "cash"
    SALES = "sales"
    FEES = "fees"
    EXCHANGE = "exchange"

    def wallet_id(self, currency: str) -> WalletId:
        return WalletId(uuid5(NAMESPACE_URL, f"bailiwick:payments/{self}/{currency}"))


class WalletStatus(StrEnum):
    OPEN = "open"
    FROZEN = "frozen"


@dataclass(frozen=True)
class WalletRules:
    """How far a wallet may go below zero, and what may leave it in one day (UTC). None: without limit."""

    overdraft: int | None = 0
    daily_limit: int | None = None

    def __post_init__(self) -> None:
        for name in ("overdraft", "daily_limit"):
            if not 0 <= (getattr(self, name) or 0) <= MOST_IN_A_WALLET:
                raise Invalid("a limit is at least 0", field=name)


@dataclass(eq=False, kw_only=True)
class Wallet(Aggregate):
    """`posted` is what journals have moved; `held` is the part of it that is set aside for holds.

    `spent` has left on the day `spent_on`, as far as there is a daily limit.
    """

    id: WalletId
    owner_id: UUID | None
    name: str = MAIN
    currency: str
    status: WalletStatus = WalletStatus.OPEN
    posted: int = 0
    held: int = 0
    rules: WalletRules = field(default_factory=WalletRules)
    spent: int = 0
    spent_on: date | None = None
    opened_at: datetime
    changed_at: datetime

    @classmethod
    def open(cls, id: WalletId, owner_id: UUID, currency: str, rules: WalletRules, now: datetime) -> Self:
        currency = Money(0, currency).currency
        wallet = cls(id=id, owner_id=owner_id, currency=currency, rules=rules, opened_at=now, changed_at=now)
        wallet._opened(now)
        return wallet

    @classmethod
    def of_the_house(cls, account: HouseAccount, currency: str, now: datetime) -> Self:
        """The house may owe: what it has not got is what its customers have."""
        wallet = cls(
            id=account.wallet_id(currency),
            owner_id=None,
            name=account.value,
            currency=currency,
            rules=WalletRules(overdraft=None),
            opened_at=now,
            changed_at=now,
        )
        wallet._opened(now)
        return wallet

    def _opened(self, now: datetime) -> None:
        opened = contract.WalletOpened(
            occurred_at=now, wallet_id=self.id, owner_id=self.owner_id, currency=self.currency
        )
        self._record(opened)

    @property
    def available(self) -> int | None:
        """What may be paid from it, in minor units; None for a wallet without a limit."""
        overdraft = self.rules.overdraft
        return None if overdraft is None else self.posted - self.held + overdraft

    # Money comes and goes

    def pay_in(self, money: Money) -> None:
        self.check(money)
        self.posted += money.amount

    def pay_out(self, money: Money, now: datetime) -> None:
        """Raises WalletFrozen, InsufficientBalance or LimitExceeded."""
        self._spend(money, now)
        self.posted -= money.amount

    def set_aside(self, money: Money, now: datetime) -> None:
        """Hold a part back. It counts as spent today. Refuses as `pay_out` does."""
        self._spend(money, now)
        self.held += money.amount

    def set_free(self, money: Money) -> None:
        """What was set aside is at the owner's disposal again."""
        self.held -= money.amount

    def pay_from_held(self, taken: Money, held: Money) -> None:
        """Pay `taken` out of what was `held` for it, also from a frozen wallet; the rest is free again."""
        self.held -= held.amount
        self.posted -= taken.amount

    def give_back(self, money: Money, now: datetime) -> None:
        """Undo a payment that came in, also from a frozen wallet. Raises InsufficientBalance."""
        self.check(money)
        self._must_have(money)
        self.posted -= money.amount
        if self.status is WalletStatus.FROZEN:
            self.changed_at = now  # so that it is stored for this version alone: see the limits of its mapper

    def check(self, money: Money) -> None:
        """Raises CurrencyMismatch, or InvalidAmount for what cannot be moved or does not fit in."""
        if positive(money).currency != self.currency:
            raise CurrencyMismatch(
                f"this wallet holds {self.currency}: convert the money first",
                field="currency",
                allowed=self.currency,
            )
        if abs(self.posted) > MOST_IN_A_WALLET:
            raise InvalidAmount("the wallet is full", field="amount")

    def _spend(self, money: Money, now: datetime) -> None:
        self.check(money)
        if self.status is WalletStatus.FROZEN:
            raise WalletFrozen("the wallet is frozen: nothing goes out of it")
        self._must_have(money)
        if self.rules.daily_limit is not None:
            self._spend_of_the_day(money.amount, self.rules.daily_limit, now.date())

    def _must_have(self, money: Money) -> None:
        if self.available is not None and money.amount > self.available:
            available = max(0, self.available)
            left = Money(available, self.currency)
            raise InsufficientBalance(f"there is too little in the wallet: {left}", available=available)

    def _spend_of_the_day(self, amount: int, limit: int, today: date) -> None:
        spent = self.spent if self.spent_on == today else 0
        if spent + amount > limit:
            left = max(0, limit - spent)
            raise LimitExceeded("that is more than may leave the wallet in one day", left_today=left)
        self.spent, self.spent_on = spent + amount, today

    # What operators decide

    def freeze(self, now: datetime) -> None:
        if self.status is WalletStatus.OPEN:
            self.status, self.changed_at = WalletStatus.FROZEN, now
            frozen = contract.WalletFrozen(occurred_at=now, wallet_id=self.id, owner_id=self.owner_id)
            self._record(frozen)

    def thaw(self, now: datetime) -> None:
        if self.status is WalletStatus.FROZEN:
            self.status, self.changed_at = WalletStatus.OPEN, now
            thawed = contract.WalletThawed(occurred_at=now, wallet_id=self.id, owner_id=self.owner_id)
            self._record(thawed)

    def change_rules(self, changes: Mapping[str, int | None], now: datetime) -> None:
        """Take over the named limits. Raises Invalid, and HouseWallet."""
        if self.owner_id is None:
            raise HouseWallet("the wallets of the house have no limits")
        changed = replace(self.rules, **changes)
        if changed != self.rules:
            self.rules, self.changed_at = changed, now
