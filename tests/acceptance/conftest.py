"""Servers to talk to: one for each database and way to register, shared by all tests of a process."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from bailiwick.kernel.testing import create_database, drop_database
from tests.acceptance.server import Server, serving
from tests.acceptance.split import HALVES, SHOPS, TRANSPORTS, split


@pytest.fixture(scope="session", params=["sqlite", "postgresql", *TRANSPORTS])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers, where who registers is signed in at once; or two processes of two workers each.

    Tests that name them may also have the shop apart: catalog, payments and orders are processes then.
    """
    if request.param == "sqlite":
        with serving(f"sqlite:///{tmp_path_factory.mktemp('acceptance') / 'bailiwick.db'}") as running:
            yield running
        return
    postgres: str = request.getfixturevalue("postgres")
    if request.param == "postgresql":
        with a_database(postgres) as url, serving(url) as running:
            yield running
        return
    transport = TRANSPORTS[request.param.removesuffix(" apart")]
    parts = SHOPS if request.param.endswith(" apart") else HALVES
    told = transport.settings(request.getfixturevalue(transport.server))
    told["BAILIWICK_TRANSPORT__PREFIX"] = f"{request.param}-{os.getpid()}".replace(" ", "-")
    with ExitStack() as databases:
        urls = [databases.enter_context(a_database(postgres)) for _ in parts]
        with split(parts, urls, **told) as whole:
            yield whole


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
