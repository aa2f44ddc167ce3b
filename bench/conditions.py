"""Under which conditions was measured: nobody can compare numbers without them."""

import asyncio
import os
import platform
import statistics
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import asyncpg

from bench.servers import API_CORE, OTHER_CORE, ROOT

PACKAGES = ("granian", "uvicorn", "uvloop", "httptools", "asyncpg", "orjson", "pydantic", "sqlalchemy")
SYNCS = 200


def fdatasync_us() -> float:
    """How long the disk takes to confirm 8 kB: the median, in microseconds."""
    taken = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(SYNCS):
            file.write(os.urandom(8192))
            file.flush()
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1e6


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(models)} × {models[0]}" if models else platform.machine()


def _revision() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


async def conditions(database_url: str) -> dict[str, Any]:
    """The machine, the versions, the disk, and how busy the machine was with other things."""
    connection = await asyncpg.connect(database_url)
    try:
        postgres = str(await connection.fetchval("SELECT version()"))
    finally:
        await connection.close()
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": _revision(),
        "cpu": _cpu(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "postgresql": postgres.partition(" on ")[0],
        "packages": {name: version(name) for name in PACKAGES},
        "fdatasync_us": round(await asyncio.to_thread(fdatasync_us), 1),
        "load_before": round(os.getloadavg()[0], 2),
        "placing": f"API on core {API_CORE}, PostgreSQL and load on core {OTHER_CORE}",
    }
