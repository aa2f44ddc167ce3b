"""A journal: one movement of money, as it stands in the books for ever."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import NewType, Self
from uuid import UUID

from bailiwick.kernel.domain import Aggregate, Invalid
from bailiwick.kernel.money import Money
from bailiwick.payments.contract import JournalKind, MoneyMoved
from bailiwick.payments.domain.terms import InvalidTime
from bailiwick.payments.domain.wallet import Wallet, WalletId

JournalId = NewType("JournalId", UUID)
Posting = tuple[Wallet, Money]
"""What a wallet gets, or, below 0, what is taken from it."""

LONGEST_DESCRIPTION = 200


class Unbalanced(Invalid):
    """What a journal takes and what it gives are not the same, so it is none."""


@dataclass(frozen=True)
class Entry:
    """What a journal took from a wallet (an amount below 0) or gave to it."""

    wallet_id: WalletId
    money: Money
    effective_at: datetime


@dataclass(frozen=True, kw_only=True)
class Slip:
    """What stands on a journal besides its entries. `effective_at` is the date that counts for people."""

    description: str
    effective_at: datetime
    recorded_at: datetime
    requested_by: UUID | None

    def __post_init__(self) -> None:
        if len(self.description) > LONGEST_DESCRIPTION:
            raise Invalid(f"a description has at most {LONGEST_DESCRIPTION} characters", field="description")
        if self.effective_at > self.recorded_at:
            raise InvalidTime("for a later time, schedule the transfer", field="effective_at")


@dataclass(eq=False, kw_only=True)
class Journal(Aggregate):
    """Never changed. The first entry is of whoever pays, the last of whoever gets."""

    id: JournalId
    kind: JournalKind
    slip: Slip
    entries: list[Entry]
    key: UUID | None = None
    hold_id: UUID | None = None
    reverses: JournalId | None = None
    rate: str | None = None

    def __post_init__(self) -> None:
        sums: Counter[str] = Counter()
        for entry in self.entries:
            sums[entry.money.currency] += entry.money.amount
        if len(self.entries) < 2 or any(sums.values()) or not all(e.money.amount for e in self.entries):
            raise Unbalanced("what is taken and what is given must be the same in each currency")

    @classmethod
    def book(
        cls, id: JournalId, kind: JournalKind, slip: Slip, *postings: Posting, key: UUID | None = None,
        hold_id: UUID | None = None, reverses: JournalId | None = None, rate: str | None = None,
    ) -> Self:  # fmt: skip
        """Write down what was done to the wallets. Raises Unbalanced."""
        entries = [Entry(wallet.id, money, slip.effective_at) for wallet, money in postings]
        journal = cls(
            id=id,
            kind=kind,
            slip=slip,
            entries=entries,
            key=key,
            hold_id=hold_id,
            reverses=reverses,
            rate=rate,
        )
        payee, money = postings[-1]
        moved = MoneyMoved(
            occurred_at=slip.recorded_at,
            journal_id=id,
            kind=kind,
            payer_wallet_id=journal.payer,
            payee_wallet_id=payee.id,
            payee_id=payee.owner_id,
            amount=money.amount,
            currency=money.currency,
        )
        journal._record(moved)
        return journal

    @property
    def payer(self) -> WalletId:
        return self.entries[0].wallet_id

    @property
    def payee(self) -> WalletId:
        return self.entries[-1].wallet_id

    @property
    def amount(self) -> Money:
        """What the payee gets."""
        return self.entries[-1].money

    @property
    def fee(self) -> Money | None:
        """What a transfer costs the payer on top."""
        if self.kind is not JournalKind.TRANSFER or len(self.entries) < 3:
            return None
        return self.entries[1].money
