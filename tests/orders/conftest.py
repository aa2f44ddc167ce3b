"""A town with a shop, on both databases."""

from collections.abc import AsyncIterator

import pytest

from tests.orders.town import SHOP, Person, Town, opened


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    async with opened(database_url) as town:
        yield town


@pytest.fixture
def ada(town: Town) -> Person:
    """A customer with 10,000.00 in the purse."""
    return town.person()


@pytest.fixture
def shop(town: Town) -> Person:
    """Somebody who manages orders."""
    return town.person(may=SHOP)
