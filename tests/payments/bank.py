"""Payments alone in a process, with a clock that tests turn, and people who have wallets."""

import dataclasses
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx2 as httpx
from pydantic import SecretStr
from sqlalchemy import func, select

from bailiwick.backend import Backend
from bailiwick.kernel.application import NO_CAUSE, Actor, Unauthenticated
from bailiwick.kernel.http.authentication import Authentication, VerifiedToken
from bailiwick.kernel.http.retries import until_uncontended
from bailiwick.kernel.money import Money
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Database, Limits, Payments
from bailiwick.main import http_application
from bailiwick.payments.application.holds import HousePayments
from bailiwick.payments.application.ports import PaymentsPorts
from bailiwick.payments.application.transfers import Deposit, MakeTransfer, Transfer, deposit, make_transfer
from bailiwick.payments.contract import PaymentsPermission
from bailiwick.payments.domain.journal import Journal
from bailiwick.payments.domain.wallet import Wallet, WalletId, WalletRules
from bailiwick.payments.infrastructure.tables import entries, holds, wallets
from bailiwick.payments.infrastructure.unit_of_work import SqlPaymentsUnitOfWork
from bailiwick.payments.module import module
from tests.interruptions import interrupted

FAR_AWAY = 4e9  # seconds: a token of these tests never expires
SERVICE_TOKEN = "service-0123456789abcdef-0123456789abcdef"
TELLER = Actor(uuid4(), "admin", frozenset({PaymentsPermission.OPERATE}))

_POSTED = select(wallets.c.id, wallets.c.posted, wallets.c.held)
_ENTERED = select(entries.c.wallet_id, func.sum(entries.c.amount)).group_by(entries.c.wallet_id)
_HELD = (
    select(holds.c.wallet_id, func.sum(holds.c.amount))
    .where(holds.c.status == "open")
    .group_by(holds.c.wallet_id)
)
_SUMS = select(entries.c.currency, func.sum(entries.c.amount)).group_by(entries.c.currency)


def nad(amount: int) -> Money:
    return Money(amount, "NAD")


class Bank:
    def __init__(self, database_url: str, rules: Payments | None = None) -> None:
        settings = Settings(
            contexts=["payments"],
            database=Database(url=database_url),
            limits=Limits(enabled=False),
            payments=rules or Payments(),
            service_token=SecretStr(SERVICE_TOKEN),
        )
        built = Backend.build(settings)
        platform = dataclasses.replace(built.platform, clock=self.now)
        self._later = timedelta(0)
        self._actors: dict[str, Actor] = {}
        authentication = Authentication(self._verify, now=lambda: 0.0)
        authentication.learn(set(), {}, 0.0)
        wired = dataclasses.replace(module(platform), authentication=authentication)
        self.backend = Backend(platform, (wired,))
        self.database = platform.database
        self.database.readers = self.backend.messaging.readers.own
        self.ports = self.backend.provided(PaymentsPorts)
        self.house = HousePayments(self.ports)
        self.app = http_application(self.backend)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._later

    def wait(self, time: timedelta) -> None:
        """Turn the clock."""
        self._later += time

    async def work(self) -> None:
        """Do all jobs that are due."""
        await self.backend.messaging.worker().until_idle()

    def interrupted(self, after: int, meanwhile: Callable[[], Awaitable[None]]) -> HousePayments:
        """The same house, and what somebody else does after so many of its reads."""
        database = interrupted(self.database, after, meanwhile)
        return HousePayments(dataclasses.replace(self.ports, uow=lambda: SqlPaymentsUnitOfWork(database)))

    def _verify(self, token: str) -> VerifiedToken:
        if token not in self._actors:
            raise Unauthenticated("no such token")
        return VerifiedToken(self._actors[token], 0, FAR_AWAY)

    def browser(self, actor: Actor, **headers: str) -> httpx.AsyncClient:
        """A client that is signed in. It sends a new Idempotency-Key with each request."""
        token = f"{actor.id}/{len(actor.permissions)}"
        self._actors[token] = actor

        async def with_a_key(request: httpx.Request) -> None:
            request.headers.setdefault("Idempotency-Key", str(uuid4()))

        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app),
            base_url="http://bank",
            headers={"Authorization": f"Bearer {token}", **headers},
            event_hooks={"request": [with_a_key]},
        )

    async def person(
        self, amount: int = 0, currency: str = "NAD", *, overdraft: int = 0, daily_limit: int | None = None
    ) -> "Customer":
        """Somebody new with a wallet and so much in it."""
        return await self.customer(Actor(uuid4(), "user"), amount, currency, overdraft, daily_limit)

    async def customer(
        self, actor: Actor, amount: int = 0, currency: str = "NAD", overdraft: int = 0,
        daily_limit: int | None = None,
    ) -> "Customer":  # fmt: skip
        rules = WalletRules(overdraft, daily_limit)
        wallet = Wallet.open(WalletId(self.ports.new_id()), actor.id, currency, rules, self.now())
        async with self.ports.uow() as uow:
            uow.wallets.add(wallet)
            await uow.commit(None)
        if amount:
            await deposit(Deposit(wallet.id, Money(amount, currency), TELLER), self.ports)
        return Customer(self, actor, wallet.id)

    async def wallet(self, id: UUID) -> Wallet:
        return await SqlPaymentsUnitOfWork(self.database).wallets.get(WalletId(id))

    async def balance(self, id: UUID) -> tuple[int, int]:
        """What is posted and what is held."""
        wallet = await self.wallet(id)
        return wallet.posted, wallet.held

    async def flaws(self) -> list[str]:
        """Where the books do not agree with themselves."""
        entered: dict[UUID, int] = dict(await self.database.all(_ENTERED))
        held: dict[UUID, int] = dict(await self.database.all(_HELD))
        found = [f"{currency} sums to {total}" for currency, total in await self.database.all(_SUMS) if total]
        for id, posted, set_aside in await self.database.all(_POSTED):
            if (posted, set_aside) != (entered.get(id, 0), held.get(id, 0)):
                found.append(f"{id}: {posted}, {set_aside}, not {entered.get(id, 0)}, {held.get(id, 0)}")
        return found


@dataclasses.dataclass(frozen=True)
class Customer:
    bank: Bank
    actor: Actor
    wallet: WalletId

    async def pay(self, payee: "Customer", amount: int, description: str = "") -> Journal:
        """Transfer money, as often as the application would try."""
        transfer = Transfer(self.wallet, payee.wallet, nad(amount), description)
        command = MakeTransfer(transfer, self.actor)
        return await until_uncontended(lambda: make_transfer(command, self.bank.ports), NO_CAUSE)

    async def has(self) -> tuple[int, int]:
        return await self.bank.balance(self.wallet)
