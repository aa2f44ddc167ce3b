"""What a migration would do to a database in use is seen in its SQL, at the line that says it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import op

from bailiwick.tooling.check.migrations import load
from bailiwick.tooling.check.migrations.rehearsal import Rehearsed, rehearse

notes = sa.table("notes", sa.column("text", sa.String), sa.column("more", sa.JSON))


def rehearsed(upgrade: Any) -> Rehearsed:
    script: Any = SimpleNamespace(path=__file__, module=SimpleNamespace(upgrade=upgrade))
    return rehearse(script)


def new_table() -> None:
    op.create_table("notes", sa.Column("id", sa.Uuid, primary_key=True), sa.Column("text", sa.String(9)))
    op.create_index("ix_notes", "notes", ["text"])
    op.create_check_constraint("ck_notes", "notes", "text <> ''")


def new_column() -> None:
    op.add_column("notes", sa.Column("more", sa.Integer))
    op.add_column("notes", sa.Column("most", sa.Integer, nullable=False, server_default="0"))


def asks_and_fills() -> None:
    connection = op.get_bind()
    for _ in connection.execute(sa.select(notes)):
        raise AssertionError("nothing is there")
    assert connection.execute(sa.text("SELECT count(*) FROM notes")).scalar() is None
    op.bulk_insert(notes, [{"text": "a", "more": ["b"]}])
    connection.execute(sa.update(notes).values(text="c"))


LOCKING = {
    "require-concurrent-index-creation": lambda: op.create_index("ix", "notes", ["text"]),
    "require-concurrent-index-deletion": lambda: op.drop_index("ix", "notes"),
    "adding-required-field": lambda: op.add_column("notes", sa.Column("n", sa.Integer, nullable=False)),
    "changing-column-type": lambda: op.alter_column("notes", "text", type_=sa.Text()),
    "renaming-column": lambda: op.alter_column("notes", "text", new_column_name="words"),
    "renaming-table": lambda: op.rename_table("notes", "papers"),
    "ban-drop-column": lambda: op.drop_column("notes", "text"),
    "ban-drop-table": lambda: op.drop_table("notes"),
    "adding-not-nullable-field": lambda: op.alter_column("notes", "text", nullable=False),
    "adding-foreign-key-constraint": lambda: op.create_foreign_key("fk", "notes", "notes", ["id"], ["id"]),
    "constraint-missing-not-valid": lambda: op.create_check_constraint("ck", "notes", "text <> ''"),
    "disallowed-unique-constraint": lambda: op.create_unique_constraint("uq", "notes", ["text"]),
}


def told(*upgrades: Any) -> list[str]:
    return [seen["rule_name"] for _, seen in load.judged([rehearsed(each) for each in upgrades])]


@pytest.mark.parametrize("upgrade", [new_table, new_column, asks_and_fills])
def test_what_bears_load_passes(upgrade: Any) -> None:
    assert told(upgrade) == []


@pytest.mark.parametrize("rule", LOCKING)
def test_what_stops_or_breaks_the_version_that_runs_is_seen(rule: str) -> None:
    assert rule in told(LOCKING[rule])


def test_a_migration_that_did_not_wait_briefly_for_locks_would_be_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(load, "WAIT_BRIEFLY", "SELECT 1")
    assert "require-lock-timeout" in told(new_column)


def test_each_statement_has_the_line_of_the_migration_that_says_it() -> None:
    found = rehearsed(new_table)
    said = dict(zip(found.lines, found.sql.splitlines(), strict=True))
    first = new_table.__code__.co_firstlineno
    assert said[first + 2] == "CREATE INDEX ix_notes ON notes (text);"
    assert len(found.lines) > len(said)  # the table has several lines of SQL, and one of Python


def test_a_migration_that_needs_an_answer_says_so() -> None:
    found = rehearsed(lambda: op.get_bind().execute(sa.select(notes)).one())
    assert found.failure.startswith("NoResultFound")


def test_rules_of_squawk_that_are_left_out_have_reasons_and_are_rules(tmp_path: Path) -> None:
    assert all(len(reason) > 5 for reason in load.LEFT_OUT.values())
    (tmp_path / "a.sql").write_text(
        "CREATE TABLE a (b varchar(3), c int, d smallint);\nCREATE INDEX d ON e (f);"
    )
    assert load._squawk([str(tmp_path / "a.sql")])
