"""What the use cases of payments need from outside."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from bailiwick.kernel.application import Clock, NewId, UnitOfWork
from bailiwick.payments.domain.hold import Hold, HoldId
from bailiwick.payments.domain.journal import Journal, JournalId
from bailiwick.payments.domain.scheduled import ScheduledTransfer, ScheduledTransferId
from bailiwick.payments.domain.terms import Fees
from bailiwick.payments.domain.wallet import Wallet, WalletId, WalletRules


class Wallets(Protocol):
    """All wallets. What many add to and take from at once is added up: two of them get into each other's
    way only where there is too little for both."""

    def add(self, aggregate: Wallet) -> None: ...

    async def get(self, id: WalletId, *, version: int | None = None) -> Wallet:
        """Raises NotFound, or Stale where `version` is given and not the current one."""
        ...

    async def several(self, ids: Collection[WalletId]) -> dict[WalletId, Wallet]:
        """Those that there are, read at once."""
        ...

    async def of_owner(self, owner_id: UUID, currency: str) -> Wallet | None: ...


class Journals(Protocol):
    """The books. What is in them stays."""

    def add(self, aggregate: Journal) -> None: ...

    async def get(self, id: JournalId) -> Journal: ...

    async def of_key(self, key: UUID) -> Journal | None: ...

    async def is_reversed(self, id: JournalId) -> bool:
        """Whether there is a journal that reverses it. The commit decides, not this."""
        ...


class Holds(Protocol):
    def add(self, aggregate: Hold) -> None: ...

    async def find(self, id: HoldId) -> Hold | None: ...


class ScheduledTransfers(Protocol):
    def add(self, aggregate: ScheduledTransfer) -> None: ...

    async def get(self, id: ScheduledTransferId) -> ScheduledTransfer: ...

    async def owned(self, id: ScheduledTransferId, owner: UUID) -> ScheduledTransfer:
        """Raises NotFound, also for somebody else's."""
        ...


class PaymentsUnitOfWork(UnitOfWork, Protocol):
    """`commit` raises WalletExists and AlreadyReversed, and Contention where a wallet that was read has too
    little now, or somebody else was quicker with the same key."""

    @property
    def wallets(self) -> Wallets: ...

    @property
    def journals(self) -> Journals: ...

    @property
    def holds(self) -> Holds: ...

    @property
    def scheduled(self) -> ScheduledTransfers: ...

    async def __aenter__(self) -> "PaymentsUnitOfWork": ...


@dataclass(frozen=True)
class PaymentsPorts:
    """`currency` is that of everybody's first wallet, `rules` are those of a new one."""

    uow: Callable[[], PaymentsUnitOfWork]
    clock: Clock
    new_id: NewId
    currency: str
    fees: Fees
    rules: WalletRules
