"""The command line: quick to answer, plain about what is wrong, and a server that starts and stops well."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from typer.testing import CliRunner, Result

from bailiwick.cli import app
from bailiwick.kernel.testing import free_port

HELP_BUDGET = 0.3  # seconds of CPU
STRONG = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def a_place_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Commands see no settings of this machine, and only the context tasks."""
    for name in list(os.environ):
        if name.startswith("BAILIWICK_") or name in ("DATABASE_URL", "REDIS_URL", "PORT", "SECRET_KEY"):
            monkeypatch.delenv(name)
    for option in ("HOST", "PORT", "WORKERS"):
        # Options are handed on in the environment; empty counts as unset, and is taken back afterwards.
        monkeypatch.setenv(f"BAILIWICK_HTTP__{option}", "")
    monkeypatch.setenv("BAILIWICK_CONTEXTS", "tasks")
    monkeypatch.chdir(tmp_path)


def bailiwick(*words: str, answer: str = "", **environment: str) -> Result:
    """Run one command in this process."""
    return CliRunner().invoke(app, words, input=answer, env=environment, prog_name="bailiwick")


@contextmanager
def serving(*words: str, **environment: str) -> Iterator["Server"]:
    """Run `bailiwick serve` as a user does, and stop it."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "bailiwick.cli", "serve", *words],
        env=os.environ | {"PORT": str(port)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Server(process, port)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


class Server:
    """A running `bailiwick serve`."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.process = process
        self.port = port

    def ready(self) -> str:
        assert self.process.stdout is not None
        return "".join(self.process.stdout.readline() for _ in range(4))

    def workers(self) -> list[int]:
        pid = self.process.pid
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def status(self) -> int:
        """What /health answers; workers that still start are waited for."""
        until = time.monotonic() + 20
        while True:
            try:
                with urlopen(f"http://127.0.0.1:{self.port}/health", timeout=10) as answer:
                    return int(answer.status)
            except URLError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)


COST = """
import resource, runpy, sys
sys.argv = ["bailiwick", "--help"]
try:
    runpy.run_module("bailiwick.cli", run_name="__main__")
except SystemExit:
    pass
used = resource.getrusage(resource.RUSAGE_SELF)
heavy = {"pydantic", "sqlalchemy", "fastapi", "granian", "rich", "asyncio"} & set(sys.modules)
print(used.ru_utime + used.ru_stime, *heavy, file=sys.stderr)
"""


def test_help_answers_at_once_because_nothing_heavy_is_loaded() -> None:
    times = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", COST], capture_output=True, text=True, check=True)
        seconds, *heavy = done.stderr.split()
        assert heavy == []
        times.append(float(seconds))
    assert min(times) < HELP_BUDGET


@pytest.mark.parametrize(
    "words",
    [
        (), ("run",), ("serve",), ("migrate",), ("migrate", "up"), ("migrate", "down"), ("migrate", "status"),
        ("superuser",), ("superuser", "create"), ("doctor",), ("openapi",), ("postman",),
        ("client",), ("client", "python"), ("client", "typescript"), ("demo",), ("settings",), ("version",),
        ("new",), ("new", "project"),
    ],
)  # fmt: skip
def test_every_command_explains_itself(words: tuple[str, ...]) -> None:
    done = bailiwick(*words, "--help")
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) > 4


def test_without_words_it_shows_what_it_can_do() -> None:
    done = bailiwick()
    assert "bailiwick run" in done.stdout + done.stderr


def test_an_unknown_command_is_refused_with_a_hint() -> None:
    done = bailiwick("serf")
    assert done.exit_code == 2
    assert "Error: No such command 'serf'" in done.stderr


def test_wrong_settings_end_with_a_message_and_code_two() -> None:
    done = bailiwick("settings", PORT="0", BAILIWICK_HTTP__PROT="1")
    assert done.exit_code == 2
    assert "2 problems" in done.stderr
    assert "Did you mean BAILIWICK_HTTP__PORT?" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_option_out_of_range_is_refused_like_a_setting() -> None:
    done = bailiwick("serve", "--workers", "0")
    assert done.exit_code == 2
    assert "1 to 256" in done.stderr


def test_a_database_that_does_not_answer_ends_with_a_message() -> None:
    url = "postgresql://app:hunter2@127.0.0.1:1/app"
    done = bailiwick("migrate", "up", DATABASE_URL=url)
    assert done.exit_code == 1
    assert "bailiwick doctor" in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr


def test_a_traceback_shows_only_when_debugging() -> None:
    url = "postgresql://app:hunter2@127.0.0.1:1/app"
    done = bailiwick("migrate", "up", DATABASE_URL=url, BAILIWICK_DEBUG="true")
    assert isinstance(done.exception, OSError)


def test_settings_are_shown_without_secrets() -> None:
    secret = {"SECRET_KEY": "hunter2", "REDIS_URL": "redis://:hunter2@cache/0"}
    done = bailiwick("settings", **secret)
    assert done.exit_code == 0
    assert "redis://:********@cache/0" in done.stdout
    assert "hunter2" not in done.stdout
    shown = json.loads(bailiwick("settings", "--json", **secret).stdout)
    assert (shown["secret_key"], shown["contexts"]) == ("********", "tasks")


def test_migrations_go_up_and_down_and_are_shown() -> None:
    before = bailiwick("migrate", "status")
    assert before.exit_code == 1
    assert "bailiwick migrate up" in before.stderr
    assert "1 applied" in bailiwick("migrate", "up").stdout
    assert "nothing to do" in bailiwick("migrate", "up").stdout
    assert bailiwick("migrate", "status").exit_code == 0
    refused = bailiwick("migrate", "down", "--context", "tasks", answer="n\n")
    assert refused.exit_code == 1
    assert bailiwick("migrate", "status").exit_code == 0
    assert "1 pending" in bailiwick("migrate", "down", "--context", "tasks", "--yes").stdout
    assert bailiwick("migrate", "status").exit_code == 1
    assert bailiwick("migrate", "up").exit_code == 0


def test_only_an_enabled_context_can_be_taken_back() -> None:
    done = bailiwick("migrate", "down", "--context", "payments", "--yes")
    assert done.exit_code == 2
    assert "kernel, tasks" in done.stderr


def test_the_doctor_fails_before_and_passes_after_the_migrations() -> None:
    assert bailiwick("doctor").exit_code == 1
    bailiwick("migrate", "up")
    done = bailiwick("doctor")
    assert (done.exit_code, "All is well." in done.stdout) == (0, True)
    assert all(entry["verdict"] == "ok" for entry in json.loads(bailiwick("doctor", "--json").stdout))


def test_the_openapi_document_is_written() -> None:
    assert bailiwick("openapi", "-o", "document.json").exit_code == 0
    written = json.loads(Path("document.json").read_bytes())
    assert written["openapi"].startswith("3.")
    assert json.loads(bailiwick("openapi").stdout) == written


def test_the_version_is_one_line() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", bailiwick("version").stdout)


# --- serving ---------------------------------------------------------------------------------------


def test_the_server_says_what_to_open_and_stops_cleanly() -> None:
    bailiwick("migrate", "up")
    with serving() as server:
        assert f"http://127.0.0.1:{server.port}/api/docs" in server.ready()
        assert server.status() == 200
        server.process.send_signal(signal.SIGTERM)
        _, errors = server.process.communicate(timeout=30)
        assert server.process.returncode == 0
        assert "Traceback" not in errors


def test_an_order_to_stop_is_heard_while_workers_still_start() -> None:
    bailiwick("migrate", "up")
    with serving() as server:
        until = time.monotonic() + 20
        while not server.workers() and time.monotonic() < until:
            time.sleep(0.01)
        ordered = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        server.process.communicate(timeout=20)
        assert time.monotonic() - ordered < 10


def test_a_port_in_use_is_refused_instead_of_shared() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = bailiwick("serve", "--port", str(taken.getsockname()[1]))
    assert done.exit_code == 1
    assert "choose another port" in done.stderr
    assert "Traceback" not in done.stderr


def test_several_workers_serve_and_one_that_dies_is_replaced() -> None:
    bailiwick("migrate", "up")
    with serving("--workers", "2", BAILIWICK_LOG__FORMAT="json") as server:
        server.ready()
        first = server.workers()
        assert len(first) == 2
        os.kill(first[0], signal.SIGKILL)
        until = time.monotonic() + 20
        while (len(server.workers()) < 2 or first[0] in server.workers()) and time.monotonic() < until:
            time.sleep(0.05)
        assert len(server.workers()) == 2
        assert server.status() == 200
        server.process.send_signal(signal.SIGTERM)
        _, errors = server.process.communicate(timeout=30)
    lines = [json.loads(line) for line in errors.splitlines()]
    assert any("Unexpected exit from worker" in line["event"] for line in lines)


IMPORTED = """
import sys, bailiwick.cli, bailiwick.serving
print(*{"uuid_utils", "prometheus_client", "sqlalchemy", "bailiwick.main"} & set(sys.modules))
"""


def test_the_process_that_forks_workers_has_no_state_that_they_must_not_share() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
