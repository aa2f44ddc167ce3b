"""The served product with the sample routes beside it."""

from collections.abc import AsyncIterator

import pytest

from tests.kernel.http.sample_routes import Ledger, module
from tests.kernel.http.serving import Served, ada, bob, served_url, served_with, settings
from tests.kernel.samples import create_tables, metadata

__all__ = ["ada", "bob", "served_url"]


@pytest.fixture(scope="session")
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture(scope="session")
async def served(served_url: str, ledger: Ledger) -> AsyncIterator[Served]:
    async with served_with(settings(served_url), [module(ledger)]) as running:
        await create_tables(served_url, metadata)
        yield running
