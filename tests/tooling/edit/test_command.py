"""`bailiwick new command`: like the use cases that are there, or not at all."""

import pytest

from bailiwick.tooling.edit.command import new_command
from bailiwick.tooling.generate.rendering import CannotGenerate
from bailiwick.tooling.project import Project
from tests.tooling.edit.projects import state, text


def test_the_use_case_loads_and_asks_as_the_others_of_the_aggregate(acme: Project) -> None:
    new_command("tasks", "Task", "ArchiveTask", acme)
    assert """@dataclass(frozen=True)
class ArchiveTask:
    task_id: TaskId
    by: Actor
    version: int | None = None


async def archive_task(command: ArchiveTask, ports: TasksPorts) -> Task:
    async with ports.uow() as uow:
        task = await uow.tasks.owned(command.task_id, command.by.id, version=command.version)
        task.archive(ports.clock())
        return await uow.commit(task)
""" in text(acme, "src/acme/tasks/application/tasks.py")
    assert '''@router.post("/{task_id}/archive", view=TaskView.of, idempotent=True)
async def archive(task_id: TaskId, version: ExpectedVersion, actor: Actor, ports: TasksPorts) -> Task:
    """Archive the task."""
    return await archive_task(ArchiveTask(task_id, actor, version), ports)
''' in text(acme, "src/acme/tasks/interfaces/http.py")
    assert text(acme, "src/acme/tasks/domain/task.py").endswith('''
    def archive(self, now: datetime) -> None:
        """Archive the task."""
        self.updated_at = now
''')
    assert "test_archive_answers_with_the_task" in text(acme, "tests/tasks/test_http.py")


def test_the_permission_of_the_others_is_required_and_keys_where_they_are(acme: Project) -> None:
    told = new_command("orders", "Coupon", "StopCouponForGood", acme)
    use_cases = text(acme, "src/acme/orders/application/coupons.py")
    [_, new] = use_cases.split("async def stop_coupon_for_good(")
    assert "    command.by.require(OrdersPermission.MANAGE)\n    async with ports.uow() as uow:" in new
    assert "coupon.stop_for_good(ports.clock())" in new
    routes = text(acme, "src/acme/orders/interfaces/http.py")
    assert '@coupons.post("/{coupon_id}/stop-for-good", view=CouponView.of, idempotent="required")' in routes
    assert [each for each in told.left if each.startswith("test it")]


def test_the_table_says_the_same_of_the_new_route_and_stays_drawn(acme: Project) -> None:
    new_command("tasks", "Task", "ArchiveForTheYearTask", acme)
    table = text(acme, "tests/policy.md").partition("## Tasks")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")]
    added = [row.split() for row in rows if "/archive-for-the-year" in row]
    complete = [row.split() for row in rows if "/complete" in row]
    assert [row[3:] for row in added] == [row[3:] for row in complete]
    assert [row[1] for row in added] == ["POST", "POST"]
    assert len({len(row) for row in rows}) == 1


def test_a_second_route_of_one_name_gets_another(acme: Project) -> None:
    new_command("orders", "Coupon", "IssueCouponAgain", acme)
    path = acme.source / "orders/interfaces/http.py"
    path.write_text(path.read_text().replace("async def issue(", "async def stop("))
    new_command("orders", "Coupon", "StopCoupon", acme)
    assert "async def post_stop_coupon(" in path.read_text()


def test_without_a_table_it_says_that_somebody_must_decide(acme: Project) -> None:
    acme.policy.unlink()
    told = new_command("tasks", "Task", "ArchiveTask", acme)
    assert "write down who may call POST /api/v1/tasks/{task_id}/archive" in told.left


def refused(project: Project, context: str, aggregate: str, name: str) -> str:
    before = state(project)
    with pytest.raises(CannotGenerate) as error:
        new_command(context, aggregate, name, project)
    assert state(project) == before
    return str(error.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tasks", "Task", "archive"), "archive is no name of a command"),
        (("tasks", "Task", "CompleteTask"), "CompleteTask, or complete, already"),
        (("tasks", "Task", "StatusTask"), "StatusTask, or status, already"),
        (("tasks", "Job", "RunJob"), "there are Task"),
        (("orders", "Redemption", "EndRedemption"), "`command.redemption_id`"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_changed(
    acme: Project, words: tuple[str, str, str], said: str
) -> None:
    assert said in refused(acme, *words)


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        (
            "application/tasks.py",
            "return await uow.commit(task)",
            "await uow.commit(None)",
            "a use case to make",
        ),
        ("interfaces/http.py", "/{task_id}", "/{id}", "the route that calls"),
        ("interfaces/http.py", "router = Router(", "router = made(", "`router = Router("),
    ],
)
def test_code_of_another_form_is_named_by_its_file_and_left_alone(
    acme: Project, path: str, old: str, new: str, said: str
) -> None:
    planted = acme.source / "tasks" / path
    assert old in planted.read_text()
    planted.write_text(planted.read_text().replace(old, new))
    told = refused(acme, "tasks", "Task", "ArchiveTask")
    assert said in told
    assert "Nothing was changed" in told


def test_a_table_that_forgets_the_route_it_is_made_like_is_refused(acme: Project) -> None:
    lines = acme.policy.read_text().splitlines()
    acme.policy.write_text("\n".join(line for line in lines if "/api/v1/tasks/{task_id}/" not in line))
    assert "tests/policy.md I looked for the lines of PATCH" in refused(acme, "tasks", "Task", "ArchiveTask")
