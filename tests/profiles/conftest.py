"""Profiles alone in a process, with a stand-in for identity."""

from collections.abc import AsyncIterator

import pytest

from bailiwick.kernel.database import migrations
from tests.profiles.town import Town


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    await migrations.upgrade_async(database_url, ["profiles"])
    town = Town(database_url)
    async with town.backend.opened():
        yield town
