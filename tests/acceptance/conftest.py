"""Servers to talk to: one for each database and way to register, shared by all tests of a process."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bailiwick.kernel.testing import create_database, drop_database
from tests.acceptance.server import Server, serving
from tests.acceptance.split import TRANSPORTS, split


@pytest.fixture(scope="session", params=["sqlite", "postgresql", *TRANSPORTS])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers, where who registers is signed in at once; or two processes of two workers each."""
    if request.param == "sqlite":
        with serving(f"sqlite:///{tmp_path_factory.mktemp('acceptance') / 'bailiwick.db'}") as running:
            yield running
        return
    postgres: str = request.getfixturevalue("postgres")
    with a_database(postgres) as url:
        if request.param == "postgresql":
            with serving(url) as running:
                yield running
            return
        transport = TRANSPORTS[request.param]
        told = transport.settings(request.getfixturevalue(transport.server))
        with a_database(postgres) as another, split(url, another, **told) as halves:
            yield halves


@contextmanager
def a_database(postgres: str) -> Iterator[str]:
    url = create_database(postgres)
    yield url
    drop_database(postgres, url)


@pytest.fixture(scope="session")
def discreet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers that tell nobody who has an account: the rest of a registration goes by mail."""
    url = f"sqlite:///{tmp_path_factory.mktemp('discreet') / 'bailiwick.db'}"
    with serving(url, BAILIWICK_REGISTRATION__MODE="verified") as running:
        yield running
