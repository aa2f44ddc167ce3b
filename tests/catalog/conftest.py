"""The served catalogue, for every test beside this file."""

from collections.abc import AsyncIterator

import pytest

from tests.catalog.shop import Shop, opened


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[Shop]:
    """An empty catalogue, on both databases."""
    async with opened(database_url) as running:
        yield running
