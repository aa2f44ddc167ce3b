"""Log lines carry no secret and cannot be forged; metrics count right, cheaply, over several processes."""

import io
import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import structlog
from pydantic import BaseModel, SecretStr

from bailiwick.kernel import observability
from bailiwick.kernel.observability import REDACTED, configure_logging, log_request, redact, render_metrics
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Log

JSON = Settings(log=Log(format="json", level="INFO"))
CONSOLE = Settings(log=Log(format="console", level="DEBUG"))
SECRET = "hunter2"


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
    log_request.configure(enabled=True, direct=False)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    captured = capsys.readouterr()
    assert captured.out == "", "standard output belongs to what a command answers"
    return [json.loads(line) for line in captured.err.splitlines()]


def cleaned(**event: Any) -> Any:
    return redact(None, "info", event)


class Colour(StrEnum):
    RED = "red"


@dataclass
class SignIn:
    email: str
    password: str


class Body(BaseModel):
    name: str
    refresh_token: str


def test_a_log_line_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(JSON)
    structlog.get_logger().info("order_placed", order=UUID(int=1), colour=Colour.RED, path=Path("/x"))
    (line,) = lines(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "order_placed",
        "level": "info",
        "order": str(UUID(int=1)),
        "colour": "red",
        "path": "/x",
    }


def test_lines_of_libraries_have_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(JSON)
    logging.getLogger("asyncpg").warning("no %s", "luck", extra={})
    logging.getLogger("asyncpg").info("about myself")
    (line,) = lines(capsys)
    assert (line["event"], line["level"], line["logger"]) == ("no luck", "warning", "asyncpg")


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings(log=Log(format="json", level="WARNING")))
    structlog.get_logger().info("hidden")
    log_request(route="/x")
    assert lines(capsys) == []


@pytest.mark.parametrize(
    "key",
    [
        "password", "new_password", "PASSWORD", "passwd", "access_token", "refreshToken", "client_secret",
        "Authorization", "Set-Cookie", "api_key", "X-Api-Key", "apikey", "private_key", "pepper",
    ],
)  # fmt: skip
def test_what_such_a_key_holds_is_never_written(key: str) -> None:
    assert cleaned(**{key: "hunter2"}) == {key: REDACTED}
    assert cleaned(request={"bodies": [{key: ["hunter2"]}]}) == {"request": {"bodies": [{key: REDACTED}]}}


def test_innocent_keys_and_plain_answers_are_written() -> None:
    event = {"event": "x", "route": "/tasks", "password_required": True, "token": None, "passed": 3}
    assert cleaned(**event) == event


def test_secrets_inside_objects_and_texts_are_masked() -> None:
    seen = cleaned(
        command=SignIn("a@b.example", "hunter2"),
        body=Body(name="n", refresh_token="hunter2"),
        secret_value=SecretStr("hunter2"),
        value=SecretStr("hunter2"),
        raw=b"hunter2",
        error="cannot connect to postgresql://app:hunter2@db/app",
        header="sent Bearer hunter2.hunter2 to us",
        cause=ValueError("redis://:hunter2@cache"),
    )
    assert "hunter2" not in repr(seen)
    assert seen["command"] == {"email": "a@b.example", "password": REDACTED}
    assert seen["body"] == {"name": "n", "refresh_token": REDACTED}


def test_a_traceback_shows_no_values_and_no_password_of_a_url(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(JSON)

    def fail(local_password: str) -> None:
        raise ConnectionError(f"postgresql://app:{local_password}@db")

    try:
        fail(SECRET)
    except ConnectionError:
        structlog.get_logger().exception("failed")
    (line,) = lines(capsys)
    assert "ConnectionError" in line["exception"]
    assert "hunter2" not in json.dumps(line)


def test_the_readable_form_shows_no_local_variables_either(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(CONSOLE)

    def fail(local_password: str) -> None:
        raise ConnectionError("down" if local_password else "")

    try:
        fail(SECRET)
    except ConnectionError:
        structlog.get_logger().exception("failed", token="hunter2")
    text = capsys.readouterr().err
    assert "Traceback" in text
    assert "hunter2" not in text


FORGED = "x\n2026-11-21 [info] admin signed in\r\x1b[2J\u2028y"


@pytest.mark.parametrize("settings", [JSON, CONSOLE], ids=["json", "console"])
def test_what_a_caller_sends_cannot_begin_a_line(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(settings)
    structlog.get_logger().info(FORGED, agent=FORGED, nested={"agent": FORGED})
    log_request(request_id=FORGED)
    text = capsys.readouterr().err
    assert len(text.rstrip("\n").split("\n")) == 2
    assert "\r" not in text
    assert "\x1b[2J" not in text


@pytest.mark.parametrize("value", ["\ud800", 2**80, float("nan"), {1: {2: "x"}}, {"a", 1}, object(), b"\xff"])
def test_no_value_can_break_a_line(value: Any, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(JSON)
    structlog.get_logger().info("odd", value=value)
    log_request(value=value if isinstance(value, str | int | float) else None)
    assert len(lines(capsys)) == 2


def test_a_structure_that_contains_itself_is_cut_off(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(JSON)
    loop: dict[str, Any] = {}
    loop["again"] = loop
    structlog.get_logger().info("deep", loop=loop)
    assert len(lines(capsys)) == 1


def test_a_full_disk_does_not_fail_what_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    configure_logging(JSON)
    with io.TextIOWrapper(Path("/dev/full").open("wb", buffering=0)) as full:
        monkeypatch.setattr(sys, "stderr", full)
        structlog.get_logger().info("lost")
        log_request(route="/x")
        monkeypatch.undo()
        with pytest.raises(OSError, match="No space"):
            full.buffer.write(b"seen to fail")


def test_the_line_of_a_request_is_the_same_in_both_ways_of_writing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging(JSON)
    fields = {"route": "/x", "status": 200, "ms": 1.5, "actor": None}
    log_request(**fields)
    log_request.configure(enabled=True, direct=False)
    log_request(**fields)
    direct, through = lines(capsys)
    for line in (direct, through):
        # Both are ISO 8601 in UTC, written by two libraries.
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)", line.pop("timestamp"))
    assert direct == through


# --- metrics ---------------------------------------------------------------------------------------


def sample(text: bytes, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", text.decode(), re.MULTILINE)
    assert found, f"{name} is not in the metrics"
    return float(found.group(1))


def test_requests_are_counted_and_timed_by_route() -> None:
    meter = observability.requests
    for status, seconds in ((200, 0.002), (200, 0.2), (404, 0.0001)):
        meter.observe("GET", "/counted/{id}", status, seconds)
    text = render_metrics()
    assert sample(text, 'http_requests_total{method="GET",route="/counted/{id}",status="200"}') == 2
    assert sample(text, 'http_requests_total{method="GET",route="/counted/{id}",status="404"}') == 1
    assert sample(text, 'http_request_seconds_count{route="/counted/{id}"}') == 3
    assert sample(text, 'http_request_seconds_bucket{le="0.0025",route="/counted/{id}"}') == 2


def test_invented_methods_share_one_label() -> None:
    for number in range(50):
        observability.requests.observe(f"X{number}", "/invented", 405, 0.001)
    text = render_metrics()
    assert sample(text, 'http_requests_total{method="OTHER",route="/invented",status="405"}') == 50
    assert b'method="X1"' not in text


def test_a_watched_gauge_shows_what_is_read_at_each_look() -> None:
    numbers = iter([3.0, 4.0])
    observability.watch(observability.hash_pool_busy, lambda: next(numbers))
    try:
        assert sample(render_metrics(), "password_hash_busy") == 3
        assert sample(render_metrics(), "password_hash_busy") == 4
    finally:
        observability.watch(observability.hash_pool_busy, lambda: 0)


WORKER = """
import sys
from bailiwick.kernel.observability import requests, render_metrics, look
requests.observe("GET", "/shared", 200, 0.003)
requests.running = 2
look()
print("counted", flush=True)
if sys.stdin.readline().strip() == "show":
    sys.stdout.buffer.write(render_metrics())
"""


def test_any_worker_shows_the_metrics_of_all_and_forgets_the_dead(tmp_path: Path) -> None:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(3)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"counted\n"
    workers[2].communicate(b"die\n", timeout=30)
    time.sleep(0.05)
    shown, _ = workers[0].communicate(b"show\n", timeout=30)
    workers[1].communicate(b"die\n", timeout=30)
    assert sample(shown, 'http_requests_total{method="GET",route="/shared",status="200"}') == 3
    assert sample(shown, "http_in_progress") == 4
