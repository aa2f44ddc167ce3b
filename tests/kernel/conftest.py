"""Databases with the sample tables and the messages, opened."""

from collections.abc import AsyncIterator

import pytest

from bailiwick.kernel.database.connections import Database
from tests.kernel.samples import create_tables, database_at


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Opened, on either engine, with the tables of tests/kernel/samples.py."""
    await create_tables(database_url)
    opened = database_at(database_url)
    await opened.open()
    yield opened
    await opened.close()
