"""A town: people with accounts, and a backend that carries profiles only."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import httpx2
from sqlalchemy import func, select

from bailiwick.backend import Backend
from bailiwick.identity.contract import Identity, Person
from bailiwick.kernel.application import Actor, Unauthenticated
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.domain import Aggregate, Event
from bailiwick.kernel.http.authentication import Authentication, VerifiedToken
from bailiwick.kernel.messaging.outbox import event_type, stored_event
from bailiwick.kernel.messaging.tables import events as log
from bailiwick.kernel.messaging.tables import work
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Database
from bailiwick.main import http_application
from bailiwick.profiles.infrastructure.unit_of_work import SqlProfilesUnitOfWork

ME = "/api/v1/profiles/me"
USERNAME = "/api/v1/profiles/me/username"
ALL = "/api/v1/profiles"

_COUNT = select(func.count()).select_from(work)


@dataclass
class Registry:
    """Answers for identity from memory."""

    known: dict[UUID, Person] = field(default_factory=dict)

    async def people(self, ids: Sequence[UUID]) -> dict[UUID, Person]:
        return {id: self.known[id] for id in ids if id in self.known}


@dataclass(eq=False, kw_only=True)
class Resident(Aggregate):
    """Whoever an event of identity is about."""

    id: UUID


class Town:
    def __init__(self, database_url: str) -> None:
        settings = Settings(contexts=["profiles"], database=Database(url=database_url))
        built = Backend.build(settings)
        self.registry = Registry()
        built.platform.contracts[Identity] = self.registry
        self._actors: dict[str, Actor] = {}
        authentication = Authentication(self._verify, now=lambda: 0.0)
        authentication.learn(set(), {}, 0.0)
        modules = tuple(dataclasses.replace(m, authentication=authentication) for m in built.modules)
        self.backend = Backend(built.platform, modules)
        self.app = http_application(self.backend)
        self.database = built.platform.database
        self.worker = self.backend.messaging.worker()

    def _verify(self, token: str) -> VerifiedToken:
        if token not in self._actors:
            raise Unauthenticated("no such token")
        return VerifiedToken(self._actors[token], 0, 60.0)

    def settle(self, email: str = "erna@example.com", full_name: str = "Erna Bauer") -> UUID:
        """Somebody gets an account; profiles has not heard of it."""
        user_id = uuid4()
        self.registry.known[user_id] = Person(user_id, email, full_name)
        return user_id

    def browser(self, user_id: UUID, *permissions: str) -> httpx2.AsyncClient:
        token = f"{user_id}{permissions}".replace(" ", "")
        self._actors[token] = Actor(user_id, "user", frozenset(permissions))
        return self.stranger(Authorization=f"Bearer {token}")

    def stranger(self, **headers: str) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=self.app)
        return httpx2.AsyncClient(transport=transport, base_url="http://town", headers=headers)

    async def tell(self, *events: Event) -> None:
        """Publish events and deliver everything that is due, one after the other."""
        for event in events:
            await self.database.write(self._stored(event))
            await self.deliver()

    def _stored(self, event: Event) -> list[Write]:
        return stored_event(Resident(id=uuid4(), version=1), event, 0, self.database.readers)

    async def deliver(self) -> None:
        await self.worker.until_idle()

    async def undelivered(self) -> int:
        row = await self.database.first(_COUNT)
        return int(row[0]) if row else 0

    async def published(self, kind: type[Event]) -> list[dict[str, object]]:
        """What was said in the events of this kind, in the order of their making."""
        said = select(log.c.payload).where(log.c.type == event_type(kind)).order_by(log.c.id)
        return [row[0] for row in await self.database.all(said)]

    def unit_of_work(self) -> SqlProfilesUnitOfWork:
        return SqlProfilesUnitOfWork(self.database)
