"""What readers of wallets see: SQL straight into a view."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, or_, select

from bailiwick.kernel.application import Actor
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.listing import Filter, Listing
from bailiwick.kernel.domain import NotFound
from bailiwick.kernel.http.money import MoneyView
from bailiwick.kernel.money import Money
from bailiwick.kernel.specification import Relation
from bailiwick.payments.contract import JournalKind, PaymentsPermission
from bailiwick.payments.domain.hold import Hold, HoldId, HoldStatus
from bailiwick.payments.domain.journal import Journal
from bailiwick.payments.domain.scheduled import ScheduledTransfer, ScheduleStatus
from bailiwick.payments.domain.terms import NoWallet
from bailiwick.payments.domain.wallet import Wallet, WalletId, WalletStatus
from bailiwick.payments.infrastructure.tables import (
    entries,
    holds,
    journals,
    scheduled_transfers,
    wallets,
)


def _money(amount: int, currency: str) -> MoneyView:
    return MoneyView.of(Money(amount, currency))


def _limit(amount: int | None, currency: str) -> MoneyView | None:
    return None if amount is None else _money(amount, currency)


@dataclass
class WalletView:
    """`pending` is held for others; `available` may be spent: what is posted, less that, plus the overdraft.

    A limit of null is none. `owner_id` is null for a wallet of the house.
    """

    id: UUID
    owner_id: UUID | None
    name: str
    currency: str
    status: WalletStatus
    posted: MoneyView
    pending: MoneyView
    available: MoneyView | None
    overdraft: MoneyView | None
    daily_limit: MoneyView | None
    opened_at: datetime
    version: int

    @classmethod
    def of(cls, wallet: Wallet) -> "WalletView":
        rules = wallet.rules
        return _wallet(
            wallet.id, wallet.owner_id, wallet.name, wallet.currency, wallet.status, wallet.posted,
            wallet.held, rules.overdraft, rules.daily_limit, wallet.opened_at, wallet.version,
        )  # fmt: skip


def _wallet(
    id: UUID, owner_id: UUID | None, name: str, currency: str, status: WalletStatus, posted: int, held: int,
    overdraft: int | None, daily_limit: int | None, opened_at: datetime, version: int,
) -> WalletView:  # fmt: skip
    available = None if overdraft is None else posted - held + overdraft
    return WalletView(
        id, owner_id, name, currency, status, _money(posted, currency), _money(held, currency),
        _limit(available, currency), _limit(overdraft, currency), _limit(daily_limit, currency),
        opened_at, version,
    )  # fmt: skip


_WALLETS = select(
    wallets.c.id,
    wallets.c.owner_id,
    wallets.c.name,
    wallets.c.currency,
    wallets.c.status,
    wallets.c.posted,
    wallets.c.held,
    wallets.c.overdraft,
    wallets.c.daily_limit,
    wallets.c.opened_at,
    wallets.c.version,
)
_ONE_WALLET = _WALLETS.where(wallets.c.id == bindparam("id"))

WALLETS = Listing(
    WalletView,
    _WALLETS.where(wallets.c.owner_id == bindparam("owner")),
    key=wallets.c.id,
    sorts={"currency": wallets.c.currency, "opened_at": wallets.c.opened_at},
    default_sort="opened_at",
    filters={"currency": Filter(wallets.c.currency, str), "status": Filter(wallets.c.status, WalletStatus)},
    make=_wallet,
)


async def one_wallet(database: Database, wallet_id: WalletId, actor: Actor) -> WalletView:
    """The caller's, or for operators anybody's. Raises NoWallet."""
    row = await database.first(_ONE_WALLET, id=wallet_id)
    if row is None or not (actor.id == row[1] or actor.may(PaymentsPermission.OPERATE)):
        raise NoWallet("no such wallet")
    return _wallet(*row)


@dataclass
class EntryView:
    """What one journal, the one of this `id`, gave to the wallet, or took from it: less than 0."""

    id: UUID
    kind: JournalKind
    amount: MoneyView
    description: str
    effective_at: datetime
    recorded_at: datetime


def _entry(
    id: UUID, kind: JournalKind, amount: int, currency: str, description: str, effective_at: datetime,
    recorded_at: datetime,
) -> EntryView:  # fmt: skip
    return EntryView(id, kind, _money(amount, currency), description, effective_at, recorded_at)


ENTRIES = Listing(
    EntryView,
    select(
        entries.c.journal_id,
        journals.c.kind,
        entries.c.amount,
        entries.c.currency,
        journals.c.description,
        entries.c.effective_at,
        journals.c.recorded_at,
    )
    .select_from(entries.join(journals))
    .where(entries.c.wallet_id == bindparam("wallet")),
    key=entries.c.journal_id,
    sorts={"id": entries.c.journal_id, "effective_at": entries.c.effective_at},
    default_sort="-id",
    filters={
        "kind": Filter(journals.c.kind, JournalKind),
        "effective_before": Filter(entries.c.effective_at, datetime, Relation.BEFORE),
        "effective_after": Filter(entries.c.effective_at, datetime, Relation.AFTER),
    },
    make=_entry,
)


@dataclass
class TransferView:
    """One movement of money. `paid` leaves the payer's wallet, `amount` is what the payee gets of it."""

    id: UUID
    kind: JournalKind
    from_wallet: UUID
    to_wallet: UUID
    amount: MoneyView
    fee: MoneyView | None
    paid: MoneyView
    description: str
    effective_at: datetime
    recorded_at: datetime
    hold_id: UUID | None
    reverses: UUID | None
    rate: str | None

    @classmethod
    def of(cls, journal: Journal) -> "TransferView":
        return cls(
            id=journal.id,
            kind=journal.kind,
            from_wallet=journal.payer,
            to_wallet=journal.payee,
            amount=MoneyView.of(journal.amount),
            fee=None if journal.fee is None else MoneyView.of(journal.fee),
            paid=MoneyView.of(-journal.entries[0].money),
            description=journal.slip.description,
            effective_at=journal.slip.effective_at,
            recorded_at=journal.slip.recorded_at,
            hold_id=journal.hold_id,
            reverses=journal.reverses,
            rate=journal.rate,
        )


_ONE_TRANSFER = (
    select(
        journals.c.id,
        journals.c.kind,
        journals.c.description,
        journals.c.effective_at,
        journals.c.recorded_at,
        journals.c.hold_id,
        journals.c.reverses,
        journals.c.rate,
        entries.c.wallet_id,
        entries.c.currency,
        entries.c.amount,
        wallets.c.owner_id,
    )
    .select_from(entries.join(journals).join(wallets, wallets.c.id == entries.c.wallet_id))
    .where(journals.c.id == bindparam("id"))
    .order_by(entries.c.position)
)


async def one_transfer(database: Database, journal_id: UUID, actor: Actor) -> TransferView:
    """For those who take part in it, and for operators. Raises NotFound."""
    rows = await database.all(_ONE_TRANSFER, id=journal_id)
    if not rows or not (actor.may(PaymentsPermission.OPERATE) or any(row[-1] == actor.id for row in rows)):
        raise NotFound("no such transfer")
    id, kind, description, effective_at, recorded_at, hold_id, reverses, rate = rows[0][:8]
    legs = [(row[8], _money(row[10], row[9])) for row in rows]
    charged = kind == JournalKind.TRANSFER and len(legs) > 2
    return TransferView(
        id, kind, legs[0][0], legs[-1][0], legs[-1][1], legs[1][1] if charged else None,
        _money(-rows[0][10], rows[0][9]), description, effective_at, recorded_at, hold_id, reverses, rate,
    )  # fmt: skip


@dataclass
class HoldView:
    """Money set aside. `captured` and `refunded` are parts of the amount."""

    id: UUID
    wallet: UUID
    payee_wallet: UUID
    amount: MoneyView
    captured: MoneyView
    refunded: MoneyView
    status: HoldStatus
    reference: str
    held_at: datetime
    expires_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, hold: Hold) -> "HoldView":
        return _hold(
            hold.id, hold.wallet_id, hold.payee_wallet_id, hold.money.currency, hold.money.amount,
            hold.captured, hold.refunded, hold.status, hold.reference, hold.held_at, hold.expires_at,
            hold.ended_at,
        )  # fmt: skip


def _hold(
    id: UUID, wallet: UUID, payee_wallet: UUID, currency: str, amount: int, captured: int, refunded: int,
    status: HoldStatus, reference: str, held_at: datetime, expires_at: datetime, ended_at: datetime | None,
) -> HoldView:  # fmt: skip
    return HoldView(
        id, wallet, payee_wallet, _money(amount, currency), _money(captured, currency),
        _money(refunded, currency), status, reference, held_at, expires_at, ended_at,
    )  # fmt: skip


_HELD = select(
    holds.c.id,
    holds.c.wallet_id,
    holds.c.payee_wallet_id,
    holds.c.currency,
    holds.c.amount,
    holds.c.captured,
    holds.c.refunded,
    holds.c.status,
    holds.c.reference,
    holds.c.held_at,
    holds.c.expires_at,
    holds.c.ended_at,
)

_ONE_HOLD = _HELD.where(holds.c.id == bindparam("id")).add_columns(holds.c.owner_id, holds.c.payee_id)

HOLDS = Listing(
    HoldView,
    _HELD.where(or_(holds.c.owner_id == bindparam("owner"), holds.c.payee_id == bindparam("owner"))),
    key=holds.c.id,
    sorts={"held_at": holds.c.held_at, "expires_at": holds.c.expires_at},
    default_sort="-held_at",
    filters={"status": Filter(holds.c.status, HoldStatus)},
    make=_hold,
)


async def one_hold(database: Database, hold_id: HoldId, actor: Actor) -> HoldView:
    """For who pays, for who is to get it, and for operators. Raises NotFound."""
    row = await database.first(_ONE_HOLD, id=hold_id)
    if row is None or not (actor.id in row[-2:] or actor.may(PaymentsPermission.OPERATE)):
        raise NotFound("no such hold")
    return _hold(*row[:-2])


@dataclass
class ScheduledTransferView:
    """`transfer_id` is there once it was made; `refusal` and `reason` once it could not be."""

    id: UUID
    from_wallet: UUID
    to_wallet: UUID
    amount: MoneyView
    description: str
    due_at: datetime
    status: ScheduleStatus
    transfer_id: UUID | None
    refusal: str | None
    reason: str | None
    created_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, planned: ScheduledTransfer) -> "ScheduledTransferView":
        return _scheduled(
            planned.id, planned.payer_wallet_id, planned.payee_wallet_id, planned.money.currency,
            planned.money.amount, planned.description, planned.due_at, planned.status, planned.journal_id,
            planned.refusal, planned.reason, planned.created_at, planned.ended_at,
        )  # fmt: skip


def _scheduled(
    id: UUID, from_wallet: UUID, to_wallet: UUID, currency: str, amount: int, description: str,
    due_at: datetime, status: ScheduleStatus, journal_id: UUID | None, refusal: str | None,
    reason: str | None, created_at: datetime, ended_at: datetime | None,
) -> ScheduledTransferView:  # fmt: skip
    return ScheduledTransferView(
        id, from_wallet, to_wallet, _money(amount, currency), description, due_at, status, journal_id,
        refusal, reason, created_at, ended_at,
    )  # fmt: skip


_SCHEDULED = select(
    scheduled_transfers.c.id,
    scheduled_transfers.c.payer_wallet_id,
    scheduled_transfers.c.payee_wallet_id,
    scheduled_transfers.c.currency,
    scheduled_transfers.c.amount,
    scheduled_transfers.c.description,
    scheduled_transfers.c.due_at,
    scheduled_transfers.c.status,
    scheduled_transfers.c.journal_id,
    scheduled_transfers.c.refusal,
    scheduled_transfers.c.reason,
    scheduled_transfers.c.created_at,
    scheduled_transfers.c.ended_at,
).where(scheduled_transfers.c.owner_id == bindparam("owner"))
_ONE_SCHEDULED = _SCHEDULED.where(scheduled_transfers.c.id == bindparam("id"))

SCHEDULED = Listing(
    ScheduledTransferView,
    _SCHEDULED,
    key=scheduled_transfers.c.id,
    sorts={"due_at": scheduled_transfers.c.due_at, "created_at": scheduled_transfers.c.created_at},
    default_sort="due_at",
    filters={"status": Filter(scheduled_transfers.c.status, ScheduleStatus)},
    make=_scheduled,
)


async def one_scheduled(database: Database, id: UUID, actor: Actor) -> ScheduledTransferView:
    """Raises NotFound, also for somebody else's."""
    row = await database.first(_ONE_SCHEDULED, id=id, owner=actor.id)
    if row is None:
        raise NotFound("no such scheduled transfer")
    return _scheduled(*row)
