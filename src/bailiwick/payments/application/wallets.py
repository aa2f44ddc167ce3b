"""Opening wallets, and what operators decide about them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bailiwick.identity.contract import UserRegistered
from bailiwick.kernel.application import Actor
from bailiwick.payments.application.ports import PaymentsPorts, PaymentsUnitOfWork
from bailiwick.payments.contract import PaymentsPermission
from bailiwick.payments.domain.terms import NoWallet
from bailiwick.payments.domain.wallet import HouseAccount, Wallet, WalletId


async def on_user_registered(event: UserRegistered, ports: PaymentsPorts) -> None:
    """Everybody gets a wallet, once."""
    async with ports.uow() as uow:
        if await uow.wallets.of_owner(event.user_id, ports.currency) is None:
            id, now = WalletId(ports.new_id()), ports.clock()
            uow.wallets.add(Wallet.open(id, event.user_id, ports.currency, ports.rules, now))
        await uow.commit(None)


@dataclass(frozen=True)
class OpenWallet:
    """A wallet of the caller's in one more currency."""

    currency: str
    by: Actor


async def open_wallet(command: OpenWallet, ports: PaymentsPorts) -> Wallet:
    """Raises WalletExists, and UnknownCurrency."""
    id, now = WalletId(ports.new_id()), ports.clock()
    async with ports.uow() as uow:
        wallet = Wallet.open(id, command.by.id, command.currency, ports.rules, now)
        uow.wallets.add(wallet)
        return await uow.commit(wallet)


@dataclass(frozen=True)
class ChangeRules:
    """Take over the named limits of a wallet."""

    wallet_id: WalletId
    changes: Mapping[str, int | None]
    by: Actor
    version: int | None = None


async def change_rules(command: ChangeRules, ports: PaymentsPorts) -> Wallet:
    command.by.require(PaymentsPermission.OPERATE)
    async with ports.uow() as uow:
        wallet = await uow.wallets.get(command.wallet_id, version=command.version)
        wallet.change_rules(command.changes, ports.clock())
        return await uow.commit(wallet)


@dataclass(frozen=True)
class SetFreeze:
    """Freeze a wallet, or thaw it."""

    wallet_id: WalletId
    frozen: bool
    by: Actor


async def set_freeze(command: SetFreeze, ports: PaymentsPorts) -> None:
    command.by.require(PaymentsPermission.OPERATE)
    async with ports.uow() as uow:
        wallet = await uow.wallets.get(command.wallet_id)
        change = wallet.freeze if command.frozen else wallet.thaw
        change(ports.clock())
        await uow.commit(None)


@dataclass(frozen=True)
class Drawer:
    """`wallets` are those that were found of the ones asked for."""

    uow: PaymentsUnitOfWork
    wallets: dict[WalletId, Wallet]
    now: datetime

    def own(self, id: WalletId, owner_id: UUID, field: str) -> Wallet:
        """Raises NoWallet, also for somebody else's."""
        wallet = self.wallets.get(id)
        if wallet is None or wallet.owner_id != owner_id:
            raise NoWallet("you have no such wallet", field=field)
        return wallet

    def of_anybody(self, id: WalletId, field: str) -> Wallet:
        """A wallet of any person. Raises NoWallet, also for one of the house."""
        wallet = self.wallets.get(id)
        if wallet is None or wallet.owner_id is None:
            raise NoWallet("no such wallet", field=field)
        return wallet

    def of_the_house(self, account: HouseAccount, currency: str) -> Wallet:
        id = account.wallet_id(currency)
        if id not in self.wallets:
            self.wallets[id] = Wallet.of_the_house(account, currency, self.now)
            self.uow.wallets.add(self.wallets[id])
        return self.wallets[id]
