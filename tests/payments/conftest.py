"""Payments on both databases. Whatever a test does, the books are right afterwards."""

from collections.abc import AsyncIterator

import pytest

from bailiwick.kernel.database import migrations
from tests.payments.bank import Bank


@pytest.fixture
async def bank(database_url: str) -> AsyncIterator[Bank]:
    await migrations.upgrade_async(database_url, ["payments"])
    bank = Bank(database_url)
    async with bank.backend.opened():
        yield bank
        assert await bank.flaws() == []
