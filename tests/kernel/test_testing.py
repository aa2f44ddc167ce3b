"""The servers that tests run on: real, isolated, and never left behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
import redis.asyncio

from bailiwick.kernel import testing
from bailiwick.kernel.testing import create_database, drop_database, postgres_server, valkey_server

SERVERS = pytest.mark.parametrize("server", [postgres_server, valkey_server])
Server = Callable[[], AbstractContextManager[str]]

OWNER = """
import signal, time
from bailiwick.kernel.testing import {server}
signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs are born deaf to it
with {server}() as url:
    print(url, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def own_servers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """No servers from the environment; the directories of our own are made below the path."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    place = Path("/tmp") / f"bailiwick-test-{os.getpid()}"  # noqa: S108 - a place open to all is meant
    place.mkdir()
    place.chmod(0o1777)
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr("tempfile.tempdir", str(place))
    yield place
    place.rmdir()


def listening(url: str) -> bool:
    assert url
    address = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((address.hostname or "", address.port or 0)) == 0


def holds_within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


async def test_postgresql_is_real_and_gives_every_test_an_empty_database(postgresql_url: str) -> None:
    connection = await asyncpg.connect(postgresql_url)
    version = await connection.fetchval("SELECT version()")
    tables = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    lowered = await connection.fetchval("SELECT lower('ÄÉ')")
    await connection.close()
    assert version.startswith("PostgreSQL")
    assert (tables, lowered) == (0, "äé")


async def test_two_databases_of_one_server_do_not_see_each_other(postgres: str, postgresql_url: str) -> None:
    connection = await asyncpg.connect(postgresql_url)
    await connection.execute("CREATE TABLE only_here (id int)")
    await connection.close()
    other = create_database(postgres)
    connection = await asyncpg.connect(other)
    found = await connection.fetchval("SELECT to_regclass('only_here')")
    await connection.close()
    drop_database(postgres, other)
    assert found is None


async def test_a_database_made_from_a_template_starts_with_its_content(
    postgres: str, postgresql_url: str
) -> None:
    connection = await asyncpg.connect(postgresql_url)
    await connection.execute("CREATE TABLE prepared AS SELECT 42 AS answer")
    await connection.close()
    copied = create_database(postgres, template=postgresql_url)
    connection = await asyncpg.connect(copied)
    answer = await connection.fetchval("SELECT answer FROM prepared")
    await connection.close()
    drop_database(postgres, copied)
    assert answer == 42


async def test_dropping_a_database_cuts_the_connections_that_are_left(postgres: str) -> None:
    url = create_database(postgres)
    connection = await asyncpg.connect(url)
    drop_database(postgres, url)
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, ConnectionError)):
        await connection.fetchval("SELECT 1")
    connection.terminate()


def test_a_database_url_names_an_empty_database_of_each_kind(database_url: str) -> None:
    assert urlsplit(database_url).scheme in {"sqlite", "postgresql"}
    assert not Path(database_url.removeprefix("sqlite:///")).exists()


async def test_valkey_is_real_and_empty_for_every_test(redis_url: str) -> None:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        assert await client.dbsize() == 0
        await client.set("left", "behind")
        assert (await client.info("server"))["server_name"] == "valkey"


async def test_a_key_that_another_test_left_is_gone(redis_url: str) -> None:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        assert await client.exists("left") == 0


@SERVERS
def test_leaving_the_block_stops_the_server_and_deletes_its_files(own_servers: Path, server: Server) -> None:
    with server() as url:
        assert listening(url)
        assert len(list(own_servers.iterdir())) == 1
    assert not listening(url)
    assert not list(own_servers.iterdir())


@SERVERS
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_server_does_not_outlive_the_process_that_started_it(
    own_servers: Path, server: Server, how: signal.Signals
) -> None:
    name = server.__name__
    with subprocess.Popen(
        [sys.executable, "-c", OWNER.format(server=name)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        url = owner.stdout.readline().strip()
        assert listening(url)
        owner.send_signal(how)
    assert holds_within(10, lambda: not listening(url))
    assert holds_within(10, lambda: not list(own_servers.iterdir()))


@SERVERS
def test_a_port_taken_at_the_last_moment_is_replaced_by_another(
    own_servers: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server((testing.LOOPBACK, 0)) as taken:
        ports = iter([taken.getsockname()[1], testing.free_port()])
        monkeypatch.setattr(testing, "free_port", lambda: next(ports))
        with server() as url:
            assert urlsplit(url).port != taken.getsockname()[1]


@SERVERS
def test_a_server_that_is_not_installed_is_an_error_that_says_what_to_install(
    own_servers: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(testing, "find_spec", lambda package: None)
    with pytest.raises(testing.ServerUnavailable, match="pip install"), server():
        pass


def test_root_runs_postgresql_from_a_copy_where_the_package_is_private(
    own_servers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(testing, "open_to_all", lambda path: path == own_servers)
    with postgres_server() as url:
        assert listening(url)


def test_servers_named_by_the_environment_are_used_and_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql+asyncpg://somebody@db.example/there")
    monkeypatch.setenv("REDIS_URL", "redis://cache.example/3")
    with postgres_server() as database, valkey_server() as cache:
        assert database == "postgresql://somebody@db.example/there"
        assert cache == "redis://cache.example/3"
