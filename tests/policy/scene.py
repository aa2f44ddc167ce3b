"""One caller, and everything that a route could be about: made anew for every answer that is asked for."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx2 as httpx
from uuid_utils.compat import uuid7

from bailiwick.backend import Backend
from bailiwick.catalog.application.ports import CatalogPorts
from bailiwick.identity.application.ports import IdentityPorts, TokenKind
from bailiwick.identity.application.sign_in import begin_session
from bailiwick.identity.domain.link import Link, LinkId, LinkPurpose
from bailiwick.identity.domain.session import Device, Session
from bailiwick.identity.domain.user import Email, User, UserId
from bailiwick.identity.infrastructure.passwords import Argon2Passwords, HashingSettings
from bailiwick.kernel.database import migrations
from bailiwick.kernel.module import Module
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Argon2, Limits, Passwords
from bailiwick.kernel.settings.sections import Database as DatabaseSettings
from bailiwick.main import http_application
from bailiwick.orders.application.ports import OrdersPorts
from bailiwick.payments.application.ports import PaymentsPorts
from bailiwick.tasks.application.ports import TasksPorts
from bailiwick.tasks.domain.task import Task, TaskDetails, TaskId
from tests.policy import goods, purse, sales, work

PASSWORD = "zebra quilts in april"
ANOTHER = "lanterns beside a quiet lake"
HASH = Argon2Passwords(HashingSettings(8192, 1))._hash(PASSWORD)
DEVICE = Device(id=None, name=None, user_agent="", address="192.0.2.7")
FAR = ("192.0.2.7", 4711)
"""Where the callers are: not on the machine that serves, which may see more."""

ABOUT_ACCOUNTS = ("self", "guest", "user", "staff", "admin", "super_admin")


@dataclass(frozen=True)
class Scene:
    """`role` is None for a caller who is not signed in. `about` is a word of the table's second column."""

    app: Any
    role: str | None
    about: str
    caller: User
    session: Session
    access_token: str
    refresh_token: str
    target: UUID
    gone: bool
    own_task: UUID
    other_task: UUID
    other_session: UUID
    reset_token: str
    verify_token: str
    work: Mapping[str, UUID]
    reader: str
    goods: Mapping[str, UUID]
    purse: Mapping[str, UUID]
    sales: Mapping[str, UUID]

    @property
    def task(self) -> UUID:
        return {"own": self.own_task, "another's": self.other_task}.get(self.about, uuid7())

    @property
    def session_id(self) -> UUID:
        return {"own": self.session.id, "another's": self.other_session}.get(self.about, uuid7())

    async def ask(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.access_token}"} if self.role else {}
        if method == "POST":
            headers["Idempotency-Key"] = uuid7().hex
        transport = httpx.ASGITransport(app=self.app, client=FAR)
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            return await client.request(method, path, json=body)


class Stage:
    """The running product, and the making of scenes on it."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.app = http_application(backend)
        self._identity = backend.provided(IdentityPorts)
        self._tasks = backend.provided(TasksPorts)
        self._catalog = backend.provided(CatalogPorts)
        self._payments = backend.provided(PaymentsPorts)
        self._orders = backend.provided(OrdersPorts)

    async def scene(self, role: str | None, about: str) -> Scene:
        ports, now = self._identity, self._identity.clock()
        caller, other = self._person(role or "user", now), self._person("user", now)
        target = self._person(about, now) if about in ABOUT_ACCOUNTS[1:] else caller
        gone = self._person("user", now)
        gone.deleted_at = now
        session, others = self._session(caller, now), self._session(other, now)
        reset, verify = (
            self._link(LinkPurpose.RESET, caller, now),
            self._link(LinkPurpose.VERIFY, caller, now),
        )
        async with ports.uow() as uow:
            for person in {id(p): p for p in (caller, other, target, gone)}.values():
                person.pull_events()
                uow.users.add(person)
            for each in (session, others):
                each.pull_events()
                uow.sessions.add(each)
            for link in (reset, verify):
                link.pull_events()
                uow.links.add(link)
            held = await uow.roles.named(caller.role)
            await uow.commit(None)
        seal = ports.seals.seal
        return Scene(
            app=self.app,
            role=role,
            about=about,
            caller=caller,
            session=session,
            access_token=ports.access.issue(caller, held, session.id, now),
            refresh_token=seal(TokenKind.REFRESH, session.id, session.seed, session.generation),
            target={"nobody": UserId(uuid7()), "a deleted user": gone.id}.get(about, target.id),
            gone=about == "a deleted user",
            own_task=await self._task(caller.id),
            other_task=await self._task(other.id),
            other_session=others.id,
            reset_token=seal(TokenKind.RESET, reset.id, reset.seed),
            verify_token=seal(TokenKind.VERIFY, verify.id, verify.seed),
            work=await work.left(self.backend.platform.database, about),
            reader=await work.reader(self.backend.platform.database, about),
            goods=await goods.stocked(self._catalog, about),
            purse=await purse.filled(self._payments, caller.id, other.id, about),
            sales=await sales.made(self._orders, self._catalog, caller.id, other.id, about),
        )

    def _person(self, role: str, now: datetime) -> User:
        id = UserId(uuid7())
        address = f"{id.hex}@example.com"
        return User.register(id, Email(address, address), "Ada Lovelace", now, password_hash=HASH, role=role)

    def _session(self, user: User, now: datetime) -> Session:
        return begin_session(user, DEVICE, self._identity, now, remember=True, crowd=[])

    def _link(self, purpose: LinkPurpose, user: User, now: datetime) -> Link:
        seed, rules = self._identity.seals.new_seed(), self._identity.rules
        id = LinkId(uuid7())
        return Link.request(id, purpose, user.email.key, user.id, seed, rules.reset_lifetime, now)

    async def _task(self, owner: UUID) -> UUID:
        async with self._tasks.uow() as uow:
            now = self._tasks.clock()
            task = Task.create(TaskId(uuid7()), owner, TaskDetails(title="Water the plants"), now)
            task.complete(now)
            task.pull_events()
            uow.tasks.add(task)
            await uow.commit(None)
        return task.id


@asynccontextmanager
async def staged(
    url: str,
    change: Callable[[tuple[Module, ...]], tuple[Module, ...]] | None = None,
    *,
    admin_may_set: bool = True,
) -> AsyncIterator[Stage]:
    """The product on an empty database, its modules changed by `change`, its hashes cheap."""
    settings = Settings(
        database=DatabaseSettings(url=url),
        limits=Limits(enabled=False),
        passwords=Passwords(
            admin_may_set=admin_may_set, hash_wait=30, argon2=Argon2(memory_kib=8192, time_cost=1)
        ),
    )
    await migrations.upgrade_async(url, settings.contexts)
    built = Backend.build(settings)
    backend = Backend(built.platform, change(built.modules) if change else built.modules)
    async with backend.running():
        yield Stage(backend)
