"""The tests that every project gets for its contexts see what is wrong with one: each defect is planted."""

import re
from pathlib import Path

import pytest

from bailiwick.tooling.generate.context import new_context
from bailiwick.tooling.generate.project import new_project
from bailiwick.tooling.project import Project
from tests.tooling.generate.projects import run

KEPT = "test_any_aggregate_is_kept_whole"
MIGRATED = "test_a_context_migrates_up_down_and_up_again"
BELIEVED = "test_the_migrated_tables_are_what_the_code_believes"
STORED = "test_every_published_event_keeps_its_stored_form"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with two contexts, which the defects are divided among."""
    where = tmp_path_factory.mktemp("planted")
    new_project("acme", "tasks", where=where)
    made = Project.find(where / "acme")
    for name, aggregate in (("notes", "Note"), ("books", "Book")):
        new_context(name, aggregate, ["title:str", "pages:int"], project=made)
    return made


def failures(project: Project) -> set[tuple[str, str]]:
    """Each test that fails, with the context or aggregate that it is about, on SQLite."""
    done = run(project.root, "pytest", "-q", "-k", "sqlite or stored_form", "tests/test_every_context.py")
    return set(re.findall(r"^FAILED \S+::(\w+)\[(?:sqlite-)?([\w.]+?)(?:-sqlite)?\]", done.stdout, re.M))


def plant(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_each_defect_is_seen_by_its_test_and_what_is_whole_passes(project: Project) -> None:
    assert failures(project) == set()
    books, notes = project.source / "books", project.source / "notes"
    plant(books / "migrations/0001_books.py", 'op.drop_table("books_book")', "pass")
    plant(books / "contract.py", "    title: str\n", "    title: str\n    pages: int\n")
    plant(books / "domain/book.py", "title=details.title", "title=details.title, pages=details.pages")
    plant(notes / "migrations/0001_notes.py", '        sa.Column("pages", sa.Integer, nullable=False),\n', "")
    plant(notes / "infrastructure/tables.py", 'Column("pages", Integer', 'Column("pages", String(9)')
    (project.golden("notes") / "notes.NoteDeleted.1.json").unlink()
    assert failures(project) == {
        (MIGRATED, "acme.books"), (STORED, "acme.books"), (BELIEVED, "acme.notes"), (STORED, "acme.notes"),
        (KEPT, "notes.Note"),
    }  # fmt: skip
