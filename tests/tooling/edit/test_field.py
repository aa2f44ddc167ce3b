"""`bailiwick new field`: everywhere at once, and nowhere where the code is not as expected."""

import ast
from pathlib import Path

import pytest

from bailiwick.tooling.edit.field import new_field
from bailiwick.tooling.generate.context import new_aggregate, new_context
from bailiwick.tooling.generate.project import new_project
from bailiwick.tooling.generate.rendering import CannotGenerate
from bailiwick.tooling.project import Project
from tests.tooling.edit.projects import state, text

TASKS = "src/acme/tasks"


def lines(project: Project, path: str) -> list[str]:
    return [line.strip() for line in text(project, f"{TASKS}/{path}.py").splitlines()]


def test_an_optional_text_comes_into_every_file_that_knows_the_fields(acme: Project) -> None:
    told = new_field("tasks", "Task", "note:str(40)?", project=acme)
    assert {str(path) for path in told.touched} == {
        f"{TASKS}/domain/task.py",
        f"{TASKS}/infrastructure/queries.py",
        f"{TASKS}/infrastructure/tables.py",
        f"{TASKS}/interfaces/http.py",
        f"{TASKS}/migrations/0002_task_note.py",
        "tests/tasks/test_http.py",
    }
    assert {"LONGEST_NOTE = 40", 'note: str = ""', "if len(self.note) > LONGEST_NOTE:"} <= {
        *lines(acme, "domain/task")
    }
    assert 'Column("note", String(40), nullable=False, server_default=""),' in lines(
        acme, "infrastructure/tables"
    )
    assert {"note: str", "note=task.details.note,", '"note": tasks.c.note,'} <= {
        *lines(acme, "infrastructure/queries")
    }
    assert {
        "Note = Annotated[str, StringConstraints(max_length=LONGEST_NOTE)]",
        'note: Note = ""',
        "note: Note = Field(default_factory=str)",
    } <= {*lines(acme, "interfaces/http")}
    assert "test_the_note_of_a_task_is_kept_and_changed" in text(acme, "tests/tasks/test_http.py")


def test_what_people_wrote_keeps_its_form_and_its_comments(acme: Project) -> None:
    before = text(acme, f"{TASKS}/infrastructure/tables.py")
    new_field("tasks", "Task", "weight:int?", project=acme)
    after = text(acme, f"{TASKS}/infrastructure/tables.py")
    added = '    Column("weight", Integer),\n'
    assert added in after
    body = before[before.index("metadata =") :]
    assert after.replace(added, "").endswith(body)


def test_a_migration_follows_the_newest_and_leads_back(acme: Project) -> None:
    for field in ("note:text?", "colour:red|green?"):
        new_field("tasks", "Task", field, project=acme)
    migration = text(acme, f"{TASKS}/migrations/0003_task_colour.py")
    assert 'revision = "tasks_0003"\ndown_revision = "tasks_0002"' in migration
    assert 'op.add_column("tasks_task", sa.Column("colour", sa.String(16)))' in migration
    assert 'op.drop_column("tasks_task", "colour")' in migration


@pytest.mark.parametrize(
    ("field", "default", "domain", "migrated"),
    [
        ("size:int(1..9)", "3", "size: int = 3", 'sa.Integer, nullable=False, server_default="3"'),
        (
            "urgent:bool",
            None,
            "urgent: bool = False",
            "sa.Boolean, nullable=False, server_default=sa.false()",
        ),
        ("stage:a|b", "b", "stage: TaskStage = TaskStage.B", 'nullable=False, server_default="b"'),
        ("where:str", "at home", 'where: str = "at home"', 'nullable=False, server_default="at home"'),
        ("day:date?", None, "day: date | None = None", 'sa.Column("day", sa.Date)'),
        ("seen_at:datetime?", None, "seen_at: datetime | None = None", 'sa.Column("seen_at", UtcDateTime)'),
        ("parent:uuid?", None, "parent: UUID | None = None", 'sa.Column("parent", Id)'),
    ],
)
def test_what_is_there_already_gets_a_value_without_the_table_being_written_anew(
    acme: Project, field: str, default: str | None, domain: str, migrated: str
) -> None:
    new_field("tasks", "Task", field, default, project=acme)
    name = field.partition(":")[0]
    assert domain in lines(acme, "domain/task")
    assert migrated in text(acme, f"{TASKS}/migrations/0002_task_{name}.py")
    for path in (acme.source / "tasks").rglob("*.py"):
        ast.parse(path.read_text())


def refused(project: Project, context: str, aggregate: str, field: str, default: str | None = None) -> str:
    """What the command says; everything is as it was."""
    before = state(project)
    with pytest.raises(CannotGenerate) as error:
        new_field(context, aggregate, field, default, project)
    assert state(project) == before
    return str(error.value)


@pytest.mark.parametrize(
    ("words", "default", "said"),
    [
        (("taxes", "Task", "note:str?"), None, "acme has no context taxes; there are orders, tasks"),
        (
            ("tasks", "Chore", "note:str?"),
            None,
            "src/acme/tasks/domain I looked for the aggregate `class Chore(",
        ),
        (("tasks", "Task", "title:str?"), None, "Task has title already"),
        (("tasks", "Task", "status:text?"), None, "Task has status already"),
        (("tasks", "Task", "note:strr?"), None, "there is no type strr"),
        (("tasks", "Task", "note:str"), None, "make it optional (note:…?), or say it with --default"),
        (("tasks", "Task", "size:int(1..9)"), "12", "size: '12' is no int that it may have"),
        (("tasks", "Task", "day:date"), "2031-01-01", "have a --default; write ?"),
        (("tasks", "Task", "place:str?"), None, "infrastructure/queries.py calls something else place"),
        (
            ("tasks", "Task", "price:money?"),
            None,
            "interfaces/http.py I looked for routes that leave it to TaskBody",
        ),
        (("orders", "Order", "note:str?"), None, "domain/order.py I looked for the details of Order"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_changed(
    acme: Project, words: tuple[str, str, str], default: str | None, said: str
) -> None:
    assert said.lower() in refused(acme, *words, default=default).lower()


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        ("domain/task.py", "replace(self.details, **changes)", "self.details", "the details of Task"),
        (
            "infrastructure/unit_of_work.py",
            "Mapper(Task, tasks",
            "Mapper(Task, others",
            "`others = Table(…)`",
        ),
        (
            "infrastructure/queries.py",
            "def of(cls, task: Task)",
            "def of(cls, task: str)",
            "the view of Task",
        ),
        ("interfaces/http.py", "TaskDetails(**", "dict(**", "a body with fields of TaskDetails"),
        ("migrations/0001_tasks.py", 'revision = "tasks_0001"', "", "`revision = …`"),
        ("domain/task.py", "class TaskDetails:", "class TaskDetails(:", "code that Python can read"),
    ],
)
def test_code_of_another_form_is_named_by_its_file_and_left_alone(
    acme: Project, path: str, old: str, new: str, said: str
) -> None:
    planted = acme.source / "tasks" / path
    assert old in planted.read_text()
    planted.write_text(planted.read_text().replace(old, new))
    if path == "interfaces/http.py":
        partial = planted.read_text().replace("exclude_unset=True", "").replace("self.model_fields_set", "()")
        planted.write_text(partial)
    assert said in refused(acme, "tasks", "Task", "note:str?")


def test_an_edit_that_the_linter_would_object_to_is_taken_back(acme: Project) -> None:
    fields = [f"text{number}:text?" for number in range(6)]  # each is a rule, and one more branch
    for field in fields[:-1]:
        new_field("tasks", "Task", field, project=acme)
    said = refused(acme, "tasks", "Task", fields[-1])
    assert "the linter would object" in said
    assert "C901" in said


def test_a_file_that_would_be_too_long_is_refused(acme: Project) -> None:
    path = acme.source / "tasks/interfaces/http.py"
    path.write_text(path.read_text() + "# long\n" * 240)
    assert "and 400 are the most" in refused(acme, "tasks", "Task", "note:str?")


def test_an_aggregate_with_the_same_fields_beside_it_is_left_alone(tmp_path: Path) -> None:
    new_project("acme", "identity", where=tmp_path)
    project = Project(tmp_path / "acme", "acme")
    new_context("billing", "Invoice", ["number:str", "total:money"], project=project)
    new_aggregate("billing", "Reminder", ["number:str", "total:money"], project=project)
    for aggregate, field in (("Invoice", "paid:bool"), ("Reminder", "loud:bool")):
        touched = new_field("billing", aggregate, field, project=project).touched
        other = "reminder" if aggregate == "Invoice" else "invoice"
        assert [path for path in touched if other in path.name] == []
        assert any(aggregate.lower() in path.name for path in touched)
