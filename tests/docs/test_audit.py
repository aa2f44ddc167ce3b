"""The page on the audit trail: its commands do what it says."""

import asyncio
import re
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from typer.testing import CliRunner, Result

from bailiwick.cli import app
from bailiwick.kernel.audit.sealing import Sealer
from bailiwick.kernel.database.sqlite import SqliteDatabase
from tests.docs.pages import ROOT, commands

VERIFY, ANCHORED, BY, OF, OLD = commands(ROOT / "docs/guides/audit.md")
SOMEBODY = re.search(r"[0-9a-f-]{36}", BY)


@pytest.fixture(autouse=True)
def demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sqlite_url: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    assert bailiwick("migrate up").exit_code == 0
    assert bailiwick("demo").exit_code == 0


def bailiwick(line: str) -> Result:
    return CliRunner().invoke(app, line.split(), prog_name="bailiwick")


def seal(url: str) -> None:
    """What a worker does soon after each commit."""

    async def run() -> None:
        database = SqliteDatabase(url)
        await database.open()
        await Sealer(database, lambda: datetime.now(UTC)).look()
        await database.close()

    asyncio.run(run())


def query(url: str, statement: str) -> list[tuple[str, ...]]:
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    found = connection.execute(statement).fetchall()
    connection.close()
    return found


def of(line: str, person: str) -> str:
    """A command of the page, about another person."""
    assert SOMEBODY is not None
    return line.replace(SOMEBODY[0], person)


def test_the_commands_of_the_page_do_what_it_says(sqlite_url: str, tmp_path: Path) -> None:
    first = bailiwick(VERIFY)
    assert (first.exit_code, "OK: 0 rows" in first.stdout) == (0, True)
    assert re.search(r"^Not sealed yet: \d\d rows, the oldest of 20", first.stdout, re.MULTILINE)
    seal(sqlite_url)
    sealed = bailiwick(VERIFY)
    assert re.match(r"OK: \d\d rows sealed and intact\.\nHead: \d\d [0-9a-f]{64}\n$", sealed.stdout)

    assert bailiwick(ANCHORED).exit_code == bailiwick(ANCHORED).exit_code == 0
    assert (tmp_path / "audit.anchor").read_text() == sealed.stdout.rpartition("Head: ")[2]

    [(owner,), *_] = query(sqlite_url, "SELECT owner_id FROM tasks_task")
    [(task,), *_] = query(sqlite_url, "SELECT id FROM tasks_task")
    assert bailiwick(of(BY, str(UUID(owner)))).stdout == "0 rows lost their details.\n"
    assert bailiwick(of(OF, str(UUID(task)))).stdout == "1 row lost its details.\n"
    assert bailiwick(OLD).stdout == "0 rows lost their details.\n"
    seal(sqlite_url)
    erased = bailiwick(ANCHORED)
    assert (erased.exit_code, "Erased details: 1 row." in erased.stdout) == (0, True)
    assert len((tmp_path / "audit.anchor").read_text().splitlines()) == 2


def test_damage_and_a_cut_off_end_are_told_with_an_exit_code(sqlite_url: str) -> None:
    seal(sqlite_url)
    assert bailiwick(ANCHORED).exit_code == 0
    query(sqlite_url, "DROP TRIGGER kernel_audit_only_erase")
    query(sqlite_url, "DROP TRIGGER kernel_seal_append_only")
    query(sqlite_url, "DELETE FROM kernel_seal WHERE position = (SELECT max(position) FROM kernel_seal)")
    assert bailiwick(VERIFY).exit_code == 0
    cut = bailiwick(ANCHORED)
    assert (cut.exit_code, "it was anchored and is gone" in cut.stdout) == (1, True)
    query(sqlite_url, "UPDATE kernel_audit SET what = 'other' WHERE id = (SELECT min(id) FROM kernel_audit)")
    damaged = bailiwick(VERIFY)
    assert damaged.exit_code == 1
    assert re.search(
        r"DAMAGED in 1 places:\n  position 1, row [0-9a-f-]{36}: the row was altered", damaged.stdout
    )


def test_an_erasure_says_whose_and_is_asked_about(tmp_path: Path) -> None:
    assert bailiwick("audit erase --yes").exit_code == 2
    assert bailiwick(BY.removesuffix(" --yes")).exit_code == 1
    (tmp_path / "audit.anchor").write_text("not a head\n")
    assert bailiwick(ANCHORED).exit_code == 2
