"""What a process says about itself: log lines without secrets, and metrics that cost microseconds."""

import asyncio
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import structlog
from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from pydantic import BaseModel

from bailiwick.kernel.settings import Settings

REDACTED = "***REDACTED***"
DEEPEST = 12  # levels of nesting that a log line shows

SECRET_KEY = re.compile(
    r"passw|passphrase|token|secret|authorization|cookie|api[-_ ]?key|private[-_ ]?key|pepper|credential",
    re.IGNORECASE,
)
SECRET_TEXT = re.compile(r"(?<=://)[^/?#\s@]*:[^/?#\s]*(?=@)|(?<=\bbearer )[\w.~+/=-]+", re.IGNORECASE)
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
AS_IT_IS = frozenset({int, float, bool, type(None), UUID, datetime, date})

EventDict = MutableMapping[str, Any]


@lru_cache(maxsize=4096)
def _names_a_secret(key: str) -> bool:
    return SECRET_KEY.search(key) is not None


def _clean(value: Any, depth: int = 0) -> Any:
    """The value as plain data without secrets: whatever it is, it can be written."""
    kind = type(value)
    if kind in AS_IT_IS:
        return value
    if kind is str:
        return SECRET_TEXT.sub(REDACTED, value) if "://" in value or "earer " in value.lower() else value
    if depth >= DEEPEST:
        return "…"
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item, depth + 1) for item in value]
    named = _named_parts(value)
    if named is not None:
        return {str(key): _clean_item(str(key), item, depth + 1) for key, item in named.items()}
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    return _clean(str(value.value if isinstance(value, Enum) else value), depth + 1)


def _named_parts(value: Any) -> Mapping[Any, Any] | None:
    """What a mapping, a model or a dataclass holds, by name: their own texts would show secrets."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, BaseModel):
        return value.__dict__
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name, None) for field in fields(value)}
    return None


def _clean_item(key: str, value: Any, depth: int) -> Any:
    if _names_a_secret(key) and value is not None and value is not True and value is not False:
        return REDACTED
    return _clean(value, depth)


def redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Log processor: replaces what keys such as `password` hold, at any depth, by ***REDACTED***."""
    return {key: value if key[0] == "_" else _clean_item(key, value, 0) for key, value in event.items()}


def _one_line(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Log processor for people's eyes: nothing that a caller sent may begin a line or move the cursor."""
    for key, value in event.items():
        if isinstance(value, str) and key not in ("exception", "stack"):
            event[key] = CONTROL.sub(lambda found: repr(found.group())[1:-1], value)
    return event


def _json_line(_logger: Any, _method: str, event: EventDict) -> bytes:
    try:
        return orjson.dumps(event)
    except (TypeError, ValueError):
        # Lone surrogates and integers over 64 bits: rare, and no reason to lose the line.
        return json.dumps(event, default=str).encode()


class _Stream:
    """Standard error. A full disk or a closed pipe must not fail the request that is logged."""

    def write(self, line: bytes) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.buffer.write(line)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.buffer.flush()


# One list, changed in place: loggers that have been used keep it, and so follow a new configuration.
_processors: list[Any] = []


def configure_logging(settings: Settings) -> None:
    """Write log lines to standard error, ours and those of libraries, in the form that settings ask for."""
    level = logging.getLevelNamesMapping()[settings.log.level]
    as_json = settings.log.format == "json" or (settings.log.format == "auto" and settings.is_production)
    before: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
    ]
    after: list[Any] = [structlog.processors.format_exc_info, redact]
    after += [_json_line] if as_json else [_one_line, _console(), _encode]
    _processors[:] = before + after
    structlog.configure(
        processors=_processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(_Stream()),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )
    log_request.configure(enabled=level <= logging.INFO, direct=as_json)
    foreign: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *after, _decode]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*before, structlog.stdlib.add_logger_name], processors=foreign
        )
    )
    # Libraries speak at INFO about themselves; their warnings are enough unless we look for a fault.
    theirs = level if level <= logging.DEBUG else max(level, logging.WARNING)
    logging.basicConfig(handlers=[handler], level=theirs, force=True)
    logging.captureWarnings(True)


HELD_SECONDS = 0.02


class RequestLog:
    """The one line per request. As JSON it is written directly: 4 µs where the chain of processors takes 13.

    Lines of the same 20 ms leave together: a write for each would cost as much as the line itself. A
    killed process loses those, and no others. Their fields are the edge's own, never a caller's mapping,
    so there is nothing in them to redact.
    """

    def __init__(self) -> None:
        self._enabled = True
        self._direct = False
        self._held: list[bytes] = []
        self._stream = _Stream()
        self._log = structlog.get_logger("http")

    def configure(self, *, enabled: bool, direct: bool) -> None:
        """Whether lines are written, and whether directly as JSON or through the processors."""
        self._enabled, self._direct = enabled, direct
        self._log = structlog.get_logger("http")

    def __call__(self, **fields: Any) -> None:
        """Write `event: request` with these fields."""
        if not self._enabled:
            return
        if not self._direct:
            self._log.info("request", **fields)
            return
        line = {"event": "request", "level": "info", "timestamp": datetime.now(UTC), **fields}
        self._held.append(_json_line(None, "info", line) + b"\n")
        if len(self._held) == 1:
            try:
                asyncio.get_running_loop().call_later(HELD_SECONDS, self.let_go)
            except RuntimeError:  # no loop runs, so nothing would come back to write it
                self.let_go()

    def let_go(self) -> None:
        """Write the lines held back. Called by itself soon after each, and at the end."""
        self._stream.write(b"".join(self._held))
        self._stream.flush()
        self._held.clear()


log_request = RequestLog()


def _console() -> structlog.dev.ConsoleRenderer:
    # The plain traceback: richer ones print local variables, and with them secrets.
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )


def _encode(_logger: Any, _method: str, line: str) -> bytes:
    return line.encode(errors="backslashreplace")


def _decode(_logger: Any, _method: str, line: bytes) -> str:
    return line.decode()


# --- metrics ---------------------------------------------------------------------------------------

MULTIPROCESS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)  # seconds

requests_total = Counter("http_requests_total", "Requests answered.", ["method", "route", "status"])
request_seconds = Histogram(
    "http_request_seconds", "Time from the request to the end of its answer.", ["route"], buckets=BUCKETS
)


def _everywhere(name: str, meaning: str) -> Gauge:
    """A gauge of which each worker has its share."""
    return Gauge(name, meaning, multiprocess_mode="livesum")


def _once(name: str, meaning: str) -> Gauge:
    """A gauge of something that all workers see alike: the latest look counts."""
    return Gauge(name, meaning, multiprocess_mode="livemostrecent")


in_progress = _everywhere("http_in_progress", "Requests being answered now.")
work_waiting = Gauge(
    "work_waiting", "Deliveries and jobs not yet done.", ["queue"], multiprocess_mode="livemostrecent"
)
work_oldest = Gauge(
    "work_oldest_seconds",
    "How long the oldest delivery or job that could run has been waiting; 0 if none.",
    ["queue"],
    multiprocess_mode="livemostrecent",
)
work_dead = Gauge(
    "work_dead",
    "Deliveries and jobs given up, for an operator.",
    ["queue"],
    multiprocess_mode="livemostrecent",
)
work_seconds = Histogram(
    "work_seconds", "Time from the commit of a delivery or job to its end.", ["queue"], buckets=BUCKETS
)
work_total = Counter("work_total", "Runs of deliveries and jobs by what came of them.", ["queue", "outcome"])
transport_up = _once("transport_up", "1 where the broker that carries events answered at the last try.")
audit_refusals_dropped = Counter(
    "audit_refusals_dropped_total", "Refusals that found no room to wait for their row in the audit trail."
)
hash_pool_busy = _everywhere("password_hash_busy", "Password hashes being computed.")
hash_pool_waiting = _everywhere("password_hash_waiting", "Requests waiting for a password hash.")
live_connections = _everywhere("live_connections", "Streams and web sockets that are open.")
db_pool_open = _everywhere("db_pool_open", "Database connections open.")
db_pool_busy = _everywhere("db_pool_busy", "Database connections in use.")
db_pool_waiting = _everywhere("db_pool_waiting", "Requests waiting for a database connection.")


class RequestMeter:
    """Counts and times requests. Labels are bound once per route, method and status: 1.4 µs a request."""

    def __init__(self) -> None:
        self.running = 0
        self._bound: dict[tuple[str, str, int], tuple[Callable[[], None], Callable[[float], None]]] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer. `route` is the route's template, never the path: paths are without number."""
        try:
            count, time = self._bound[method, route, status]
        except KeyError:
            count, time = self._bind(method, route, status)
        count()
        time(seconds)

    def _bind(
        self, method: str, route: str, status: int
    ) -> tuple[Callable[[], None], Callable[[float], None]]:
        known = method if method in METHODS else "OTHER"
        bound = (requests_total.labels(known, route, str(status)).inc, request_seconds.labels(route).observe)
        if known == method:
            self._bound[method, route, status] = bound
        return bound


requests = RequestMeter()

_readings: dict[Gauge, Callable[[], float]] = {in_progress: lambda: requests.running}


def watch(gauge: Gauge, read: Callable[[], float]) -> None:
    """From now on `gauge` shows what `read` answers at each look. It must be quick and not raise."""
    _readings[gauge] = read


def look() -> None:
    """Read every watched gauge. Where several workers serve, each does so every few seconds."""
    for gauge, read in _readings.items():
        gauge.set(read())


def render_metrics() -> bytes:
    """All metrics in the text format of Prometheus, those of the other workers included."""
    look()
    directory = os.environ.get(MULTIPROCESS_DIRECTORY)
    if not directory:
        return generate_latest(REGISTRY)
    _forget_dead_workers(Path(directory))
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, path=directory)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def _forget_dead_workers(directory: Path) -> None:
    names = [re.search(r"_(\d+)\.db$", file.name) for file in directory.glob("gauge_live*.db")]
    for pid in {int(found.group(1)) for found in names if found}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            multiprocess.mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]
        except PermissionError:
            continue
