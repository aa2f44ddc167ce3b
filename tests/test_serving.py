"""The server lets live connections go before it stops, and clears up after those that were killed."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvloop

from bailiwick import serving
from bailiwick.serving import PatientLoop


def order_of_leaving(loop: uvloop.Loop, monkeypatch: pytest.MonkeyPatch, seconds: float = 0.05) -> list[str]:
    """Who hears of an order to stop, in turn, where the farewell takes so long."""
    told: list[str] = []

    async def farewell() -> None:
        told.append("connections")
        await asyncio.sleep(seconds)
        told.append("connections have gone")

    def stop() -> None:
        told.append("server")
        loop.stop()

    monkeypatch.setattr(serving, "farewells", [farewell])
    loop.add_signal_handler(signal.SIGUSR1, stop)
    for after in (0.0, 0.01):  # twice, as where both the terminal and the parent send it
        loop.call_later(after, os.kill, os.getpid(), signal.SIGUSR1)
    loop.call_later(5, loop.stop)
    loop.run_forever()
    loop.remove_signal_handler(signal.SIGUSR1)
    loop.close()
    return told


def test_the_server_stops_once_the_connections_have_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    told = order_of_leaving(PatientLoop(), monkeypatch)
    assert told == ["connections", "connections have gone", "server"]


def test_connections_that_do_not_go_hold_up_nothing_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "FAREWELL_SECONDS", 0.1)
    assert order_of_leaving(PatientLoop(), monkeypatch, seconds=60) == ["connections", "server"]


def test_a_loop_that_says_no_farewell_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert order_of_leaving(uvloop.Loop(), monkeypatch)[0] == "server"


def hears_what_comes_before_it_runs(loop: uvloop.Loop, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(serving, "farewells", [])
    told: list[str] = []
    loop.add_signal_handler(signal.SIGUSR1, told.append, "stop")
    os.kill(os.getpid(), signal.SIGUSR1)
    loop.run_until_complete(asyncio.sleep(0.05))
    loop.remove_signal_handler(signal.SIGUSR1)
    loop.close()
    return told == ["stop"]


def test_an_order_to_stop_is_heard_while_the_loop_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hears_what_comes_before_it_runs(PatientLoop(), monkeypatch)


def test_a_loop_that_forgets_an_order_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not hears_what_comes_before_it_runs(uvloop.Loop(), monkeypatch)


FORKS = """
import os, signal, sys, time
from bailiwick import serving
signal.signal(signal.SIGTERM, lambda *_: None)
os.register_at_fork(after_in_child=lambda: time.sleep(0.5))
hear, die = serving._hear_orders, serving._die_when_told
os.register_at_fork(before={before}, after_in_parent=hear, after_in_child=die)
child = os.fork()
if child == 0:
    sys.exit("swallowed the order")
os.kill(child, signal.SIGTERM)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
os.kill(os.getpid(), signal.SIGTERM)
"""


def end_of_a_worker_told_at_once(before: str) -> int:
    """How a worker ends that is told to stop before it has let go of what it inherits."""
    script = FORKS.format(before=before)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0  # whoever forks still hears orders, too
    return int(done.stdout)


def test_a_worker_hears_an_order_to_stop_from_its_first_moment() -> None:
    assert end_of_a_worker_told_at_once("serving._hold_orders") == -signal.SIGTERM


def test_a_worker_that_swallows_the_order_would_be_noticed() -> None:
    assert end_of_a_worker_told_at_once("lambda: None") == 1


KEEPS_METRICS = """
import os, time
from bailiwick.serving import METRICS_DIRECTORY, _shared_metrics
with _shared_metrics(2):
    print(os.environ[METRICS_DIRECTORY], flush=True)
    time.sleep(60)
"""


@contextmanager
def another_server(directory: Path) -> Iterator[tuple[Path, "subprocess.Popen[str]"]]:
    """Where a server in a process of its own keeps its metrics, in a directory for temporary files."""
    environment = os.environ | {"TMPDIR": str(directory)}
    command = [sys.executable, "-c", KEEPS_METRICS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            yield Path(process.stdout.readline().strip()), process
        finally:
            process.kill()


def left_by_a_start(kept: Path, directory: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a server that starts much later leaves what another one has kept."""
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    monkeypatch.setenv(serving.METRICS_DIRECTORY, "")
    assert kept.is_dir()
    os.utime(kept, (0, 0))
    with serving._shared_metrics(2):
        return kept.is_dir()


def test_a_start_removes_the_metrics_of_a_server_that_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with another_server(tmp_path) as (kept, process):
        process.kill()
        process.wait()
        assert not left_by_a_start(kept, tmp_path, monkeypatch)
    assert list(tmp_path.iterdir()) == []


def test_a_start_leaves_the_metrics_of_a_server_that_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with another_server(tmp_path) as (kept, _):
        assert left_by_a_start(kept, tmp_path, monkeypatch)


def test_a_start_leaves_the_metrics_of_a_server_that_is_just_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kept = Path(tempfile.mkdtemp(prefix=serving.METRICS_PREFIX))
    serving._remove_abandoned()
    assert kept.is_dir()
    os.utime(kept, (0, 0))
    serving._remove_abandoned()
    assert not kept.exists()
