"""Messages, jobs and the worker at the command line: on either database, as an operator uses them."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from bailiwick.cli import app
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.unit_of_work import SqlUnitOfWork
from bailiwick.kernel.jobs import GiveUp, Job
from bailiwick.kernel.messaging.handlers import JobHandler, job
from bailiwick.kernel.messaging.tables import audit
from bailiwick.kernel.messaging.worker import Worker
from tests.kernel.samples import database_at

WIDTH = 100


@dataclass(frozen=True)
class SendCard(Job):
    to: str

    queue: ClassVar[str] = "cards"


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str) -> str:
    """A prepared installation of people and profiles, on this test's database."""
    for name in list(os.environ):
        if name.startswith("BAILIWICK_") or name in ("DATABASE_URL", "REDIS_URL", "PORT", "SECRET_KEY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("BAILIWICK_CONTEXTS", "identity,profiles")
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("USER", "ada")
    monkeypatch.chdir(tmp_path)
    done("migrate", "up")
    return database_url


def bailiwick(*words: str) -> Result:
    return CliRunner().invoke(app, words, prog_name="bailiwick")


def done(*words: str) -> str:
    """What a command that succeeds says; never wider than a terminal."""
    result = bailiwick(*words)
    assert result.exit_code == 0, result.output
    if "--json" not in words:
        assert max(map(len, result.stdout.splitlines()), default=0) <= WIDTH
    return result.stdout


def refused(*words: str) -> str:
    result = bailiwick(*words)
    assert result.exit_code == 1
    return result.stderr


def with_database(url: str, act: Callable[[Database], Awaitable[None]]) -> None:
    async def run() -> None:
        database = database_at(url)
        await database.open()
        await act(database)
        await database.close()

    asyncio.run(run())


def send_card(url: str, to: str, *, fails: bool = False) -> None:
    async def act(database: Database) -> None:
        async with SqlUnitOfWork(database) as uow:
            uow.enqueue(SendCard(to))
            await uow.commit(None)
        if fails:
            await Worker(database, [job(JobHandler(SendCard, fail))], lambda: datetime.now(UTC)).until_idle()

    async def fail(command: SendCard) -> None:
        raise GiveUp(f"nobody is called {command.to}; " + "the post came back, " * 20)

    with_database(url, act)


def jobs() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(done("jobs", "list", "--json"))
    return found


VERBS = ("list", "show", "why", "retry", "cancel", "replay", "discard", "queues", "pause", "resume")


@pytest.mark.parametrize(
    "words", [("worker",), *((of, verb) for of in ("messages", "jobs") for verb in VERBS)]
)
def test_every_command_for_operators_explains_itself(words: tuple[str, ...]) -> None:
    assert len(done(*words, "--help").splitlines()) > 4


def messages() -> list[dict[str, Any]]:
    listed = done("messages", "list", "--name", "profiles.on_user_registered", "--json")
    found: list[dict[str, Any]] = json.loads(listed)
    return found


def test_a_message_is_listed_shown_and_explained(place: str) -> None:
    done("superuser", "create", "ada@example.com")
    assert "profiles.on_user_registered" in done("messages", "list")
    [message] = messages()
    short = message["id"].replace("-", "")[-8:]
    assert short in done("messages", "list")
    assert "ada@example.com" in done("messages", "show", short)
    assert json.loads(done("messages", "show", short, "--json"))["payload"]["email"] == "ada@example.com"
    told = json.loads(done("messages", "why", message["id"], "--json"))
    assert (told["state"], [each["code"] for each in told["reasons"]]) == ("waiting", ["due"])
    assert "profiles.on_user_registered in the queue profiles is waiting." in done("messages", "why", short)
    assert done("messages", "list", "--state", "dead") == "There is nothing.\n"


def test_a_paused_queue_is_shown_and_named_as_the_reason(place: str) -> None:
    done("superuser", "create", "ada@example.com")
    done("messages", "pause", "profiles", "--reason", "the database moves")
    assert "paused by ada@" in done("messages", "queues")
    [message] = messages()
    why = done("messages", "why", message["id"])
    assert "was paused at" in why
    assert "the database moves" in why
    done("messages", "resume", "profiles")
    assert "was paused" not in done("messages", "why", message["id"])
    assert "there is no queue profile" in refused("messages", "pause", "profile", "--reason", "none")


def test_what_was_given_up_is_replayed_cancelled_and_discarded(place: str) -> None:
    send_card(place, "bob", fails=True)
    [dead] = jobs()
    assert (dead["state"], dead["attempts"]) == ("dead", 1)
    assert "GiveUp: nobody is called bob" in done("jobs", "list", "--state", "dead")
    assert "Replay it" in done("jobs", "why", dead["id"])
    assert "only what waits can be tried now" in refused("jobs", "retry", dead["id"])
    assert done("jobs", "replay", dead["id"]) == "It waits again.\n"
    assert [each["state"] for each in jobs()] == ["waiting"]
    assert "knows no handler for " in done("jobs", "why", dead["id"])
    done("jobs", "retry", dead["id"])
    done("jobs", "cancel", dead["id"])
    assert [each["state"] for each in jobs()] == ["cancelled"]
    done("jobs", "discard", dead["id"])
    assert jobs() == []


def test_all_that_was_given_up_in_a_queue_is_replayed_or_discarded(place: str) -> None:
    for name in ("bob", "eve"):
        send_card(place, name, fails=True)
    assert done("jobs", "replay", "--dead", "cards") == "2 wait again.\n"
    send_card(place, "mallory", fails=True)
    assert done("jobs", "discard", "--dead", "cards") == "3 are forgotten.\n"
    for words in (("jobs", "replay"), ("jobs", "replay", "1234", "--dead", "cards"), ("jobs", "discard")):
        assert bailiwick(*words).exit_code == 2


def test_a_part_of_an_id_must_belong_to_one(place: str) -> None:
    for name in ("bob", "eve"):
        send_card(place, name)
    first = jobs()[0]["id"]
    assert "belongs to several" in refused("jobs", "show", first[:4])
    assert "4 or more digits" in refused("jobs", "show", "xyz")
    assert "no job has an id" in refused("jobs", "why", "ffffffffff")


def test_the_oldest_come_first_where_one_asks_for_them(place: str) -> None:
    for name in ("bob", "eve", "kim"):
        send_card(place, name)
    newest, oldest = jobs(), json.loads(done("jobs", "list", "--oldest", "--limit", "2", "--json"))
    assert [each["id"] for each in oldest] == [each["id"] for each in reversed(newest)][:2]


def test_what_an_operator_does_is_on_the_record(place: str) -> None:
    send_card(place, "bob")
    done("jobs", "cancel", jobs()[0]["id"])
    rows: list[Any] = []

    async def look(database: Database) -> None:
        rows.extend(await database.all(select(audit.c.what, audit.c.details).order_by(audit.c.id)))

    with_database(place, look)
    what, details = rows[-1]
    assert what == "cli.jobs.cancel"
    assert details["address"].startswith("ada@")


def test_a_worker_handles_what_waits_and_stops_when_told(place: str) -> None:
    done("superuser", "create", "ada@example.com")
    process = subprocess.Popen(
        [sys.executable, "-m", "bailiwick.cli", "worker"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until = time.monotonic() + 30
        while done("messages", "list") != "There is nothing.\n" and time.monotonic() < until:
            time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGTERM)
        said, logged = process.communicate(timeout=30)
    assert "profiles: profiles.on_user_registered" in said
    assert "Stopping" in said
    assert (process.returncode, "Traceback" in logged) == (0, False)
    assert done("messages", "list") == "There is nothing.\n"


def test_a_worker_with_nothing_to_handle_is_refused(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAILIWICK_CONTEXTS", "tasks")
    assert "subscribe to no event and have no job" in refused("worker")


def test_a_database_that_is_not_prepared_is_said_plainly(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'new.db'}")
    monkeypatch.chdir(tmp_path)
    assert "bailiwick doctor" in refused("messages", "list")
