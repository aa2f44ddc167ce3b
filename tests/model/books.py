"""A ledger in a few lines of plain Python: it says what the product must answer, and what there is then."""

from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from math import floor
from typing import NamedTuple, TypeVar

T = TypeVar("T")

FEE_PERCENT, FEE_FIXED = Decimal("2.5"), 3
PLACES = {"NAD": 2, "JPY": 0, "KWD": 3}
DAY = 24 * 3600
NOON = DAY // 2
MOST = 10**15


class Refused(Exception):
    """The business says no, by this code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def foretold(predicted: Callable[[], T]) -> tuple[str | None, T | None]:
    """The code of the refusal, or what comes of it."""
    try:
        return None, predicted()
    except Refused as refused:
        return refused.code, None


class Amount(NamedTuple):
    minor: int
    currency: str


class Figures(NamedTuple):
    """The three balances of a wallet."""

    posted: int
    pending: int
    available: int


@dataclass
class Wallet:
    owner: int
    currency: str
    posted: int = 0
    held: int = 0
    overdraft: int = 0
    limit: int | None = None
    spent: int = 0
    day: int = -1
    frozen: bool = False

    @property
    def figures(self) -> Figures:
        return Figures(self.posted, self.held, self.posted - self.held + self.overdraft)

    def check(self, amount: Amount) -> None:
        check_positive(amount)
        if amount.currency != self.currency:
            raise Refused("currency_mismatch")

    def must_have(self, minor: int) -> None:
        if minor > self.figures.available:
            raise Refused("insufficient_balance")

    def spend(self, minor: int, day: int) -> None:
        if self.frozen:
            raise Refused("wallet_frozen")
        self.must_have(minor)
        if self.limit is None:
            return
        before = self.spent if self.day == day else 0
        if before + minor > self.limit:
            raise Refused("limit_exceeded")
        self.spent, self.day = before + minor, day


@dataclass
class Hold:
    """`payee` is None for the shop, whose wallets belong to nobody."""

    payer: str
    payee: str | None
    amount: Amount
    until: int
    status: str = "open"
    captured: int = 0
    refunded: int = 0


@dataclass
class Journal:
    """Who got how much: a person's wallet, or the house's by name and currency."""

    kind: str
    legs: list[tuple[str, int]]
    reversed: bool = False


@dataclass
class Books:
    """`now` counts seconds from the midnight before the first noon. Nothing changes where it is refused."""

    wallets: dict[str, Wallet] = field(default_factory=dict)
    house: Counter[str] = field(default_factory=Counter)
    holds: dict[str, Hold] = field(default_factory=dict)
    journals: dict[str, Journal] = field(default_factory=dict)
    now: int = NOON

    @property
    def day(self) -> int:
        return self.now // DAY

    def copy(self) -> "Books":
        return deepcopy(self)

    def open(self, owner: int, currency: str) -> Wallet:
        if any((wallet.owner, wallet.currency) == (owner, currency) for wallet in self.wallets.values()):
            raise Refused("wallet_exists")
        return Wallet(owner, currency)

    def deposit(self, to: str, amount: Amount) -> list[tuple[str, int]]:
        self._wallet(to).check(amount)
        return self._moved((f"cash {amount.currency}", -amount.minor), (to, amount.minor))

    def withdraw(self, of: str, amount: Amount) -> list[tuple[str, int]]:
        payer = self._wallet(of)
        payer.check(amount)
        payer.spend(amount.minor, self.day)
        return self._moved((of, -amount.minor), (f"cash {amount.currency}", amount.minor))

    def transfer(self, by: int, payer: str, payee: str, amount: Amount) -> list[tuple[str, int]]:
        source, target = self._own(by, payer), self._wallet(payee)
        if payer == payee:
            raise Refused("same_wallet")
        source.check(amount)
        target.check(amount)
        fee = fee_on(amount.minor)
        check_positive(Amount(amount.minor + fee, amount.currency))
        source.spend(amount.minor + fee, self.day)
        fees = (f"fees {amount.currency}", fee)
        return self._moved((payer, -amount.minor - fee), fees, (payee, amount.minor))

    def bulk(
        self, by: int, transfers: list[tuple[str, str, Amount]], *, atomic: bool
    ) -> list[str | list[tuple[str, int]]]:
        """For each its refusal or what it moved. Atomic: none is made where one is refused."""
        trial = self.copy()
        outcomes = [trial._tried(by, *each) for each in transfers]
        refusals = [outcome for outcome in outcomes if isinstance(outcome, str)]
        if atomic and refusals:
            raise Refused(refusals[0])
        self.__dict__.update(trial.__dict__)
        return outcomes

    def _tried(self, by: int, payer: str, payee: str, amount: Amount) -> str | list[tuple[str, int]]:
        try:
            return self.transfer(by, payer, payee, amount)
        except Refused as refused:
            return refused.code

    def convert(self, payer: str, payee: str, amount: Amount, rate: str) -> list[tuple[str, int]]:
        source, target = self._wallet(payer), self._wallet(payee)
        source.check(amount)
        if payer == payee:
            raise Refused("same_wallet")
        if source.currency == target.currency:
            raise Refused("currency_mismatch")
        major = Fraction(amount.minor, 10 ** PLACES[source.currency]) * Fraction(rate)
        bought = floor(major * 10 ** PLACES[target.currency])
        check_positive(Amount(bought, target.currency))
        source.spend(amount.minor, self.day)
        takes = (f"exchange {source.currency}", amount.minor)
        gives = (f"exchange {target.currency}", -bought)
        return self._moved((payer, -amount.minor), takes, gives, (payee, bought))

    def reverse(self, journal: str) -> list[tuple[str, int]]:
        undone = self.journals[journal]
        if undone.reversed:
            raise Refused("already_reversed")
        if undone.kind not in ("transfer", "deposit", "withdrawal", "conversion"):
            raise Refused("not_reversible")
        for where, minor in undone.legs:
            if minor > 0 and where in self.wallets:
                self.wallets[where].must_have(minor)
        undone.reversed = True
        return self._moved(*((where, -minor) for where, minor in reversed(undone.legs)))

    # Holds

    def hold(self, by: int, payer: str, payee: str, amount: Amount, seconds: int) -> Hold:
        source, target = self._own(by, payer), self._wallet(payee)
        if payer == payee:
            raise Refused("same_wallet")
        target.check(amount)
        source.check(amount)
        return self._set_aside(payer, payee, amount, seconds)

    def hold_for_shop(self, owner: int, amount: Amount, seconds: int) -> Hold:
        payer = self.wallet_of(owner, amount.currency)
        check_positive(amount)
        return self._set_aside(payer, None, amount, seconds)

    def wallet_of(self, owner: int, currency: str) -> str:
        for id, wallet in self.wallets.items():
            if (wallet.owner, wallet.currency) == (owner, currency):
                return id
        raise Refused("no_wallet_in_currency")

    def _set_aside(self, payer: str, payee: str | None, amount: Amount, seconds: int) -> Hold:
        source = self.wallets[payer]
        source.spend(amount.minor, self.day)
        source.held += amount.minor
        return Hold(payer, payee, amount, self.now + seconds)

    def may_end(self, by: int | None, hold: str) -> None:
        """By None: an operator."""
        found = self.holds[hold]
        payee = None if found.payee is None else self.wallets[found.payee].owner
        if by is None or by == payee:
            return
        raise Refused("only_for_payee" if by == self.wallets[found.payer].owner else "not_found")

    def capture(self, hold: str, amount: Amount | None) -> None:
        found = self.holds[hold]
        if found.status == "open" and self.now >= found.until:
            raise Refused("hold_over")
        if amount is not None:
            check_positive(amount)
            if amount.minor > found.amount.minor:
                raise Refused("more_than_held")
        taken = found.amount.minor if amount is None else amount.minor
        self._end(hold, "captured", taken)
        payee = found.payee or f"sales {found.amount.currency}"
        self._moved((found.payer, -taken), (payee, taken))

    def void(self, hold: str) -> None:
        self._end(hold, "voided", 0)

    def refund(self, hold: str, amount: Amount) -> None:
        """Out of what the shop has captured."""
        found = self.holds[hold]
        check_positive(amount)
        if found.refunded + amount.minor > found.captured:
            raise Refused("more_than_captured")
        found.refunded += amount.minor
        self._moved((f"sales {amount.currency}", -amount.minor), (found.payer, amount.minor))

    def expire(self) -> None:
        """What a worker does: end every hold whose time has passed."""
        for id, hold in self.holds.items():
            if hold.status == "open" and self.now >= hold.until:
                self._end(id, "expired", 0)

    def _end(self, hold: str, status: str, captured: int) -> None:
        found = self.holds[hold]
        if found.status != "open":
            raise Refused("hold_over")
        found.status, found.captured = status, captured
        self.wallets[found.payer].held -= found.amount.minor

    # What others ask

    def _wallet(self, id: str) -> Wallet:
        if id not in self.wallets:
            raise Refused("no_wallet")
        return self.wallets[id]

    def _own(self, by: int, id: str) -> Wallet:
        wallet = self._wallet(id)
        if wallet.owner != by:
            raise Refused("no_wallet")
        return wallet

    def _moved(self, *legs: tuple[str, int]) -> list[tuple[str, int]]:
        for where, minor in legs:
            if where in self.wallets:
                self.wallets[where].posted += minor
            else:
                self.house[where] += minor
        return [*legs]

    def sums(self) -> Iterator[tuple[str, int]]:
        """What all wallets of a currency come to: nothing."""
        for currency in PLACES:
            people = sum(wallet.posted for wallet in self.wallets.values() if wallet.currency == currency)
            yield currency, people + sum(n for where, n in self.house.items() if where.endswith(currency))


def check_positive(amount: Amount) -> None:
    if not 1 <= amount.minor <= MOST:
        raise Refused("invalid_amount")


def fee_on(minor: int) -> int:
    share = Decimal(minor) * FEE_PERCENT / 100
    return int(share.to_integral_value(ROUND_HALF_UP)) + FEE_FIXED
