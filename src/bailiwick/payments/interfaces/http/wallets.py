"""The routes of wallets, and what operators do with the money in them."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bailiwick.kernel.application import Actor, Page
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.listing import ListRequest
from bailiwick.kernel.http.examples import money
from bailiwick.kernel.http.money import Currency, MoneyBody
from bailiwick.kernel.http.requests import ExpectedVersion
from bailiwick.kernel.http.routing import Router
from bailiwick.kernel.times import Instant
from bailiwick.payments.application.ports import PaymentsPorts
from bailiwick.payments.application.transfers import Convert, Deposit, Withdraw, convert, deposit, withdraw
from bailiwick.payments.application.wallets import (
    ChangeRules,
    OpenWallet,
    SetFreeze,
    change_rules,
    open_wallet,
    set_freeze,
)
from bailiwick.payments.contract import PaymentsPermission
from bailiwick.payments.domain.journal import LONGEST_DESCRIPTION, Journal
from bailiwick.payments.domain.terms import LONGEST_RATE, Rate
from bailiwick.payments.domain.wallet import MOST_IN_A_WALLET, Wallet, WalletId
from bailiwick.payments.infrastructure.queries import (
    ENTRIES,
    WALLETS,
    EntryView,
    TransferView,
    WalletView,
    one_wallet,
)

router = Router(
    "payments",
    prefix="/api/v1",
    examples={
        "name": "Ada Lovelace",
        "description": "Rent for February",
        "ReversalBody.description": "Paid twice by mistake",
        "reference": "Order 7K2M-X9QF",
        "rate": "0.0545",
        "TransferView.rate": None,
        "kind": "transfer",
        "due_at": "2031-02-01T06:00:00Z",
        "posted": money(250_000),
        "opening": money(251_050),
        "closing": money(250_000),
        "balance": money(250_000),
        "earlier": money(251_050),
        "pending": money(1050),
        "available": money(248_950),
        "overdraft": money(0),
        "WalletChanges.overdraft": 50_000,
        "daily_limit": money(1_000_000),
        "WalletChanges.daily_limit": 1_000_000,
        "captured": money(0),
        "refunded": money(0),
        "EntryView.amount": money(-1050),
        "LineView.amount": money(-1050),
        "fee": None,
        "hold_id": None,
        "reverses": None,
        "OutcomeView.refusal": None,
        "OutcomeView.detail": None,
        "extra": None,
        "ScheduledTransferView.transfer_id": None,
        "refusal": None,
        "reason": None,
        "since": "2031-01-01T00:00:00Z",
        "until": "2031-02-01T00:00:00Z",
        "in_words": [
            "Posted are NAD 2,500.00.",
            "Of these, NAD 10.50 are held.",
            "NAD 2,489.50 may be spent.",
        ],
    },
)

Description = Annotated[str, StringConstraints(max_length=LONGEST_DESCRIPTION)]


class WalletBody(BaseModel):
    """A wallet in one more currency."""

    model_config = ConfigDict(extra="forbid")

    currency: Currency


class WalletChanges(BaseModel):
    """Limits in minor units: what is left out stays, and null takes the daily limit away (RFC 7396)."""

    model_config = ConfigDict(extra="forbid")

    overdraft: int = Field(default_factory=int, ge=0, le=MOST_IN_A_WALLET)
    daily_limit: int | None = Field(default=None, ge=0, le=MOST_IN_A_WALLET)

    def changes(self) -> dict[str, int | None]:
        return self.model_dump(exclude_unset=True)


class CashBody(BaseModel):
    """Money that is brought to the house, or paid out by it."""

    model_config = ConfigDict(extra="forbid")

    wallet: WalletId
    amount: MoneyBody
    description: Description = ""
    effective_at: Instant | None = None


class ConversionBody(BaseModel):
    """`rate` is how much of the other currency one unit buys, as a decimal number in a text."""

    model_config = ConfigDict(extra="forbid")

    from_wallet: WalletId
    to_wallet: WalletId
    amount: MoneyBody
    rate: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_RATE)]
    description: Description = ""
    effective_at: Instant | None = None


@router.get("/wallets", listing=WALLETS)
async def list_wallets(
    asked: ListRequest, actor: Actor, database: Database, owner: UUID | None = None
) -> Page[WalletView]:
    """The caller's wallets. Operators may ask for those of another `owner`."""
    if owner is not None and owner != actor.id:
        actor.require(PaymentsPermission.OPERATE)
    return await WALLETS.page(database, asked, owner=owner or actor.id)


@router.post(
    "/wallets", status=201, view=WalletView.of, location="/api/v1/wallets/{id}", idempotent="required"
)
async def add_wallet(body: WalletBody, actor: Actor, ports: PaymentsPorts) -> Wallet:
    """Open a wallet in one more currency. One person has one in each."""
    return await open_wallet(OpenWallet(body.currency, actor), ports)


@router.get("/wallets/{wallet_id}")
async def read_wallet(wallet_id: WalletId, actor: Actor, database: Database) -> WalletView:
    """One wallet of the caller's; any, for operators."""
    return await one_wallet(database, wallet_id, actor)


@router.patch("/wallets/{wallet_id}", view=WalletView.of)
async def change_wallet(
    wallet_id: WalletId, body: WalletChanges, version: ExpectedVersion, actor: Actor, ports: PaymentsPorts
) -> Wallet:
    """Change the limits of a wallet. Needs the permission `payments.operate`."""
    return await change_rules(ChangeRules(wallet_id, body.changes(), actor, version), ports)


@router.put("/wallets/{wallet_id}/freeze")
async def freeze_wallet(wallet_id: WalletId, actor: Actor, ports: PaymentsPorts) -> None:
    """Nothing goes out of it any more; what is held already may be captured. Needs `payments.operate`."""
    await set_freeze(SetFreeze(wallet_id, True, actor), ports)


@router.delete("/wallets/{wallet_id}/freeze")
async def thaw_wallet(wallet_id: WalletId, actor: Actor, ports: PaymentsPorts) -> None:
    """End a freeze. Needs `payments.operate`."""
    await set_freeze(SetFreeze(wallet_id, False, actor), ports)


@router.get("/wallets/{wallet_id}/entries", listing=ENTRIES)
async def list_entries(
    wallet_id: WalletId, asked: ListRequest, actor: Actor, database: Database
) -> Page[EntryView]:
    """What went into a wallet and out of it, the newest first."""
    await one_wallet(database, wallet_id, actor)
    return await ENTRIES.page(database, asked, wallet=wallet_id)


@router.post(
    "/deposits", status=201, view=TransferView.of, location="/api/v1/transfers/{id}", idempotent="required"
)
async def make_deposit(body: CashBody, actor: Actor, ports: PaymentsPorts) -> Journal:
    """Somebody has brought money to the house. Needs `payments.operate`."""
    command = Deposit(body.wallet, body.amount.money(), actor, body.description, body.effective_at)
    return await deposit(command, ports)


@router.post(
    "/withdrawals", status=201, view=TransferView.of, location="/api/v1/transfers/{id}", idempotent="required"
)
async def make_withdrawal(body: CashBody, actor: Actor, ports: PaymentsPorts) -> Journal:
    """Somebody has got money from the house. Needs `payments.operate`."""
    command = Withdraw(body.wallet, body.amount.money(), actor, body.description, body.effective_at)
    return await withdraw(command, ports)


@router.post(
    "/conversions", status=201, view=TransferView.of, location="/api/v1/transfers/{id}", idempotent="required"
)
async def make_conversion(body: ConversionBody, actor: Actor, ports: PaymentsPorts) -> Journal:
    """Sell money of one currency to the house for another, at a rate. Needs `payments.operate`."""
    amount, rate = body.amount.money(), Rate.of(body.rate)
    command = Convert(
        body.from_wallet, body.to_wallet, amount, rate, actor, body.description, body.effective_at
    )
    return await convert(command, ports)
