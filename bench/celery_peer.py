"""Plain Celery on Redis as a peer: `python -m bench.celery_peer URL N` runs N no-op tasks, prints tasks/s."""

import os
import subprocess
import sys
import time
from importlib import import_module
from typing import Any

import redis

URL = "CELERY_PEER_URL"
QUEUE = "celery"
# One process on one core, as ours is: its usual pool of processes is slower on that.
WORKER = [sys.executable, "-m", "celery", "-A", "bench.celery_peer", "worker"]
WORKER += ["--pool=solo", "--prefetch-multiplier=64", "--loglevel=error"]
WORKER += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
START_SECONDS, LONGEST = 60.0, 600.0

celery: Any = import_module("celery")  # it has no types
app = celery.Celery("peer", broker=os.environ.get(URL), set_as_current=False)
# What a killed worker had comes back, and no result is kept: the least that is like a durable job.
app.conf.update(task_acks_late=True, task_ignore_result=True, worker_hijack_root_logger=False)


@app.task(name="peer.nothing")  # type: ignore[untyped-decorator]  # Celery has no types
def nothing() -> None: ...


def run(url: str, count: int) -> float:
    """Enqueue `count` tasks, then start one worker on them. Tasks/s from its first task to its last."""
    app.conf.broker_url = url
    with app.producer_pool.acquire() as producer:
        for _ in range(count):
            nothing.apply_async(producer=producer)
    worker = subprocess.Popen(WORKER, env=os.environ | {URL: url}, stdout=subprocess.DEVNULL)
    try:
        with redis.Redis.from_url(url) as server:
            return count / (-_when(server, worker, count - 1) + _when(server, worker, 0))
    finally:
        worker.terminate()
        worker.wait(30)


def _when(server: "redis.Redis", worker: "subprocess.Popen[bytes]", left: int) -> float:
    """The moment when no more than so many tasks are left, waiting or running."""
    until = time.monotonic() + (LONGEST if left == 0 else START_SECONDS)
    while _left(server) > left:
        if worker.poll() is not None or time.monotonic() > until:
            raise RuntimeError("the Celery worker ended or does not get on")
        time.sleep(0.002)
    return time.monotonic()


def _left(server: "redis.Redis") -> int:
    pipeline = server.pipeline()
    pipeline.llen(QUEUE)
    pipeline.hlen("unacked")
    return sum(pipeline.execute())


if __name__ == "__main__":
    print(f"{run(sys.argv[1], int(sys.argv[2])):.0f}")
