"""The rules of a task, without a database."""

from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest

from bailiwick.kernel.domain import Event, Invalid
from bailiwick.tasks.contract import TaskCreated, TaskDeleted, TaskMoved, TaskRestored, TaskStatus
from bailiwick.tasks.domain.task import MOVES, IllegalMove, Task, TaskDetails, TaskId, TaskPriority

NOON = datetime(2031, 1, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


def task_in(status: TaskStatus) -> Task:
    task = Task.create(TaskId(UUID(int=1)), UUID(int=2), TaskDetails(title="Write"), NOON)
    task.move_to(status, NOON)
    task.pull_events()
    return task


def events_of(task: Task) -> list[type[Event]]:
    return [type(event) for event in task.pull_events()]


def test_a_new_task_is_pending_and_says_that_it_was_created() -> None:
    task = Task.create(TaskId(UUID(int=1)), UUID(int=2), TaskDetails(title="Write"), NOON)
    assert (task.status, task.version) == (TaskStatus.PENDING, 0)
    assert task.created_at == task.updated_at == NOON
    [created] = task.pull_events()
    assert created == TaskCreated(occurred_at=NOON, task_id=UUID(int=1), owner_id=UUID(int=2), title="Write")
    assert task.pull_events() == []


@pytest.mark.parametrize(("old", "new"), [*product(TaskStatus, TaskStatus)])
def test_a_task_moves_only_where_it_may(old: TaskStatus, new: TaskStatus) -> None:
    task = task_in(old)
    if new is old:
        task.move_to(new, LATER)
        assert (task.updated_at, events_of(task)) == (NOON, [])
    elif new in MOVES[old]:
        task.move_to(new, LATER)
        assert (task.status, task.updated_at) == (new, LATER)
        assert task.completed_at == (LATER if new is TaskStatus.COMPLETED else None)
        [moved] = task.pull_events()
        assert isinstance(moved, TaskMoved)
        assert (moved.old, moved.new) == (old, new)
    else:
        with pytest.raises(IllegalMove) as refused:
            task.move_to(new, LATER)
        assert refused.value.extra == {"allowed": [move.value for move in MOVES[old]]}
        assert (task.status, task.updated_at, events_of(task)) == (old, NOON, [])


def test_only_a_closed_task_can_be_reopened() -> None:
    for status in (TaskStatus.COMPLETED, TaskStatus.CANCELLED):
        task = task_in(status)
        task.reopen(LATER)
        assert (task.status, task.completed_at) == (TaskStatus.PENDING, None)
    for status in (TaskStatus.PENDING, TaskStatus.IN_PROGRESS):
        with pytest.raises(IllegalMove, match="open already"):
            task_in(status).reopen(LATER)


def test_a_change_keeps_what_it_does_not_name() -> None:
    task = task_in(TaskStatus.PENDING)
    task.change({"priority": TaskPriority.HIGH}, LATER)
    assert task.details == TaskDetails(title="Write", priority=TaskPriority.HIGH)
    assert task.updated_at == LATER
    task.change({"title": "Write"}, LATER + timedelta(hours=1))
    assert task.updated_at == LATER


def test_a_change_that_makes_no_sense_changes_nothing() -> None:
    task = task_in(TaskStatus.PENDING)
    with pytest.raises(Invalid):
        task.change({"priority": TaskPriority.HIGH, "title": " "}, LATER)
    assert (task.details, task.updated_at) == (TaskDetails(title="Write"), NOON)


@pytest.mark.parametrize(
    ("title", "description", "field"),
    [("", "", "title"), ("  ", "", "title"), ("x" * 201, "", "title"), ("x", "x" * 10_001, "description")],
)
def test_details_have_their_limits(title: str, description: str, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        TaskDetails(title=title, description=description)
    assert refused.value.field == field


def test_details_may_be_as_long_as_their_limits() -> None:
    details = TaskDetails(title="x" * 200, description="x" * 10_000)
    assert (len(details.title), len(details.description)) == (200, 10_000)


def test_a_deleted_task_comes_back_once() -> None:
    task = task_in(TaskStatus.PENDING)
    task.delete(LATER)
    assert (task.deleted_at, events_of(task)) == (LATER, [TaskDeleted])
    task.restore(LATER)
    assert (task.deleted_at, events_of(task)) == (None, [TaskRestored])
    task.restore(LATER)
    assert events_of(task) == []
