"""The product as a reader of the documents runs it: a real server, and bash with curl."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx

from bailiwick.kernel.testing import free_port

START_SECONDS = 30
OURS = ("BAILIWICK_", "DATABASE_URL", "REDIS_URL", "PORT", "SECRET_KEY")
BAILIWICK = str(Path(sys.executable).with_name("bailiwick"))


def environment(database_url: str, source: Path | None = None, **settings: str) -> dict[str, str]:
    """This machine's environment without its settings. `source` is where the product's code lies."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    if source is not None:
        clean["PYTHONPATH"] = str(source)
    return clean | {"DATABASE_URL": database_url, "NO_PROXY": "127.0.0.1"} | settings


@dataclass
class Server:
    """A running `bailiwick run` that writes its log as JSON."""

    port: int
    log: Path

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def requests(self, count: int) -> list[tuple[str, str, int]]:
        """Method, route and status of what was asked so far, once at least `count` lines are written."""
        until = time.monotonic() + 5
        while len(found := self._requests()) < count and time.monotonic() < until:
            time.sleep(0.02)
        return found

    def _requests(self) -> list[tuple[str, str, int]]:
        lines = [line for line in self.log.read_text().splitlines(keepends=True) if line.startswith("{")]
        found = [json.loads(line) for line in lines if line.endswith("\n")]
        asked = [line for line in found if line.get("event") == "request" and line["route"] != "/health"]
        return [(line["method"], line["route"], line["status"]) for line in asked]

    def bash(self, script: str, directory: Path) -> list[Any]:
        """Run a printed script, only the port changed, and return the JSON documents that it prints."""
        script = script.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}")
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=directory,
            env=environment(""),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stderr == ""
        return [json.loads(line) for line in done.stdout.splitlines()]


@contextmanager
def running(
    database_url: str, directory: Path, source: Path | None = None, **options: str
) -> Iterator[Server]:
    """`bailiwick run` on a free port, stopped afterwards. `options` are environment variables."""
    server = Server(free_port(), directory / "server.log")
    options |= {"PORT": str(server.port), "BAILIWICK_LOG__FORMAT": "json"}
    settings = environment(database_url, source, **options)
    with server.log.open("wb") as log:
        process = subprocess.Popen([BAILIWICK, "run"], env=settings, cwd=directory, stdout=log, stderr=log)
    try:
        wait_until_ready(process, server)
        yield server
    finally:
        process.terminate()
        process.wait(30)


def wait_until_ready(process: "subprocess.Popen[bytes]", server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            httpx.get(f"{server.address}/health")
            return
        except httpx.TransportError:
            assert process.poll() is None, server.log.read_text()
            assert time.monotonic() < deadline, server.log.read_text()
            time.sleep(0.05)
