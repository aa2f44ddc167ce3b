"""Databases with the sample tables and the messages, opened."""

from collections.abc import AsyncIterator, Iterator

import pytest

from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.testing import create_database, drop_database
from tests.kernel.samples import create_tables, database_at


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Opened, on either engine, with the tables of tests/kernel/samples.py."""
    await create_tables(database_url)
    opened = database_at(database_url)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def postgresql(postgresql_url: str) -> AsyncIterator[Database]:
    """Opened, on PostgreSQL."""
    async for opened in _opened(postgresql_url):
        yield opened


@pytest.fixture(params=["redis", "nats"])
def broker(request: pytest.FixtureRequest) -> str:
    """Runs the test with each kind of broker."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def second_url(database_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """Another database of the same engine."""
    if database_url.startswith("sqlite:"):
        yield database_url.replace("bailiwick.db", "second.db")
        return
    server: str = request.getfixturevalue("postgres")
    url = create_database(server)
    yield url
    drop_database(server, url)


@pytest.fixture
async def second(second_url: str) -> AsyncIterator[Database]:
    async for opened in _opened(second_url):
        yield opened


@pytest.fixture
def second_postgresql_url(postgres: str) -> Iterator[str]:
    url = create_database(postgres)
    yield url
    drop_database(postgres, url)


@pytest.fixture
async def second_postgresql(second_postgresql_url: str) -> AsyncIterator[Database]:
    async for opened in _opened(second_postgresql_url):
        yield opened


async def _opened(url: str) -> AsyncIterator[Database]:
    await create_tables(url)
    opened = database_at(url)
    await opened.open()
    yield opened
    await opened.close()
