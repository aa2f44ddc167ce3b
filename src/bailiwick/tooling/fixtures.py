"""Fixtures for the tests of a project: real databases, and the product served on them without a socket.

A project's `tests/conftest.py` names this module in `pytest_plugins`.
"""

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2 as httpx
import pytest

from bailiwick.backend import Backend
from bailiwick.kernel.application import Actor, Unauthenticated
from bailiwick.kernel.database import migrations
from bailiwick.kernel.domain import Aggregate, Event
from bailiwick.kernel.http.authentication import Authentication, VerifiedToken
from bailiwick.kernel.messaging.outbox import stored_event
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Database, Limits, Redis
from bailiwick.kernel.testing import create_database, drop_database, postgres_server
from bailiwick.main import http_application
from bailiwick.tooling.project import Project

OURS = ("BAILIWICK_", "DATABASE_URL", "REDIS_URL", "PORT", "SECRET_KEY")


@dataclass(frozen=True)
class Served:
    """The product on one database, migrated and open, without what runs beside requests."""

    app: Any
    backend: Backend

    def client(self, user: UUID | None = None, *permissions: str) -> httpx.AsyncClient:
        """A client signed in as `user`, or as somebody new, who holds these permissions."""
        token = " ".join([str(user or uuid4()), *permissions])
        return self.stranger(Authorization=f"Bearer {token}")

    def stranger(self, **headers: str) -> httpx.AsyncClient:
        """A client that is not signed in."""
        transport = httpx.ASGITransport(app=self.app)
        return httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)

    async def tell(self, *events: Event) -> None:
        """Publish events and deliver everything that is due, one after the other."""
        database = self.backend.platform.database
        for event in events:
            await database.write(stored_event(_Somebody(id=uuid4(), version=1), event, 0, database.readers))
            await self.backend.messaging.worker().until_idle()


@dataclass(eq=False, kw_only=True)
class _Somebody(Aggregate):
    """Whatever the events of a test are about."""

    id: UUID


def _verify(token: str) -> VerifiedToken:
    """In tests a token is the id of its holder, and what the holder may do."""
    user, *permissions = token.split()
    try:
        return VerifiedToken(Actor(UUID(user), "user", frozenset(permissions)), 0, float("inf"))
    except ValueError as error:
        raise Unauthenticated("in tests the token is the caller's id") from error


def _authentication() -> Authentication:
    made = Authentication(_verify, now=lambda: 0.0)
    made.learn(set(), {}, 900)
    return made


def settings_on(database_url: str) -> Settings:
    """What the project is started with, as its `bailiwick.toml` says, on this database and without limits."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(OURS)]:
            patch.delenv(name)
        patch.chdir(Project.find().root)
        loaded = Settings.load()
    own = {"database": Database(url=database_url), "limits": Limits(enabled=False), "redis": Redis()}
    return loaded.model_copy(update=own)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a real PostgreSQL server, one per test process; that of DATABASE_URL, if it names one."""
    with postgres_server() as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """An SQLite database of this test's own: a file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'bailiwick.db'}"


@pytest.fixture
def postgresql_url(postgres: str) -> Iterator[str]:
    """An empty PostgreSQL database of this test's own."""
    url = create_database(postgres)
    yield url
    drop_database(postgres, url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Runs the test twice: on an empty SQLite database and on an empty PostgreSQL database."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


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
    """Runs the test twice, with all enabled contexts served on either database."""
    settings = settings_on(served_url)
    await migrations.upgrade_async(served_url, settings.contexts)
    built = Backend.build(settings)
    modules = [replace(module, authentication=None) for module in built.modules]
    first = replace(modules[0], authentication=_authentication())
    backend = Backend(built.platform, (first, *modules[1:]), built.elsewhere, built.closing)
    async with backend.opened():
        yield Served(http_application(backend), backend)


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
