"""A small town in a database of its own, built once."""

import asyncio
from collections.abc import Iterator

import pytest

from bailiwick.kernel.testing import create_database, drop_database
from bench.staging import Town, build_town


@pytest.fixture(scope="module")
def town_url(postgres: str) -> Iterator[str]:
    url = create_database(postgres)
    yield url
    drop_database(postgres, url)


@pytest.fixture(scope="module")
def town(town_url: str) -> Town:
    return asyncio.run(build_town(town_url, people=9, tasks_each=120))
