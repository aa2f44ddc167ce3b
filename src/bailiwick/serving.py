"""The server: granian workers around the application, told how many, where, and how to stop."""

import asyncio
import ctypes
import fcntl
import json
import logging
import os
import resource
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import uvloop
from granian import loops
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.mp import MPServer

from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import own_address
from bailiwick.kernel.stopping import farewells

# This process only watches its workers. It imports neither the application nor what makes ids or metrics:
# workers are forked from it, and two workers must not inherit the state of one random generator.

TARGET = "bailiwick.main:create_app"
SERVER_LOG = "_granian"
METRICS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
METRICS_PREFIX = "bailiwick-metrics-"
ABANDONED_SECONDS = 60.0
BACKLOG = 2048  # connections that wait for a worker
MOST_CONNECTIONS = 4096  # of one worker, idle ones included
LOOP = "patient"  # the name by which granian knows our event loop
FAREWELL_SECONDS = 2.0
ORDERS = (signal.SIGTERM, signal.SIGINT)  # to stop
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
LIBC = ctypes.CDLL(None)  # loaded before any fork: a thread of ours may hold the loader's lock during one


class CannotServe(Exception):
    """The server cannot start. The text says why and what to do."""


class PatientServer(MPServer):
    """Granian gives up where a worker dies twice in 5.5 s. One that was killed does not count here."""

    def _respawn_workers(self, workers: list[int], *rest: Any, **options: Any) -> None:
        killed = [index for index in workers if self.wrks[index].inner.exitcode == -signal.SIGKILL]
        super()._respawn_workers(workers, *rest, **options)
        for index in killed:
            self.respawned_wrks.pop(index, None)
        if self.interrupt_children:  # died meanwhile: the loop has just forgotten that it was woken
            self.main_loop_interrupt.set()


class PatientLoop(uvloop.Loop):
    """Lets the application say farewell before the server hears of the order to stop.

    Granian waits for streams without telling them, and drops web sockets without a word.
    """

    _leaving: "asyncio.Task[None] | None" = None

    def add_signal_handler(self, sig: int, callback: Callable[..., Any], *args: Any) -> None:  # type: ignore[override]  # of whatever arguments
        super().add_signal_handler(sig, self._take_leave, callback, args)
        # While it does not run, as between the application's start and the server's, uvloop forgets an order.
        signal.signal(sig, lambda *_: self.call_soon_threadsafe(self._take_leave, callback, args))
        signal.siginterrupt(sig, False)

    def _take_leave(self, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        if self._leaving is None:
            self._leaving = self.create_task(self._farewell(callback, args))

    async def _farewell(self, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        try:
            async with asyncio.timeout(FAREWELL_SECONDS):
                await asyncio.gather(*(farewell() for farewell in farewells))
        except TimeoutError:
            logging.getLogger(SERVER_LOG).warning("live connections did not end in time")
        finally:
            callback(*args)


@loops.register(LOOP)
def _patient_loop() -> asyncio.AbstractEventLoop:
    loop = PatientLoop()
    asyncio.set_event_loop(loop)
    return loop


def check(settings: Settings, *, reload: bool = False) -> None:
    """Raises CannotServe where the address is taken or something is missing."""
    _check_address(settings.http.host, settings.http.port)
    if reload and find_spec("watchfiles") is None:
        raise CannotServe("--reload needs the package watchfiles.\nInstall it: pip install 'granian[reload]'")


def serve(settings: Settings, say: Callable[[str], object], *, reload: bool = False) -> None:
    """Serve until SIGTERM or Ctrl+C, then let running requests finish for `http.drain_seconds`.

    `say` is told once when it is up. Workers read the settings anew: what differs from them must be in the
    environment. Raises CannotServe.
    """
    check(settings, reload=reload)
    http = settings.http
    # A worker inherits our handlers and would swallow an order to stop that comes while it still starts.
    os.register_at_fork(before=_hold_orders, after_in_parent=_hear_orders, after_in_child=_die_when_told)
    with _shared_metrics(http.workers):
        server = PatientServer(
            TARGET,
            factory=True,
            address=http.host,
            port=http.port,
            interface=Interfaces.ASGI,
            workers=1 if reload else http.workers,
            loop=LOOP,  # type: ignore[arg-type]  # any name in granian's register will do
            websockets=True,
            backlog=BACKLOG,
            backpressure=min(MOST_CONNECTIONS, _raise_open_files() - 256),
            log_level=LogLevels.warning,
            log_dictconfig=_server_log(settings),
            log_access=False,
            respawn_failed_workers=not reload,
            workers_kill_timeout=http.drain_seconds,
            reload=reload,
            reload_paths=_watched() if reload else None,
            reload_ignore_worker_failure=True,
        )
        for warning in settings.warnings():
            logging.getLogger(SERVER_LOG).warning(warning)
        threading.Thread(target=_announce, args=(settings, say), daemon=True).start()
        server.serve()


def _hold_orders() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, ORDERS)


def _hear_orders() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ORDERS)


def _die_when_told() -> None:
    for order in ORDERS:
        signal.signal(order, signal.SIG_DFL)
    if sys.platform == "linux":
        # A worker must not outlive us: it would hold the address against the one who comes after us.
        LIBC.prctl(DIE_WITH_PARENT, signal.SIGKILL)
    _hear_orders()


def _check_address(host: str, port: int) -> None:
    """Workers share the port by SO_REUSEPORT, and would share it silently with a server already there."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror:
        raise CannotServe(f"{host} is not an address of this machine.\nSet http.host, or --host.") from None
    except PermissionError:
        raise CannotServe(f"Port {port} needs more rights.\nChoose one above 1023: --port 8000") from None
    except OSError as error:
        remedy = f"Stop what listens there, or choose another port: --port {port + 1} or PORT={port + 1}"
        raise CannotServe(f"Cannot listen on {host}:{port}: {error.strerror}.\n{remedy}") from None


@contextmanager
def _shared_metrics(workers: int) -> Iterator[None]:
    """A fresh directory in which several workers keep their metrics, so that any of them can show all."""
    if workers == 1:
        os.environ.pop(METRICS_DIRECTORY, None)
        yield
        return
    _remove_abandoned()
    directory = tempfile.mkdtemp(prefix=METRICS_PREFIX)
    ours = os.open(directory, os.O_RDONLY)
    fcntl.flock(ours, fcntl.LOCK_EX)  # until we and our workers are gone, however we end
    os.environ[METRICS_DIRECTORY] = directory
    try:
        yield
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(ours)


def _remove_abandoned() -> None:
    """Remove the directories of servers that were killed."""
    for directory in Path(tempfile.gettempdir()).glob(f"{METRICS_PREFIX}*"):
        with suppress(OSError):  # it is somebody else's, or its server lives
            found = os.open(directory, os.O_RDONLY)
            try:
                fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # A server that is just starting has not taken hold of its own yet.
                if time.time() - os.fstat(found).st_mtime > ABANDONED_SECONDS:
                    shutil.rmtree(directory, ignore_errors=True)
            finally:
                os.close(found)


def _raise_open_files() -> int:
    """Allow as many open files as the system lets us; every connection is one. Returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return 65_536 if soft == resource.RLIM_INFINITY else soft
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _watched() -> list[Path]:
    package = Path(__file__).parent
    own = Path.cwd() / "src"
    return [package, own] if own.is_dir() and own not in package.parents else [package]


def _announce(settings: Settings, say: Callable[[str], object]) -> None:
    """Say what to open as soon as a worker listens, which it does only once the application is up."""
    here = own_address({"host": settings.http.host, "port": settings.http.port})
    host = here.removeprefix("http://").rpartition(":")[0].strip("[]")
    while True:
        with suppress(OSError), socket.create_connection((host, settings.http.port), timeout=1):
            break
        time.sleep(0.02)
    pages = [("health", "/health")]
    if settings.http.docs:
        pages.insert(0, ("try the API", "/api/docs"))
    lines = [f"Bailiwick is ready on {here}", *(f"  {label:12} {here}{path}" for label, path in pages)]
    say("\n".join([*lines, "  Ctrl+C stops it."]))


def _server_log(settings: Settings) -> dict[str, Any]:
    as_json = settings.log.format == "json" or (settings.log.format == "auto" and settings.is_production)
    return {
        "formatters": {"server": {"()": ServerLine if as_json else logging.Formatter}},
        "handlers": {"server": {"class": "logging.StreamHandler", "formatter": "server"}},
        "loggers": {SERVER_LOG: {"handlers": ["server"], "propagate": False}},
    }


class ServerLine(logging.Formatter):
    """The server's own few lines in the form of all others."""

    def format(self, record: logging.LogRecord) -> str:
        now = datetime.fromtimestamp(record.created, UTC).isoformat()
        line = {"event": record.getMessage(), "level": record.levelname.lower(), "timestamp": now}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line | {"logger": "server"})


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    # What the command line becomes after it has checked the settings.
    serve(Settings.load(), _say, reload="--reload" in sys.argv)
