"""Servers to talk to: one for each database and way to register, shared by all tests of a process."""

from collections.abc import Iterator

import pytest

from bailiwick.kernel.testing import create_database, drop_database
from tests.acceptance.server import Server, serving


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def shared_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('acceptance') / 'bailiwick.db'}"
        return
    postgres: str = request.getfixturevalue("postgres")
    url = create_database(postgres)
    yield url
    drop_database(postgres, url)


@pytest.fixture(scope="session")
def server(shared_url: str) -> Iterator[Server]:
    """Two workers, where who registers is signed in at once."""
    with serving(shared_url) as running:
        yield running


@pytest.fixture(scope="session")
def discreet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers that tell nobody who has an account: the rest of a registration goes by mail."""
    url = f"sqlite:///{tmp_path_factory.mktemp('discreet') / 'bailiwick.db'}"
    with serving(url, BAILIWICK_REGISTRATION__MODE="verified") as running:
        yield running
