"""Celery runs the jobs where it is configured: once each, whatever is killed, lost or sent twice."""

import asyncio
import os
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2 as httpx
import pytest
import redis
from sqlalchemy import delete, insert, select
from structlog.testing import capture_logs
from typer.testing import CliRunner

from bailiwick.backend import Backend
from bailiwick.cli import app
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.jobs import Job
from bailiwick.kernel.messaging.celery_broker import CeleryBroker
from bailiwick.kernel.messaging.tables import finished, pauses, work
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Celery
from bailiwick.kernel.testing import create_database, drop_database, free_port
from tests.docs.pages import ROOT, blocks
from tests.kernel.celery_workers import CONTEXT, CeleryWorker, celery_worker, environment, messages
from tests.kernel.errands.jobs import QUEUE, Copy, Double, Refuse, Tell
from tests.kernel.messages import left
from tests.kernel.samples import SampleUnitOfWork, create_tables, shelves

NAME = "errands.Copy"
ENDED = select(finished.c.name, finished.c.outcome, finished.c.attempts, finished.c.result, finished.c.error)
HELD = select(work.c.id).where(work.c.leased_by.is_not(None))
RESEND_SECONDS = 2.0
LOGIN = ("ada", "a-long-secret")
GUIDE = ROOT / "docs/guides/use-celery.md"


@pytest.fixture(scope="module")
def broker_url(valkey: str) -> str:
    """A database of the server that no other test empties."""
    return valkey.rpartition("/")[0] + "/5"


@pytest.fixture(scope="module")
def errands_url(postgres: str) -> Iterator[str]:
    """A database that the worker keeps for all tests here."""
    url = create_database(postgres)
    asyncio.run(create_tables(url))
    yield url
    drop_database(postgres, url)


@pytest.fixture(scope="module")
def shared(
    errands_url: str, broker_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CeleryWorker]:
    with celery_worker(errands_url, broker_url, tmp_path_factory.mktemp("celery")) as worker:
        yield worker


@pytest.fixture
def worker(shared: CeleryWorker) -> CeleryWorker:
    """Up, whatever the test before this one did to it."""
    if not shared.runs:
        shared.start()
    return shared


@asynccontextmanager
async def product(url: str, broker_url: str, **celery: Any) -> AsyncIterator[Backend]:
    """A process of the product beside the Celery worker, with nothing in its tables."""
    options = {"url": broker_url, "resend_seconds": RESEND_SECONDS} | celery
    chosen = {"contexts": [CONTEXT], "database": {"url": url}, "celery": options}
    async with Backend.build(Settings.model_validate(chosen)).running() as backend:
        for table in (work, finished, pauses, shelves):
            await backend.platform.database.write([Write(delete(table), {})])
        yield backend


@pytest.fixture
async def database(errands_url: str, broker_url: str) -> AsyncIterator[Database]:
    async with product(errands_url, broker_url) as backend:
        yield backend.platform.database


async def enqueue(database: Database, *jobs: Job) -> list[UUID]:
    async with SampleUnitOfWork(database) as uow:
        ids = [uow.enqueue(job) for job in jobs]
        await uow.commit(None)
    return ids


async def until(what: Callable[[], Awaitable[bool]], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not await what():  # noqa: ASYNC110  # other processes are the ones that do it
            await asyncio.sleep(0.05)


async def all_done(database: Database, seconds: float = 30.0) -> None:
    async def nothing_left() -> bool:
        return await left(database) == 0

    await until(nothing_left, seconds)


async def copied(database: Database) -> Counter[int]:
    """How often each number was."""
    names = await database.all(select(shelves.c.name))
    return Counter(int(name.split()[1]) for (name,) in names)


async def check(database: Database, count: int) -> None:
    """Each was copied once, and is known to have succeeded."""
    assert await copied(database) == Counter(range(count))
    outcomes = Counter([(row[0], row[1]) for row in await database.all(ENDED)])
    assert outcomes == {(NAME, "succeeded"): count}


async def test_jobs_run_in_celery_once_each_with_their_results(
    worker: CeleryWorker, database: Database
) -> None:
    await enqueue(database, *(Copy(number) for number in range(20)))
    await all_done(database)
    await check(database, 20)
    rows = await database.all(ENDED)
    assert {row[2] for row in rows} == {1}
    assert sorted(row[3]["number"] for row in rows) == list(range(20))
    processes = {row[3]["process"] for row in rows}
    assert len(processes) == 2
    assert os.getpid() not in processes


async def test_a_plain_function_and_one_that_gives_up_run_in_celery_too(
    worker: CeleryWorker, database: Database
) -> None:
    await enqueue(database, Double(21), Refuse("it rains"))
    await all_done(database)
    assert sorted((row[0], row[1], row[3], row[4]) for row in await database.all(ENDED)) == [
        ("errands.Double", "succeeded", 42, None),
        ("errands.Refuse", "dead", None, "GiveUp: it rains"),
    ]


async def test_progress_in_celery_is_told(worker: CeleryWorker, database: Database) -> None:
    await enqueue(database, Tell(0.7))

    async def told() -> bool:
        return await database.all(select(work.c.progress)) == [({"done": 0.5, "note": "half"},)]

    await until(told)
    await all_done(database)


async def test_what_a_killed_celery_worker_had_is_done_once_within_half_a_minute(
    worker: CeleryWorker, database: Database
) -> None:
    await enqueue(database, *(Copy(number, seconds=0.02) for number in range(200)))

    async def half_done() -> bool:
        return len(await copied(database)) >= 70

    await until(half_done)
    worker.kill()
    killed = time.monotonic()
    worker.start()
    await all_done(database, 30.0 - (time.monotonic() - killed))
    await check(database, 200)


async def test_messages_that_redis_lost_are_sent_again(
    worker: CeleryWorker, database: Database, broker_url: str
) -> None:
    with worker.frozen():
        await enqueue(database, *(Copy(number) for number in range(20)))

        async def sent() -> bool:
            return await messages(broker_url, QUEUE) >= 15

        await until(sent)
        with redis.Redis.from_url(broker_url) as server:
            server.flushdb()
    await all_done(database)
    await check(database, 20)


async def test_a_message_that_comes_often_has_one_effect(
    worker: CeleryWorker, database: Database, broker_url: str
) -> None:
    with worker.frozen():
        ids = await enqueue(database, *(Copy(number, seconds=0.1) for number in range(5)))
        broker = CeleryBroker(Celery(url=broker_url))
        await asyncio.to_thread(broker.send, [(id, NAME, QUEUE) for id in ids * 4])

        async def sent() -> bool:
            return await messages(broker_url, QUEUE) >= 20

        await until(sent)
    await all_done(database)
    broker.close()
    await check(database, 5)
    assert {row[2] for row in await database.all(ENDED)} == {1}, "it was begun again"


async def pause(database: Database) -> None:
    row = {"queue": QUEUE, "paused_at": time_now(), "paused_by": "ada", "reason": "rain"}
    await database.write([Write(insert(pauses), row)])


def time_now() -> Any:
    return Backend.build(Settings()).platform.clock()


async def test_of_a_paused_queue_nothing_is_sent_and_nothing_is_begun(
    worker: CeleryWorker, database: Database, broker_url: str
) -> None:
    with worker.frozen():
        await enqueue(database, Copy(0), Copy(1))

        async def sent() -> bool:
            return len(await database.all(HELD)) == 2

        await until(sent)
        await pause(database)
        await enqueue(database, Copy(2))
        await asyncio.sleep(0.5)
        assert len(await database.all(HELD)) == 2

    async def given_back() -> bool:
        return not await database.all(HELD)

    await until(given_back)
    assert await copied(database) == {}
    await database.write([Write(delete(pauses), {})])
    await all_done(database)
    await check(database, 3)


async def test_a_celery_worker_that_is_stopped_in_order_loses_and_doubles_nothing(
    worker: CeleryWorker, database: Database
) -> None:
    await enqueue(database, *(Copy(number, seconds=0.1) for number in range(30)))

    async def begun() -> bool:
        return len(await copied(database)) >= 5

    await until(begun)
    assert worker.stop() == 0
    rows = await database.all(select(work.c.attempts))
    assert {row[0] for row in rows} == {0}, "something was begun and not ended"
    worker.start()
    await all_done(database, 15.0)
    await check(database, 30)


async def test_while_redis_is_away_jobs_wait_and_one_line_says_why(errands_url: str) -> None:
    away = f"redis://:secret@127.0.0.1:{free_port()}/0"
    with capture_logs() as logs:
        async with product(errands_url, away) as backend:
            await enqueue(backend.platform.database, Copy(0))
            await asyncio.sleep(0.6)
            assert await left(backend.platform.database) == 1
            assert await backend.platform.database.all(HELD) == []
    [line] = [line for line in logs if line["event"] == "broker_down"]
    assert "secret" not in str(line)


async def test_without_celery_jobs_wait_and_one_line_says_what_to_install(
    errands_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "celery", None)
    with capture_logs() as logs:
        async with product(errands_url, "redis://127.0.0.1:1/0") as backend:
            await enqueue(backend.platform.database, Copy(0))
            await asyncio.sleep(0.3)
            assert await left(backend.platform.database) == 1
    assert [line["reason"] for line in logs if line["event"] == "broker_down"] == [
        "Celery is not installed. It comes with an extra: pip install 'bailiwick[celery]'."
    ]


@asynccontextmanager
async def flower(url: str, broker_url: str, directory: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The real Flower, started as the guide says, seen by somebody who may."""
    port = free_port()
    [line] = [line for block in blocks(GUIDE, "sh") for line in block.splitlines() if " flower " in line]
    login, *command = shlex.split(line)
    assert login == f"FLOWER_BASIC_AUTH={':'.join(LOGIN)}"
    command = [sys.executable, "-m", *command, f"--port={port}"]
    own = environment(url, broker_url) | dict([login.split("=")])
    with (directory / "flower.log").open("wb") as log:
        process = subprocess.Popen(command, env=own, cwd=ROOT, stdout=log, stderr=log)  # noqa: ASYNC220
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", auth=LOGIN, timeout=10) as client:
            await until(lambda: _hears(client))
            yield client
    finally:
        process.terminate()
        process.wait(30)


async def _hears(client: httpx.AsyncClient) -> bool:
    """Whether it has heard of a worker: what was said before, it does not know."""
    with suppress(httpx.TransportError):
        return bool((await client.get("/workers", params={"json": 1})).json()["data"])
    return False


async def test_flower_shows_the_jobs_to_whoever_may_see_them(
    worker: CeleryWorker, database: Database, errands_url: str, broker_url: str, tmp_path: Path
) -> None:
    async with flower(errands_url, broker_url, tmp_path) as client:
        assert (await client.get("/api/tasks", auth=("ada", "wrong"))).status_code == 401
        [id, _] = await enqueue(database, Copy(0), Refuse("it rains"))
        await all_done(database)
        seen: dict[str, dict[str, Any]] = {}

        async def shown() -> bool:
            found = (await client.get("/api/tasks")).json().values()
            seen.update({task["name"]: task for task in found if task["state"] in ("SUCCESS", "FAILURE")})
            return len(seen) == 2

        await until(shown)
    copy, refuse = seen[NAME], seen["errands.Refuse"]
    assert (copy["state"], copy["result"], copy["args"]) == ("SUCCESS", "'succeeded'", f"('{id}',)")
    assert (refuse["state"], refuse["exception"]) == ("FAILURE", "NotDone('dead: GiveUp: it rains')")


@pytest.mark.parametrize(
    ("installed", "url", "said"),
    [(True, "", "say in `celery.url` which Redis"), (False, "redis://127.0.0.1:1/0", "'bailiwick[celery]'")],
)
def test_the_command_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, installed: bool, url: str, said: str
) -> None:
    monkeypatch.setenv("BAILIWICK_CELERY__URL", url)
    if not installed:
        monkeypatch.setitem(sys.modules, "celery", None)
    result = CliRunner().invoke(app, ["celery"], prog_name="bailiwick")
    assert (result.exit_code, said in result.stderr) == (1, True)
