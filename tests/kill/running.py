"""A server that is killed, in part or whole, and comes back at the same address on the same database."""

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it has no stubs of its own

from bailiwick.kernel.database.migrations import upgrade
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Database
from bailiwick.kernel.testing import free_port
from tests.acceptance.server import Server
from tests.style.source import ROOT

ENOUGH_GRACE = {"BAILIWICK_SESSIONS__GRACE_SECONDS": "10"}
"""The most that can be set: a client must get its lost answer again although the server had to start anew."""
CONTEXTS = "identity,profiles,tasks,payments,catalog,orders"


class Mortal:
    """The product as `bailiwick serve` runs it."""

    def __init__(self, database_url: str, changes: dict[str, str]) -> None:
        self.database_url, self._changes = database_url, ENOUGH_GRACE | changes
        self.port = free_port()
        self.start()

    @property
    def url(self) -> str:
        return self.server.url

    def start(self) -> None:
        self.server = Server(self.database_url, self.port, self._changes)
        try:
            self.server.await_ready()
        except BaseException:
            self.server.stop()
            raise

    def start_again(self, **changes: str) -> None:
        """With other settings."""
        self._changes = self._changes | changes
        self.kill_whole()
        self.start()

    def workers(self) -> list[psutil.Process]:
        try:
            return list(psutil.Process(self.server.process.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            return []

    def kill_worker(self, chance: random.Random) -> int:
        """Kill one worker, now and then all of them. Says how many died."""
        workers = self.workers()
        chosen = workers if chance.random() < 0.2 else workers and [chance.choice(workers)]
        for process in chosen:
            process.kill()
        psutil.wait_procs(chosen, timeout=5)
        return len(chosen)

    def kill_whole(self) -> None:
        """Kill the first process and wait until its workers have followed it; nothing of it stays."""
        workers = self.workers()
        self.server.process.kill()
        self.server.stop()
        _, alive = psutil.wait_procs(workers, timeout=5)
        for process in alive:
            process.kill()
        assert not alive, "workers outlived the server that started them"

    def comes_back(self, seconds: float) -> None:
        """Wait until both workers are there again, and one of them serves."""
        deadline = time.monotonic() + seconds
        while len(self.workers()) < 2:
            assert time.monotonic() < deadline, self.server.said[-2000:]
            time.sleep(0.02)
        self.server.await_ready()

    def stop(self) -> None:
        self.server.stop()


@contextmanager
def mortal(database_url: str, directory: Path, plant: str = "", **changes: str) -> Iterator[Mortal]:
    """Migrate and serve until the block is left. `plant` names a defect that the server has then."""
    # Metrics of killed processes stay behind: in this directory they go with the test.
    changes = {"TMPDIR": str(directory), **changes}
    upgrade(Settings(database=Database(url=database_url)))
    if plant:
        changes |= {
            "BAILIWICK_CONTEXTS": f"tests.kill.planted,{CONTEXTS}",
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "PLANT": plant,
        }
    server = Mortal(database_url, changes)
    try:
        yield server
    finally:
        server.stop()
