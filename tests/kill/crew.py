"""Processes of `bailiwick worker` on the labour context: hired, killed, told to stop, and replaced."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bailiwick.kernel.database.migrations import upgrade
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Database
from tests.acceptance.server import environment
from tests.kernel.samples import create_tables
from tests.kill.labour.deeds import STARTS
from tests.kill.labour.tables import metadata
from tests.style.source import ROOT

READY = "Bailiwick works on"
START_SECONDS, STOP_SECONDS = 60.0, 30.0


@dataclass
class Labourer:
    """One process, and what it said so far."""

    process: "subprocess.Popen[bytes]"
    output: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def said(self) -> str:
        return self.output.read_text()

    def await_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while READY not in self.said and self.process.poll() is None:
            assert time.monotonic() < deadline, self.said[-2000:]
            time.sleep(0.02)


class Crew:
    """`kills` has when which process was killed, by the clock of the machine."""

    def __init__(self, database_url: str, directory: Path, changes: dict[str, str]) -> None:
        self.starts = directory / "starts"
        self.starts.touch()
        self.kills: dict[int, float] = {}
        self.labourers: list[Labourer] = []
        self._url, self._directory, self._count = database_url, directory, 0
        self._changes = {
            "BAILIWICK_CONTEXTS": "tests.kill.labour",
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            STARTS: str(self.starts),
            "TMPDIR": str(directory),
            **changes,
        }

    def hire(self, **changes: str) -> Labourer:
        self._count += 1
        output = self._directory / f"labourer-{self._count}"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "bailiwick.cli", "worker"],
                env=environment(self._url, **self._changes | changes),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self.labourers.append(Labourer(process, output))
        return self.labourers[-1]

    def kill(self, chance: random.Random) -> None:
        """Kill one, which another replaces: mostly one that is at work, now and then one that only starts."""
        ready = [labourer for labourer in self.labourers if READY in labourer.said]
        labourer = chance.choice(ready if ready and chance.random() < 0.9 else self.labourers)
        labourer.process.kill()
        self.kills[labourer.pid] = time.time()
        self._leaves(labourer)
        self.hire()

    def stop(self, labourer: Labourer) -> float:
        """Tell one to stop. Returns in how many seconds it did."""
        ordered = time.monotonic()
        labourer.process.send_signal(signal.SIGTERM)
        self._leaves(labourer)
        return time.monotonic() - ordered

    def replace_dead(self, **changes: str) -> int:
        """Hire another for each that has killed itself. Returns how many had."""
        dead = [labourer for labourer in self.labourers if labourer.process.poll() is not None]
        for labourer in dead:
            assert labourer.process.returncode == -signal.SIGKILL, labourer.said[-2000:]
            self.kills[labourer.pid] = time.time()
            self._leaves(labourer)
            self.hire(**changes)
        return len(dead)

    def dismiss(self, *, kill: bool = False) -> None:
        for labourer in list(self.labourers):
            if kill:
                self.kills.setdefault(labourer.pid, time.time())
                labourer.process.kill()
            else:
                labourer.process.terminate()
        for labourer in list(self.labourers):
            self._leaves(labourer)

    def _leaves(self, labourer: Labourer) -> None:
        self.labourers.remove(labourer)
        try:
            labourer.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            labourer.process.kill()
            raise


@contextmanager
def crew(database_url: str, directory: Path, plant: str = "", **changes: str) -> Iterator[Crew]:
    """Make the tables; whoever is hired in the block leaves with it. `plant` is a defect that all have."""
    upgrade(Settings(database=Database(url=database_url)))
    asyncio.run(create_tables(database_url, metadata))
    made = Crew(database_url, directory, changes | ({"PLANT": plant} if plant else {}))
    try:
        yield made
    finally:
        made.dismiss()
