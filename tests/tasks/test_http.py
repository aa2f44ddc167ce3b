"""Tasks over HTTP: made, read, changed, moved, put away and brought back."""

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest

from tests.kernel.http.serving import Served

TASKS = "/api/v1/tasks"


async def made(client: httpx.AsyncClient, **fields: object) -> dict[str, Any]:
    answer = await client.post(TASKS, json={"title": "Write", **fields})
    assert answer.status_code == 201, answer.text
    task: dict[str, Any] = answer.json()["data"]
    return task


def at(task: dict[str, Any]) -> str:
    return f"{TASKS}/{task['id']}"


async def test_a_created_task_is_what_is_read_afterwards(ada: httpx.AsyncClient) -> None:
    sent = {"title": "Ünïcode ✓", "description": "two\nlines", "priority": "urgent", "status": "in_progress"}
    answer = await ada.post(TASKS, json={**sent, "due_at": "2031-02-03T04:05:06+02:00"})
    task = answer.json()["data"]
    assert {name: task[name] for name in sent} == sent
    assert task["due_at"] == "2031-02-03T02:05:06Z"
    assert (task["version"], task["completed_at"]) == (1, None)
    read = await ada.get(answer.headers["Location"])
    assert read.json()["data"] == task
    assert read.headers["ETag"] == answer.headers["ETag"] == '"1"'


async def test_a_task_created_as_completed_has_a_time_of_completion(ada: httpx.AsyncClient) -> None:
    task = await made(ada, status="completed")
    assert task["completed_at"] == task["created_at"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "title"),
        ({"title": ""}, "title"),
        ({"title": " \t\u2003"}, "title"),
        ({"title": "\x1c"}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": None}, "title"),
        ({"title": 1}, "title"),
        ({"title": "x", "description": "x" * 10_001}, "description"),
        ({"title": "x", "priority": "utmost"}, "priority"),
        ({"title": "x", "status": "done"}, "status"),
        ({"title": "x", "due_at": "tomorrow"}, "due_at"),
        ({"title": "x", "due_at": "2031-01-01T00:00:00"}, "due_at"),
        ({"title": "x", "due_at": "0001-01-01T00:00:00+14:00"}, "due_at"),
        ({"title": "x", "due_at": "9999-12-31T23:59:59.999999Z"}, "due_at"),
        ({"title": "x", "owner_id": str(uuid4())}, "owner_id"),
        ({"title": "x", "version": 7}, "version"),
    ],
)
async def test_a_task_that_makes_no_sense_is_refused_by_its_field(
    ada: httpx.AsyncClient, body: dict[str, object], field: str
) -> None:
    answer = await ada.post(TASKS, json=body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert (await ada.get(TASKS)).json()["data"] == []


async def test_times_of_any_century_can_be_stored_and_read(ada: httpx.AsyncClient) -> None:
    for day in ("0003-01-01T00:00:00Z", "0987-06-05T04:03:02.000001Z", "9997-12-31T23:59:59.999999Z"):
        task = await made(ada, due_at=day)
        assert (await ada.get(at(task))).json()["data"]["due_at"] == day


async def test_put_resets_what_is_left_out_but_never_the_status(ada: httpx.AsyncClient) -> None:
    task = await made(ada, description="long", priority="high", due_at="2031-01-01T00:00:00Z")
    await ada.patch(at(task), json={"status": "in_progress"})
    answer = await ada.put(at(task), json={"title": "Rewrite"})
    whole = answer.json()["data"]
    assert answer.status_code == 200
    assert (whole["title"], whole["description"], whole["priority"]) == ("Rewrite", "", "medium")
    assert (whole["due_at"], whole["status"], whole["version"]) == (None, "in_progress", 3)


async def test_patch_changes_what_is_named_and_clears_what_is_null(ada: httpx.AsyncClient) -> None:
    task = await made(ada, description="long", priority="high", due_at="2031-01-01T00:00:00Z")
    changed = (await ada.patch(at(task), json={"title": "Edit"})).json()["data"]
    own = {"title": "Edit", "version": 2, "updated_at": changed["updated_at"]}
    assert changed == task | own
    cleared = (await ada.patch(at(task), json={"due_at": None})).json()["data"]
    assert (cleared["due_at"], cleared["description"], cleared["version"]) == (None, "long", 3)
    assert (await ada.patch(at(task), json={"priority": None})).status_code == 422


async def test_a_change_that_changes_nothing_keeps_the_version(ada: httpx.AsyncClient) -> None:
    task = await made(ada)
    for body in ({}, {"title": "Write"}, {"status": "pending"}):
        assert (await ada.patch(at(task), json=body)).json()["data"] == task


async def test_a_task_is_completed_and_taken_up_again(ada: httpx.AsyncClient) -> None:
    task = await made(ada)
    done = (await ada.patch(f"{at(task)}/complete")).json()["data"]
    assert done["status"] == "completed"
    assert done["completed_at"] == done["updated_at"]
    assert (await ada.patch(f"{at(task)}/complete")).json()["data"] == done
    again = (await ada.patch(f"{at(task)}/reopen")).json()["data"]
    assert (again["status"], again["completed_at"], again["version"]) == ("pending", None, 3)


async def test_an_illegal_move_names_the_legal_ones(ada: httpx.AsyncClient) -> None:
    task = await made(ada, status="cancelled")
    for answer in (
        await ada.patch(f"{at(task)}/complete"),
        await ada.patch(at(task), json={"status": "in_progress", "title": "changed"}),
    ):
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (409, "illegal_move")
        assert problem["allowed"] == ["pending"]
    assert (await ada.get(at(task))).json()["data"] == task
    opened = await made(ada)
    assert (await ada.patch(f"{at(opened)}/reopen")).status_code == 409


async def test_a_deleted_task_is_gone_until_it_is_restored(ada: httpx.AsyncClient) -> None:
    task = await made(ada)
    assert (await ada.delete(at(task))).status_code == 204
    for answer in (
        await ada.get(at(task)),
        await ada.delete(at(task)),
        await ada.put(at(task), json={"title": "x"}),
        await ada.patch(at(task), json={}),
        await ada.patch(f"{at(task)}/complete"),
        await ada.patch(f"{at(task)}/reopen"),
    ):
        assert answer.status_code == 404
    assert (await ada.get(TASKS)).json()["pagination"]["total_items"] == 0
    assert (await ada.get(f"{TASKS}/board")).json()["data"]["pending"] == []
    restored = await ada.post(f"{at(task)}/restore")
    assert (restored.status_code, restored.json()["data"]["version"]) == (200, 3)
    assert (await ada.post(f"{at(task)}/restore")).json()["data"] == restored.json()["data"]
    assert (await ada.get(at(task))).json()["data"] == restored.json()["data"]


def without_its_own(answer: httpx.Response) -> tuple[str, list[tuple[str, str]]]:
    """Body and headers without what differs between any two requests."""
    text = answer.text
    for name in ("request_id", "timestamp", "instance"):
        text = text.replace(answer.json()[name], name)
    headers = [(n, "" if n in ("x-request-id", "content-length") else v) for n, v in answer.headers.items()]
    assert answer.headers["Content-Length"] == str(len(answer.content))
    return text, headers


async def test_somebody_elses_task_is_like_one_that_never_was(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    task = await made(ada)
    calls: list[tuple[str, str, object]] = [
        ("GET", "", None),
        ("PUT", "", {"title": "mine"}),
        ("PATCH", "", {"title": "mine"}),
        ("DELETE", "", None),
        ("PATCH", "/complete", None),
        ("PATCH", "/reopen", None),
        ("POST", "/restore", None),
    ]
    for method, end, body in calls:
        theirs = await bob.request(method, f"{at(task)}{end}", json=body)
        missing = await bob.request(method, f"{TASKS}/{uuid4()}{end}", json=body)
        assert theirs.status_code == missing.status_code == 404
        assert without_its_own(theirs) == without_its_own(missing)
    assert (await ada.get(at(task))).json()["data"] == task
    assert (await bob.get(TASKS)).json()["data"] == []


async def test_of_64_changes_of_one_version_exactly_one_wins(ada: httpx.AsyncClient) -> None:
    task = await made(ada)
    changes = [
        ada.patch(at(task), json={"title": f"change {i}"}, headers={"If-Match": '"1"'}) for i in range(64)
    ]
    answers = await asyncio.gather(*changes)
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 63}
    [winner] = [answer for answer in answers if answer.status_code == 200]
    assert (await ada.get(at(task))).json()["data"] == winner.json()["data"]
    assert winner.json()["data"]["version"] == 2


async def test_changes_without_a_version_all_succeed_one_after_the_other(ada: httpx.AsyncClient) -> None:
    task = await made(ada)
    answers = await asyncio.gather(*(ada.patch(at(task), json={"title": f"change {i}"}) for i in range(40)))
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["data"]["version"] for answer in answers) == list(range(2, 42))


async def test_the_board_shows_the_newest_hundred_of_each_status(
    served: Served, ada: httpx.AsyncClient
) -> None:
    tasks = [await made(ada, title=f"task {i}") for i in range(103)]
    done = await made(ada, status="completed")
    before = served.database.statements
    board = (await ada.get(f"{TASKS}/board")).json()["data"]
    assert served.database.statements == before + 1
    assert board["pending"] == tasks[:2:-1]
    assert board["completed"] == [done]
    assert board["in_progress"] == board["cancelled"] == []


async def test_tasks_cost_as_few_round_trips_as_can_be(served: Served, ada: httpx.AsyncClient) -> None:
    async def cost(method: str, path: str, **sent: Any) -> tuple[httpx.Response, int]:
        before = served.database.round_trips
        answer = await ada.request(method, path, **sent)
        assert answer.status_code < 300, answer.text
        return answer, served.database.round_trips - before

    answer, created = await cost("POST", TASKS, json={"title": "one"})
    path = answer.headers["Location"]
    _, keyed = await cost("POST", TASKS, json={"title": "two"}, headers={"Idempotency-Key": "budget"})
    _, read = await cost("GET", path)
    _, changed = await cost("PATCH", path, json={"title": "three"})
    _, unchanged = await cost("PATCH", path, json={"title": "three"})
    assert (created, keyed, read, changed, unchanged) == (1, 1, 1, 2, 1)
