"""`bailiwick promote`: a flat context in the full shape does what it did, after edits as well."""

from pathlib import Path
from shutil import copytree

import pytest

from bailiwick.tooling.edit.promote import promote
from bailiwick.tooling.generate.project import new_project
from bailiwick.tooling.generate.rendering import CannotGenerate
from bailiwick.tooling.project import Project
from tests.tooling.edit.projects import state, text
from tests.tooling.generate.projects import run

FIELDS = ["title:str", "due_at:datetime?", "price:money?", "kind:short|long"]
EVENT = "identity.UserRegistered"
NOTES = "src/acme/notes"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("promoted")
    new_project("acme", "identity", where=where)
    options = [
        "--aggregate",
        "Note",
        "--flat",
        "--on",
        EVENT,
        *(word for field in FIELDS for word in ("--field", field)),
    ]
    done = run(where / "acme", "bailiwick", "new", "context", "notes", *options)
    assert done.returncode == 0, done.stderr
    return where / "acme"


@pytest.fixture
def flat(made: Path, tmp_path: Path) -> Project:
    """A project with the flat context `notes`, as it is generated."""
    copytree(made, tmp_path / "acme")
    return Project(tmp_path / "acme", "acme")


def test_each_statement_moves_to_its_layer(flat: Project) -> None:
    told = promote("notes", flat)
    assert [str(path) for path in sorted(told.removed)] == [
        f"{NOTES}/http.py", f"{NOTES}/store.py", f"{NOTES}/tables.py"
    ]  # fmt: skip
    expected = {
        "domain/note.py": ["LONGEST_TITLE = 200", "class NoteKind(StrEnum)", "class Note(Aggregate)"],
        "application/ports.py": ["class Notes(Protocol)", "uow: Callable[[], NotesUnitOfWork]"],
        "application/notes.py": ["class ChangeNote:", "async def change_note(command: ChangeNote"],
        "application/subscribers.py": [
            "async def on_user_registered(event: UserRegistered, ports: NotesPorts)"
        ],
        "infrastructure/tables.py": ["notes = Table("],
        "infrastructure/unit_of_work.py": ["_OWNED = select(", "class SqlNotesUnitOfWork(SqlUnitOfWork)"],
        "infrastructure/queries.py": ["class NoteView:", "NEVER = ", "NOTES = Listing(", "def one_note("],
        "interfaces/http.py": ["from acme.notes.application.notes import", "class NoteBody(BaseModel)"],
        "module.py": ["from acme.notes.infrastructure.unit_of_work import SqlNotesUnitOfWork"],
    }
    for path, parts in expected.items():
        written = text(flat, f"{NOTES}/{path}")
        assert [part for part in parts if part not in written] == [], path


def refused(project: Project) -> str:
    before = state(project)
    with pytest.raises(CannotGenerate) as error:
        promote("notes", project)
    assert state(project) == before
    return str(error.value)


def test_what_would_look_outward_is_named_and_nothing_moves(flat: Project) -> None:
    store = flat.root / NOTES / "store.py"
    before = "    def delete(self, now: datetime)"
    store.write_text(
        store.read_text().replace(before, f"    def seen(self) -> object:\n        return NOTES\n\n{before}")
    )
    assert "Note to do without NOTES: it goes to domain/note" in refused(flat)


def test_a_class_that_is_not_called_after_its_port_is_refused(flat: Project) -> None:
    store = flat.root / NOTES / "store.py"
    store.write_text(
        store.read_text().replace("SqlNotes(", "StoredNotes(").replace("-> SqlNotes:", "-> StoredNotes:")
    )
    assert "a name that begins with Sql for StoredNotes" in refused(flat)


def test_a_context_is_promoted_once(flat: Project) -> None:
    promote("notes", flat)
    assert "notes is in the full shape already" in refused(flat)


def test_a_flat_context_is_extended_promoted_and_extended_again(flat: Project) -> None:
    for words in (
        ["new", "field", "notes", "Note", "colour:red|green?"],
        ["new", "command", "notes", "Note", "PinNote"],
        ["new", "event", "notes", "NotePinned", "--field", "title:str", "--from", "pin"],
        ["promote", "notes"],
        ["new", "aggregate", "notes", "Tag", "--field", "label:str"],
        ["new", "command", "notes", "Tag", "PinTag"],
        ["new", "field", "notes", "Tag", "price:money?"],
        ["new", "field", "notes", "Note", "stars:int(1..5)", "--default", "3"],
        ["check", "--accept"],
        ["check"],
    ):
        done = run(flat.root, "bailiwick", *words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    done = run(
        flat.root, "pytest", "-q", "-p", "no:cacheprovider", "tests/notes", "tests/test_every_context.py"
    )
    assert done.returncode == 0, done.stdout[-4000:]
