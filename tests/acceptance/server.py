"""`bailiwick serve` as its users run it: a process of its own with two workers, spoken to over HTTP."""

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx2 as httpx

from bailiwick.kernel.testing import LOOPBACK, free_port

T = TypeVar("T")

SECRET = "acceptance-0123456789abcdef-0123456789abcdef"
PASSWORD = "zebra quilts in april"
ANOTHER = "lanterns beside a quiet lake"
THIRD = "eleven copper kettles sing"
PRIVATE = ("BAILIWICK_", "DATABASE_URL", "REDIS_URL", "PORT", "SECRET_KEY")
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nothing here is encrypted. Without it each client loads all certificates first, which takes 20 ms."""
LINK = re.compile(r"(https?://\S+?#token=)(\S+)")
QUICK = {
    "BAILIWICK_SECRET_KEY": SECRET,
    "BAILIWICK_HTTP__WORKERS": "2",
    "BAILIWICK_HTTP__PUBLIC_URL": "https://app.example.com",
    "BAILIWICK_LIMITS__ENABLED": "false",
    "BAILIWICK_PASSWORDS__ARGON2__MEMORY_KIB": "8192",
    "BAILIWICK_PASSWORDS__ARGON2__TIME_COST": "1",
    "BAILIWICK_PASSWORDS__HASH_WAIT": "30",
    "BAILIWICK_PASSWORDS__ADMIN_MAY_SET": "true",
    "BAILIWICK_SESSIONS__GRACE_SECONDS": "2",
    "BAILIWICK_LOG__FORMAT": "json",
    "PYTHONUNBUFFERED": "1",
}
"""Cheap hashes and no limits by address, for all callers here have one; two seconds of grace."""


def environment(database_url: str, **changes: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(PRIVATE)}
    return {**own, **QUICK, "DATABASE_URL": database_url, **changes}


def command(database_url: str, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run `bailiwick` with these words to its end."""
    return subprocess.run(
        [sys.executable, "-m", "bailiwick.cli", *words],
        env=environment(database_url, **changes),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Server:
    """A running server, what it said so far, and a client for it."""

    def __init__(self, database_url: str, port: int, changes: dict[str, str]) -> None:
        self.database_url, self.port, self.changes = database_url, port, changes
        self.url = f"http://{LOOPBACK}:{port}"
        self._lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bailiwick.cli", "serve"],
            env=environment(database_url, PORT=str(port), **changes),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.append(line)

    @property
    def said(self) -> str:
        return "".join(self._lines)

    def await_ready(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, self.said
            try:
                return httpx.get(f"{self.url}/health/ready", timeout=5, verify=PLAIN).status_code == 200
            except httpx.TransportError:
                return False

        try:
            until(ready, seconds=30)
        except AssertionError as error:
            raise AssertionError(f"it is not ready; it said:\n{self.said}") from error

    def carrier(self, context: str) -> "Server":
        """The process that carries a context."""
        return self

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `bailiwick` with these words, the settings and the database of this server, to its end."""
        return command(self.database_url, *words, **self.changes)

    def client(self, token: str | None = None, **headers: str) -> httpx.Client:
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=60, verify=PLAIN)

    def document(self) -> dict[str, Any]:
        """The OpenAPI document."""
        with self.client() as client:
            found: dict[str, Any] = client.get(f"{self.url}/api/openapi.json").json()
        return found

    def mails_to(self, email: str) -> list[str]:
        """The texts that the console adapter wrote for this address, the oldest first."""
        lines = [json.loads(line) for line in self._lines if line.startswith("{")]
        return [line["text"] for line in lines if line.get("event") == "mail" and line["to"] == email]

    def link_to(self, email: str, count: int = 1) -> tuple[str, str]:
        """The address before the token, and the token, of the newest link once `count` of them are there.

        Mails overtake each other: one to verify an address that was written before one to reset a password
        may come after it.
        """

        def newest() -> tuple[str, str] | None:
            links = [found for mail in self.mails_to(email) if (found := LINK.search(mail))]
            links.sort(key=lambda link: "reset-password" in link[1])
            return (links[-1][1], links[-1][2]) if len(links) >= count else None

        return until(newest, seconds=10)

    def stop(self) -> None:
        """Tell it to stop and wait for it: longer than it may take."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(40)
        finally:
            if self.process.poll() is None:
                self.process.kill()
            self._reader.join(5)
            if self.process.stdout is not None:
                self.process.stdout.close()


@contextmanager
def serving(database_url: str, **changes: str) -> Iterator[Server]:
    """Migrate the database and serve on it until the block is left."""
    made = command(database_url, "migrate", "up", **changes)
    assert made.returncode == 0, made.stderr
    server = Server(database_url, free_port(), changes)
    try:
        server.await_ready()
        yield server
    finally:
        server.stop()


def until(done: Callable[[], T | None], *, seconds: float) -> T:
    """What `done` gives as soon as that is anything. Fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < deadline, f"nothing happened within {seconds} s"
        time.sleep(0.05)
    return found
