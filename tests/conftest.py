"""Servers and databases for every test. Nothing is started before a test asks for it."""

import sys
from collections.abc import Iterator

import pytest
import redis
from structlog._config import BoundLoggerLazyProxy

from bailiwick.kernel.testing import nats_server, valkey_server
from bailiwick.tooling.fixtures import anyio_backend, database_url, postgres, postgresql_url, sqlite_url

__all__ = ["anyio_backend", "database_url", "postgres", "postgresql_url", "sqlite_url"]


@pytest.fixture(autouse=True)
def loggers_bind_anew() -> None:
    """A logger keeps what was configured at its first use, which was another test's."""
    for name, module in sys.modules.copy().items():  # at once: a thread of another test may still import
        if name.startswith("bailiwick.") and isinstance(
            log := getattr(module, "log", None), BoundLoggerLazyProxy
        ):
            vars(log).pop("bind", None)


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
def redis_url(valkey: str) -> str:
    """An empty Valkey database. Of a server named by REDIS_URL, the named database is emptied."""
    with redis.Redis.from_url(valkey) as client:
        client.flushdb()
    return valkey
