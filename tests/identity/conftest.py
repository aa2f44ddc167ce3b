"""A running identity context on each database, with a clock that tests turn and a mailbox they read."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import pytest
from uuid_utils.compat import uuid7

from bailiwick.backend import Backend
from bailiwick.identity.application import subscribers
from bailiwick.identity.application.ports import IdentityPorts, IdentityRules, Message
from bailiwick.identity.application.registration import Register, register
from bailiwick.identity.application.sign_in import LogIn, SignedIn, log_in
from bailiwick.identity.contract import (
    EmailVerificationRequested,
    PasswordChanged,
    PasswordResetRequested,
    RegistrationRepeated,
)
from bailiwick.identity.domain.session import Device
from bailiwick.identity.domain.user import User
from bailiwick.identity.infrastructure.passwords import Argon2Passwords, HashingSettings
from bailiwick.kernel.application import Actor, Contention
from bailiwick.kernel.database.migrations import upgrade_async
from bailiwick.kernel.domain import Event
from bailiwick.kernel.messaging.handlers import Subscription, delivery
from bailiwick.kernel.messaging.worker import Worker
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Database
from tests.identity.people import NOW, PHONE, ROLES

T = TypeVar("T")

PASSWORD = "zebra-quilt-94"
REACTIONS: list[tuple[type[Event], Callable[..., Awaitable[None]]]] = [
    (PasswordResetRequested, subscribers.on_password_reset_requested),
    (EmailVerificationRequested, subscribers.on_email_verification_requested),
    (RegistrationRepeated, subscribers.on_registration_repeated),
    (PasswordChanged, subscribers.on_password_changed),
]


@dataclass
class Mailbox:
    """Mail that keeps what it was given."""

    messages: list[Message] = field(default_factory=list)

    async def send(self, message: Message) -> None:
        self.messages.append(message)

    def token(self) -> str:
        """The token of the newest link: mails about different things overtake each other."""
        linked = [message.text for message in self.messages if "#token=" in message.text]
        return linked[-1].partition("#token=")[2].split()[0]


class Town:
    """The context with its ports, and short ways to do in a test what people do."""

    def __init__(self, backend: Backend) -> None:
        self.now: datetime = NOW
        self.mailbox = Mailbox()
        self.backend = backend
        self.ports = replace(
            backend.provided(IdentityPorts),
            clock=lambda: self.now,
            mail=self.mailbox,
            passwords=Argon2Passwords(HashingSettings(8192, 1, wait_seconds=30)),
        )

    def rule(self, change: Callable[[IdentityRules], IdentityRules]) -> None:
        self.ports = replace(self.ports, rules=change(self.ports.rules))

    def wait(self, **time: float) -> None:
        self.now += timedelta(**time)

    async def deliver(self) -> None:
        """Let the subscribers of identity read what happened."""
        subscriptions = [
            Subscription(f"identity.{react.__name__}", kind, partial(react, ports=self.ports))
            for kind, react in REACTIONS
        ]
        platform = self.backend.platform
        await Worker(platform.database, list(map(delivery, subscriptions)), platform.clock).until_idle()

    async def join(self, email: str = "ada@example.com", role: str = "user") -> User:
        """A user with that role and the password of all tests, signed in nowhere."""
        joined = await register(Register(email, PASSWORD, "Ada Lovelace", True, PHONE), self.ports)
        assert joined is not None
        async with self.ports.uow() as uow:
            user = await uow.users.get(joined.user.id)
            user.role = role
            session = await uow.sessions.get(joined.session.id)
            session.ended_at = self.now
            await uow.commit(None)
        await self.deliver()
        self.mailbox.messages.clear()
        return user

    async def enter(
        self, email: str = "ada@example.com", password: str = PASSWORD, device: Device = PHONE
    ) -> SignedIn:
        return await log_in(LogIn(email, password, device, remember=True), self.ports)

    async def stored(self, user: User) -> User:
        async with self.ports.uow() as uow:
            return await uow.users.get(user.id)

    async def why_ended(self, signed_in: SignedIn) -> str | None:
        async with self.ports.uow() as uow:
            return (await uow.sessions.get(signed_in.session.id)).end_reason


def actor(user: User, session: SignedIn | None = None) -> Actor:
    permissions = frozenset(ROLES[user.role].permissions)
    return Actor(user.id, user.role, permissions, session.session.id if session else None)


async def persistently(act: Callable[[], Awaitable[T]]) -> T:
    """Do it again while somebody else was quicker, as whoever drives a handler does."""
    for _ in range(60):
        try:
            return await act()
        except Contention:
            await asyncio.sleep(0)
    raise AssertionError("contended for ever")


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    settings = Settings(contexts=["identity"], database=Database(url=database_url))
    await upgrade_async(settings.database.url, settings.contexts)
    backend = Backend.build(settings)
    async with backend.opened():
        yield Town(backend)


@pytest.fixture
def nobody() -> Actor:
    return Actor(uuid7(), "user")
