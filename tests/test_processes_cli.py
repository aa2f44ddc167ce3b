"""Processes at the command line: which are stuck, what one has done, and having it tried again."""

import asyncio
import json
import os
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner, Result

from bailiwick.cli import app
from bailiwick.kernel.database import migrations
from bailiwick.kernel.database.unit_of_work import SqlUnitOfWork
from bailiwick.kernel.jobs import GiveUp
from bailiwick.kernel.messaging.processes import Conductor, ProcessHandler
from bailiwick.kernel.messaging.worker import Worker
from bailiwick.kernel.process_testing import Clock
from bailiwick.kernel.processes import Process, Step
from tests.kernel.samples import database_at


@dataclass(frozen=True)
class Trip:
    guests: int


async def fail(state: Trip, ports: None, key: UUID) -> None:
    raise GiveUp("the coach does not exist")


TRIP: Process[Trip, None] = Process(
    "trips.booking", Trip, (Step("hire_coach", fail, undo=fail),), within=timedelta(days=1)
)


def bailiwick(*words: str) -> Result:
    return CliRunner().invoke(app, ["processes", *words], prog_name="bailiwick")


async def stuck(url: str) -> UUID:
    database = database_at(url)
    await database.open()
    async with SqlUnitOfWork(database) as uow:
        id = await uow.commit(uow.start(TRIP, Trip(guests=12), key=uuid4().hex))
    worker = Worker(database, Conductor(ProcessHandler(TRIP, None), database, Clock()).handlers(), Clock())
    await worker.until_idle()
    await database.close()
    return id


def test_an_operator_finds_a_stuck_process_and_has_it_tried_again(
    monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    for name in list(os.environ):
        if name.startswith("BAILIWICK_") or name in ("REDIS_URL", "PORT", "SECRET_KEY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DATABASE_URL", database_url)
    asyncio.run(migrations.upgrade_async(database_url, ["identity", "profiles", "tasks"]))
    assert bailiwick("list").stdout.strip() == "There is nothing."
    id = asyncio.run(stuck(database_url))
    listed = bailiwick("list", "--status", "stuck").stdout
    assert id.hex[-8:] in listed
    assert "GiveUp: the coach does not exist" in listed
    assert max(map(len, listed.splitlines())) <= 100
    shown = json.loads(bailiwick("show", id.hex[-8:], "--json").stdout)
    assert (shown["status"], shown["state"], shown["done"]) == ("stuck", {"guests": 12}, ["hire_coach"])
    assert [each["what"] for each in shown["history"]] == ["refused", "stuck"]
    assert bailiwick("retry", str(id)).stdout.strip() == "It goes on."
    assert "compensating" in bailiwick("show", str(id)).stdout
    again = bailiwick("retry", str(id))
    assert (again.exit_code, "goes on by itself" in again.stderr) == (1, True)
    assert bailiwick("show", str(uuid4())).exit_code == 1
