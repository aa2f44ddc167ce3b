"""The product behind an HTTP client: no sockets, and a token that is just the caller's id."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import httpx2 as httpx
import pytest

from bailiwick.backend import Backend
from bailiwick.kernel.application import Actor, Unauthenticated
from bailiwick.kernel.database import migrations
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.http.authentication import Authentication, VerifiedToken
from bailiwick.kernel.module import Module
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Database as DatabaseSettings
from bailiwick.kernel.settings.sections import Http, Limits
from bailiwick.kernel.testing import create_database, drop_database
from bailiwick.main import http_application

FAR_AWAY = 4e9  # seconds: a token of these tests never expires


def verify(token: str) -> VerifiedToken:
    try:
        return VerifiedToken(Actor(UUID(token), "user"), 0, FAR_AWAY)
    except ValueError as error:
        raise Unauthenticated("not a token of ours") from error


def authentication() -> Authentication:
    made = Authentication(verify, now=lambda: 0.0)
    made.learn(set(), {}, 900)
    return made


@dataclass(frozen=True)
class Served:
    """An application and the database behind it."""

    app: Any
    database: Database

    def client(self, user: UUID | None = None, **headers: str) -> httpx.AsyncClient:
        """A client that is signed in as `user`, or as somebody new."""
        headers.setdefault("Authorization", f"Bearer {user or uuid4()}")
        return self.stranger(**headers)

    def stranger(self, **headers: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=self.app)
        return httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)


def settings(url: str, *, http: Http | None = None, limits: Limits | None = None) -> Settings:
    return Settings(
        contexts=["tasks"],
        database=DatabaseSettings(url=url),
        http=http or Http(),
        limits=limits or Limits(enabled=False),
    )


@asynccontextmanager
async def served_with(wanted: Settings, modules: Sequence[Module] = ()) -> AsyncIterator[Served]:
    """Tasks and `modules` on the database of the settings, without the relay beside it."""
    await migrations.upgrade_async(wanted.database.url, wanted.contexts)
    built = Backend.build(wanted)
    own = [replace(module, authentication=None) for module in built.modules]
    backend = Backend(built.platform, (replace(own[0], authentication=authentication()), *own[1:], *modules))
    async with backend.opened():
        yield Served(http_application(backend), backend.platform.database)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def served_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database that many tests share; each calls as somebody new, so they do not see each other."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('served') / 'bailiwick.db'}"
        return
    server: str = request.getfixturevalue("postgres")
    url = create_database(server)
    yield url
    drop_database(server, url)


@pytest.fixture(scope="session")
async def served(served_url: str) -> AsyncIterator[Served]:
    async with served_with(settings(served_url)) as running:
        yield running


@pytest.fixture
async def ada(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    """A signed-in client."""
    async with served.client() as client:
        yield client


@pytest.fixture
async def bob(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody else."""
    async with served.client() as client:
        yield client
