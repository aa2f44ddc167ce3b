"""`bailiwick new event`: a fact in the contract, its golden file, and who records it."""

import json

import pytest

from bailiwick.tooling.check.golden import sample, stored_form
from bailiwick.tooling.edit.command import new_command
from bailiwick.tooling.edit.event import is_past, new_event
from bailiwick.tooling.generate.rendering import CannotGenerate
from bailiwick.tooling.project import Project
from tests.tooling.edit.projects import state, text

CONTRACT = "src/acme/tasks/contract.py"


def test_it_stands_with_its_family_and_is_recorded_at_the_end_of_the_method(acme: Project) -> None:
    new_command("tasks", "Task", "ArchiveTask", acme)
    new_event("tasks", "TaskArchived", ["title:str"], "archive", project=acme)
    assert text(acme, CONTRACT).endswith('''
@dataclass(frozen=True, kw_only=True)
class TaskArchived(TaskEvent):
    """A task was archived."""

    title: str
''')
    assert text(acme, "src/acme/tasks/domain/task.py").endswith("""
        self.updated_at = now
        self._record(
            TaskArchived(occurred_at=now, task_id=self.id, owner_id=self.owner_id, title=self.details.title)
        )
""")


def test_the_golden_file_is_the_one_that_the_check_would_write(acme: Project) -> None:
    fields = ["title:str", "count:int?", "gone:bool", "seen_at:datetime", "other:uuid?", "tone:loud|low"]
    new_event("tasks", "TaskArchived", fields, project=acme)
    stored = json.loads(text(acme, "tests/events/tasks/tasks.TaskArchived.1.json"))
    module: dict[str, object] = {"__name__": "acme.tasks.contract"}
    exec(compile(text(acme, CONTRACT), CONTRACT, "exec", dont_inherit=True), module)  # noqa: S102
    kind = module["TaskArchived"]
    assert isinstance(kind, type)
    assert stored_form(sample(kind)) == stored


def test_an_event_without_a_family_says_of_whom_it_is(acme: Project) -> None:
    told = new_event("orders", "CouponStopped", project=acme)
    contract = text(acme, "src/acme/orders/contract.py")
    assert "class CouponStopped(Event):" in contract
    assert "    coupon_id: UUID" in contract.partition("class CouponStopped")[2]
    assert any("self._record(CouponStopped(" in each for each in told.left)


@pytest.mark.parametrize(
    ("name", "past"),
    [
        ("TaskSent", True),
        ("TaskTakenBack", True),
        ("OrderWithdrawn", True),
        ("TaskSend", False),
        ("TaskFailure", False),
        ("Sent", False),
        ("taskSent", False),
    ],
)
def test_a_fact_is_named_in_the_past_tense(name: str, past: bool) -> None:
    assert is_past(name) is past


@pytest.mark.parametrize(
    ("name", "fields", "recorded_by", "said"),
    [
        ("TaskArchive", [], None, "TaskArchive is no fact"),
        ("TaskMoved", [], None, "contract.py has TaskMoved already"),
        ("TaskSent", ["price:money"], None, "write price:int price_currency:str(3)"),
        ("TaskSent", ["task_id:uuid"], None, "every aggregate has this"),
        ("TaskSent", [], "send", "the method send of Task; it has create, change"),
        ("TaskSent", ["reason:str"], "delete", "reason, which the event carries"),
        ("TaskSent", [], "_record", "the method _record of Task"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_changed(
    acme: Project, name: str, fields: list[str], recorded_by: str | None, said: str
) -> None:
    before = state(acme)
    with pytest.raises(CannotGenerate) as error:
        new_event("tasks", name, fields, recorded_by, project=acme)
    assert said in str(error.value)
    assert state(acme) == before


def test_where_it_is_not_called_after_one_of_several_the_aggregate_must_be_said(acme: Project) -> None:
    with pytest.raises(CannotGenerate, match="Say --aggregate; there are"):
        new_event("orders", "GoodsSent", project=acme)
    new_event("orders", "GoodsSent", aggregate_name="Order", project=acme)
    assert "class GoodsSent(OrderEvent):" in text(acme, "src/acme/orders/contract.py")
