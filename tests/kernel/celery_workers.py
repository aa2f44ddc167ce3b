"""A real Celery worker with two processes, on the errands, that a test can stop, freeze, kill and start."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import redis

from tests.docs import running
from tests.docs.pages import ROOT

CONTEXT = "tests.kernel.errands"
START_SECONDS = 60


def environment(database_url: str, broker_url: str) -> dict[str, str]:
    """The environment of a process of this installation."""
    own = {"BAILIWICK_CONTEXTS": CONTEXT, "BAILIWICK_CELERY__URL": broker_url}
    return running.environment(database_url, ROOT, **own) | {"PYTHONUNBUFFERED": "1"}


class CeleryWorker:
    def __init__(self, database_url: str, broker_url: str, log: Path) -> None:
        self._environment, self._log = environment(database_url, broker_url), log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return once it has begun to listen."""
        with self._log.open("wb") as log:
            self._process = self._launched(log)
        until = time.monotonic() + START_SECONDS
        while "celery_worker_ready" not in self.said():
            assert self._process.poll() is None, self.said()
            assert time.monotonic() < until, self.said()
            time.sleep(0.05)

    def _launched(self, log: IO[bytes]) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "bailiwick.cli", "celery", "--concurrency=2"]
        # A group of its own: the processes that it forks can be told at once.
        return subprocess.Popen(
            command, env=self._environment, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
        )

    def said(self) -> str:
        return self._log.read_text(errors="replace")

    def tell(self, order: signal.Signals) -> None:
        """All its processes."""
        assert self._process is not None
        os.killpg(self._process.pid, order)

    def kill(self) -> None:
        self.tell(signal.SIGKILL)
        self._wait()

    def stop(self) -> int:
        """In order: what runs may end. Returns its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._wait()

    def _wait(self) -> int:
        assert self._process is not None
        return self._process.wait(30)

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It takes no message while the block runs."""
        self.tell(signal.SIGSTOP)
        try:
            yield
        finally:
            self.tell(signal.SIGCONT)


@contextmanager
def celery_worker(database_url: str, broker_url: str, directory: Path) -> Iterator[CeleryWorker]:
    """Started."""
    worker = CeleryWorker(database_url, broker_url, directory / "celery.log")
    worker.start()
    try:
        yield worker
    finally:
        if worker.runs:
            worker.kill()


async def messages(broker_url: str, queue: str) -> int:
    """How many wait at the broker."""

    def count() -> int:
        with redis.Redis.from_url(broker_url) as client:
            return int(client.llen(queue))

    return await asyncio.to_thread(count)
