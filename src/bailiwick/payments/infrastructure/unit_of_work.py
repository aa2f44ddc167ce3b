"""How wallets, journals, holds and scheduled transfers sit in their tables."""

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, Select, bindparam, case, literal, select

from bailiwick.kernel.application import Contention
from bailiwick.kernel.database.columns import Id
from bailiwick.kernel.database.mapper import Limit, Mapper
from bailiwick.kernel.database.unit_of_work import SqlRepository, SqlUnitOfWork, Unique
from bailiwick.kernel.domain import DomainError, NotFound
from bailiwick.kernel.money import LARGEST_AMOUNT
from bailiwick.payments.domain.hold import Hold, HoldId
from bailiwick.payments.domain.journal import Journal, JournalId
from bailiwick.payments.domain.scheduled import ScheduledTransfer, ScheduledTransferId
from bailiwick.payments.domain.terms import AlreadyReversed, WalletExists
from bailiwick.payments.domain.wallet import Wallet, WalletId, WalletStatus
from bailiwick.payments.infrastructure.tables import (
    entries,
    holds,
    journals,
    one_for_each_key,
    one_for_each_owner,
    one_of_the_house,
    reversed_once,
    scheduled_transfers,
    wallets,
)

# Nothing goes out of a frozen wallet, also where it was frozen after it was read.
_LOWEST = case(
    (wallets.c.status == WalletStatus.FROZEN.value, literal(LARGEST_AMOUNT, BigInteger)),
    else_=-wallets.c.overdraft,
)
LIMITS = (
    Limit({"posted": 1, "held": -1}, floor=_LOWEST),
    Limit({"spent": -1}, floor=-wallets.c.daily_limit),
)

_OF_OWNER = select(wallets).where(
    wallets.c.owner_id == bindparam("owner"), wallets.c.currency == bindparam("currency")
)
_OF_KEY = select(journals).where(journals.c.key == bindparam("key"))
_OF_PLANNER = select(scheduled_transfers).where(
    scheduled_transfers.c.id == bindparam("id"), scheduled_transfers.c.owner_id == bindparam("owner")
)
_REVERSAL = select(journals.c.id).where(journals.c.reverses == bindparam("id"))


@lru_cache(1000)
def _several(count: int) -> Select[Any]:
    return select(wallets).where(wallets.c.id.in_([bindparam(f"id{i}", type_=Id) for i in range(count)]))


class SqlWallets(SqlRepository[Wallet, WalletId]):
    mapper = Mapper(
        Wallet, wallets, audited=("status", "overdraft", "daily_limit"), subject="owner_id", limits=LIMITS
    )

    async def several(self, ids: Collection[WalletId]) -> dict[WalletId, Wallet]:
        wanted = set(ids)
        statement, asked = _several(len(wanted)), {f"id{i}": id for i, id in enumerate(wanted)}
        return {wallet.id: wallet for wallet in await self._all(statement, **asked)}

    async def of_owner(self, owner_id: UUID, currency: str) -> Wallet | None:
        return await self._first(_OF_OWNER, owner=owner_id, currency=currency)


class SqlJournals(SqlRepository[Journal, JournalId]):
    mapper = Mapper(
        Journal, journals, audited=("kind", "reverses", "hold_id", "rate", "effective_at"), entries=entries
    )

    async def of_key(self, key: UUID) -> Journal | None:
        return await self._first(_OF_KEY, key=key)

    async def is_reversed(self, id: JournalId) -> bool:
        return await self._unit.database.first(_REVERSAL, id=id) is not None


class SqlHolds(SqlRepository[Hold, HoldId]):
    mapper = Mapper(
        Hold, holds, audited=("status", "amount", "captured", "refunded", "ended_at"), subject="owner_id"
    )

    async def find(self, id: HoldId) -> Hold | None:
        return await self._first(self.mapper.by_id, id=id)


class SqlScheduledTransfers(SqlRepository[ScheduledTransfer, ScheduledTransferId]):
    mapper = Mapper(
        ScheduledTransfer,
        scheduled_transfers,
        audited=("status", "due_at", "journal_id", "refusal"),
        subject="owner_id",
    )

    async def owned(self, id: ScheduledTransferId, owner: UUID) -> ScheduledTransfer:
        found = await self._first(_OF_PLANNER, id=id, owner=owner)
        if found is None:
            raise NotFound("no such scheduled transfer")
        return found


def _exists() -> DomainError:
    return WalletExists("you have a wallet in this currency", field="currency")


def _reversed() -> DomainError:
    return AlreadyReversed("this has been reversed before")


def _meanwhile() -> DomainError:
    return Contention("somebody else has just done the same; try again")


class SqlPaymentsUnitOfWork(SqlUnitOfWork):
    refusals: ClassVar[Mapping[Unique, Callable[[], DomainError]]] = {
        one_for_each_owner: _exists,
        reversed_once: _reversed,
        one_for_each_key: _meanwhile,
        one_of_the_house: _meanwhile,
        wallets.primary_key: _meanwhile,
        holds.primary_key: _meanwhile,
    }

    @property
    def wallets(self) -> SqlWallets:
        return self._repository(SqlWallets)

    @property
    def journals(self) -> SqlJournals:
        return self._repository(SqlJournals)

    @property
    def holds(self) -> SqlHolds:
        return self._repository(SqlHolds)

    @property
    def scheduled(self) -> SqlScheduledTransfers:
        return self._repository(SqlScheduledTransfers)
