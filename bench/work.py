"""`python -m bench.work`: how fast facts and jobs are handled, durably, by one worker on PostgreSQL.

The worker has a core of its own; the database, and whoever writes meanwhile, has the other one.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import uvloop
from sqlalchemy import func, select

from bailiwick.kernel.database.postgresql import PostgresDatabase
from bailiwick.kernel.messaging.handlers import Handler, JobHandler, delivery, job
from bailiwick.kernel.messaging.queue import Item
from bailiwick.kernel.messaging.tables import work
from bailiwick.kernel.messaging.worker import Worker
from bailiwick.kernel.testing import create_database, execute, valkey_server
from bench import parcels
from bench.__main__ import say
from bench.conditions import conditions
from bench.servers import API_CORE, OTHER_CORE, ROOT, durable_postgres

RESULTS = ROOT / "bench" / "results" / "work.json"
EVENTS, JOBS, ROUNDS = 20_000, 20_000, 3
RATE, SECONDS = 500, 15
HISTORY = 10_000_000
LEFT = select(func.count()).select_from(work)

FINISHED = f"""
INSERT INTO kernel_finished
    (id, queue, name, priority, sequence, schema, payload, correlation_id, enqueued_at, attempts, outcome, finished_at)
SELECT gen_random_uuid(), 'default', 'bench.Weigh', 1, 0, 1, '{{}}', '', now(), 1, 'succeeded', now()
FROM generate_series(1, {HISTORY})
"""  # noqa: S608, E501  # a number of ours


class Timed(Worker):
    """A worker that notes how long each piece of work had waited when its end was stored."""

    lags: list[float]

    async def _perform(self, item: Item) -> str:
        outcome = await super()._perform(item)
        self.lags.append((datetime.now(UTC) - item.enqueued_at).total_seconds())
        return outcome


def worker_of(database: PostgresDatabase, *handlers: Handler) -> Timed:
    worker = Timed(database, handlers, lambda: datetime.now(UTC))
    worker.lags = []
    return worker


@asynccontextmanager
async def going(worker: Worker) -> AsyncIterator[None]:
    task = asyncio.ensure_future(worker.run())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def drained(worker: Timed, count: int) -> dict[str, float]:
    """How fast the worker gets through what waits: per second, and CPU time of its process for each."""
    worker.lags.clear()
    cpu, started = time.process_time(), time.perf_counter()
    async with going(worker):
        while len(worker.lags) < count:  # noqa: ASYNC110 - another's progress
            await asyncio.sleep(0.002)
        seconds, used = time.perf_counter() - started, time.process_time() - cpu
    return {"per_second": count / seconds, "cpu_us": used / count * 1e6}


async def best_of(
    fill: Callable[[], Awaitable[None]], worker: Timed, count: int, name: str
) -> dict[str, float]:
    """The median of some rounds."""
    rounds = []
    for number in range(ROUNDS):
        say(f"\r{name}: round {number + 1} of {ROUNDS} ", end="")
        await fill()
        rounds.append(await drained(worker, count))
    say("\r" + " " * 40, end="\r")
    return {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))]


async def lag(url: str, worker: Timed) -> dict[str, float]:
    """From commit to the end of the handler, in ms, while another process writes at a fixed rate."""
    worker.lags.clear()
    command = [
        sys.executable,
        "-c",
        f"import uvloop, bench.parcels as p; uvloop.run(p.send_at({url!r}, {RATE}, {SECONDS}))",
    ]
    async with going(worker):
        writer = subprocess.Popen(  # noqa: ASYNC220 - it takes a moment, before anything is measured
            command, cwd=ROOT, preexec_fn=lambda: os.sched_setaffinity(0, {OTHER_CORE})
        )
        while writer.poll() is None or len(worker.lags) < RATE * SECONDS:  # noqa: ASYNC110 - another's progress
            await asyncio.sleep(0.05)
    settled = worker.lags[RATE:]
    return {"p50_ms": percentile(settled, 0.5) * 1000, "p99_ms": percentile(settled, 0.99) * 1000}


async def claim_ms(worker: Worker) -> float:
    """The median time of a claim that finds nothing to do."""
    times = []
    for _ in range(200):
        started = time.perf_counter()
        await worker.claim()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


async def measured(postgres: str) -> dict[str, Any]:
    url = create_database(postgres)
    database = await parcels.opened(url)
    delivering = worker_of(database, delivery(parcels.subscription(database)))

    async def weigh(command: parcels.Weigh) -> None: ...

    weighing = worker_of(database, job(JobHandler(parcels.Weigh, weigh)))
    report: dict[str, Any] = {"conditions": await conditions(postgres)}
    report["deliveries"] = await best_of(
        lambda: parcels.send_many(database, EVENTS), delivering, EVENTS, "deliveries"
    )
    show("W7 deliveries with an effect, exactly once", report["deliveries"], 3000, 10_000)
    report["lag"] = await lag(url, delivering)
    found = report["lag"]
    say(f"W7 lag at {RATE}/s: p50 {found['p50_ms']:.1f} ms, p99 {found['p99_ms']:.1f} ms (pass 100, aim 25)")
    report["jobs"] = await best_of(lambda: parcels.enqueue_many(database, JOBS), weighing, JOBS, "jobs")
    show("no-op jobs, durable, with history", report["jobs"], 2000, 10_000)
    report["celery"] = celery_peer(JOBS)
    say(f"{'Celery on Redis, as a peer':46}{report['celery']['per_second']:8.0f}/s")
    report["claim_ms"] = await with_history(url, weighing)
    before, after = report["claim_ms"]["empty"], report["claim_ms"]["history"]
    say(f"claim: {before:.2f} ms, with {HISTORY:,} finished rows {after:.2f} ms: {after / before:.2f} times")
    await database.close()
    return report


async def with_history(url: str, worker: Worker) -> dict[str, float]:
    empty = await claim_ms(worker)
    say("\rwriting ten million finished rows (a minute or two) …", end="")
    await asyncio.to_thread(execute, url, FINISHED)
    say("\r" + " " * 60, end="\r")
    return {"empty": empty, "history": await claim_ms(worker)}


def celery_peer(count: int) -> dict[str, float]:
    """Plain Celery with as many no-op tasks, its worker on the core that ours had."""
    with valkey_server() as url:
        command = [sys.executable, "-m", "bench.celery_peer", url, str(count)]
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {"per_second": float(found.stdout.split()[-1])}


def show(name: str, found: dict[str, float], passing: int, aim: int) -> None:
    verdict = "aim" if found["per_second"] >= aim else "ok" if found["per_second"] >= passing else "BELOW"
    say(f"{name:46}{found['per_second']:8.0f}/s {found['cpu_us']:6.0f} µs each  pass {passing}: {verdict}")


def main() -> None:
    os.sched_setaffinity(0, {OTHER_CORE})
    with durable_postgres() as postgres:
        os.sched_setaffinity(0, {API_CORE})
        report = uvloop.run(measured(postgres))
    RESULTS.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    say(f"Written: {Path(RESULTS).relative_to(ROOT)}")


if __name__ == "__main__":
    main()
