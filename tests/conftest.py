"""Servers and databases for every test. Nothing is started before a test asks for it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from structlog._config import BoundLoggerLazyProxy

from bailiwick.kernel.testing import (
    create_database,
    drop_database,
    nats_server,
    postgres_server,
    valkey_server,
)


@pytest.fixture(autouse=True)
def loggers_bind_anew() -> None:
    """A logger keeps what was configured at its first use, which was another test's."""
    for name, module in list(sys.modules.items()):
        if name.startswith("bailiwick.") and isinstance(
            log := getattr(module, "log", None), BoundLoggerLazyProxy
        ):
            vars(log).pop("bind", None)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a real PostgreSQL server, one per test process. It is up in half a second."""
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def valkey() -> Iterator[str]:
    """The URL of a real Valkey server, one per test process."""
    with valkey_server() as url:
        yield url


@pytest.fixture(scope="session")
def nats_url() -> Iterator[str]:
    """The URL of a real NATS server with JetStream, one per test process. Tests use prefixes of their own."""
    with nats_server() as url:
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


@pytest.fixture
def redis_url(valkey: str) -> str:
    """An empty Valkey database. Of a server named by REDIS_URL, the named database is emptied."""
    with redis.Redis.from_url(valkey) as client:
        client.flushdb()
    return valkey
