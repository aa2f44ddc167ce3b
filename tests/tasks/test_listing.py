"""The list of tasks: pages, cursors, filters, order and search, whatever is in the text."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import httpx2 as httpx
import pytest

from tests.kernel.http.serving import Served

TASKS = "/api/v1/tasks"
START = datetime(2031, 1, 1, tzinfo=UTC)
ODD = ["100%", "100", "snake_case", "snakeXcase", "back\\slash", "backslash", "quote'; DROP TABLE tasks; --"]


async def filled(client: httpx.AsyncClient, count: int) -> list[dict[str, Any]]:
    tasks = []
    for i in range(count):
        body: dict[str, Any] = {
            "title": f"task {i % 5}",
            "priority": ["low", "medium", "high", "urgent"][i % 4],
            "status": ["pending", "in_progress", "completed"][i % 3],
        }
        if i % 2:
            body["due_at"] = (START + timedelta(days=i % 7)).isoformat()
        tasks.append((await client.post(TASKS, json=body)).json()["data"])
    return tasks


async def listed(client: httpx.AsyncClient, **query: object) -> list[dict[str, Any]]:
    answer = await client.get(TASKS, params={name: str(value) for name, value in query.items()})
    assert answer.status_code == 200, answer.text
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


async def walked(client: httpx.AsyncClient, **query: object) -> list[dict[str, Any]]:
    """The whole list, by following the cursors."""
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = await client.get(TASKS, params={**query, "cursor": cursor})  # type: ignore[dict-item]
        assert answer.status_code == 200, answer.text
        found += answer.json()["data"]
        cursor = answer.json()["pagination"]["next_cursor"]
    return found


def order(sort: str) -> Any:
    """The key and direction of each field of a sort, as Python sees them."""
    ranks = ["low", "medium", "high", "urgent"]

    def key(name: str, task: dict[str, Any]) -> Any:
        if name == "priority":
            return ranks.index(task["priority"])
        return task[name] or "9999" if name == "due_at" else task[name]

    def arranged(tasks: list[dict[str, Any]]) -> list[str]:
        names = [*sort.split(","), "-id" if sort.split(",")[-1].startswith("-") else "id"]
        for name in reversed(names):
            tasks = sorted(tasks, key=lambda t, n=name: key(n.removeprefix("-"), t), reverse=name[0] == "-")  # type: ignore[misc]
        return [task["id"] for task in tasks]

    return arranged


async def test_every_order_is_the_same_by_page_and_by_cursor(ada: httpx.AsyncClient) -> None:
    tasks = await filled(ada, 23)
    names = ["created_at", "updated_at", "due_at", "title", "status", "priority"]
    sorts = [f"{minus}{name}" for name in names for minus in ("", "-")]
    sorts += [f"{a},-{b}" for a, b in permutations(names, 2)] + ["-priority,title,-due_at"]
    for sort in sorts:
        expected = order(sort)(tasks)
        assert [t["id"] for t in await walked(ada, sort=sort, per_page="4")] == expected, sort
        assert [t["id"] for t in await listed(ada, sort=sort, per_page="100")] == expected, sort


async def test_pages_and_links_lead_through_the_whole_list(ada: httpx.AsyncClient) -> None:
    tasks = await filled(ada, 7)
    answer = await ada.get(TASKS, params={"per_page": "3", "filter[status]": "pending,in_progress,completed"})
    assert answer.json()["pagination"] == {
        "current_page": 1,
        "per_page": 3,
        "total_pages": 3,
        "total_items": 7,
    }
    assert answer.json()["links"]["prev"] is None
    found = answer.json()["data"]
    while following := answer.json()["links"]["next"]:
        answer = await ada.get(following)
        found += answer.json()["data"]
    assert [t["id"] for t in found] == [t["id"] for t in reversed(tasks)]
    assert answer.json()["links"]["last"].endswith("status%5D=pending%2Cin_progress%2Ccompleted&page=3")
    beyond = (await ada.get(TASKS, params={"per_page": "3", "page": "9"})).json()
    assert (beyond["data"], beyond["links"]["prev"]) == ([], f"{TASKS}?per_page=3&page=3")


async def test_filters_narrow_the_list_and_join(ada: httpx.AsyncClient) -> None:
    tasks = await filled(ada, 24)
    query = {"filter[status]": "pending,completed", "filter[priority]": "urgent", "per_page": "100"}
    expected = {t["id"] for t in tasks if t["status"] != "in_progress" and t["priority"] == "urgent"}
    assert {t["id"] for t in await listed(ada, **query)} == expected
    middle = START + timedelta(days=3)
    before = await listed(ada, **{"filter[due_before]": middle.isoformat(), "per_page": "100"})
    after = await listed(ada, **{"filter[due_after]": middle.isoformat(), "per_page": "100"})
    due = [t for t in tasks if t["due_at"]]
    assert {t["id"] for t in before} == {t["id"] for t in due if t["due_at"] < f"{middle:%FT%TZ}"}
    assert {t["id"] for t in after} == {t["id"] for t in due if t["due_at"] > f"{middle:%FT%TZ}"}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("%", ["100%"]),
        ("_", ["snake_case"]),
        ("\\", ["back\\slash"]),
        ("'; DROP TABLE", ["quote'; DROP TABLE tasks; --"]),
        ("SNAKE", ["snake_case", "snakeXcase"]),
        ("nothing", []),
        ("  ", ODD),
    ],
)
async def test_search_takes_every_character_for_itself(
    ada: httpx.AsyncClient, words: str, found: list[str]
) -> None:
    for title in ODD:
        await ada.post(TASKS, json={"title": title})
    assert sorted(t["title"] for t in await listed(ada, q=words)) == sorted(found)


async def test_search_finds_letters_of_any_alphabet_in_either_case(ada: httpx.AsyncClient) -> None:
    await ada.post(TASKS, json={"title": "Überweisung", "description": "ПРОВЕРИТЬ"})
    for words in ("überWEISUNG", "ÜBER", "проверить"):
        assert len(await listed(ada, q=words)) == 1, words


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("filter[owner_id]=1", "filter[owner_id]"),
        ("filter[status]=done", "filter[status]"),
        ("filter[status]=", "filter[status]"),
        ("filter[due_before]=soon", "filter[due_before]"),
        ("filter[due_before]=2031-01-01T00:00:00", "filter[due_before]"),
        ("filter[due_before]=0001-01-01T00:00:00%2B14:00", "filter[due_before]"),
        ("filter=pending", "filter"),
        ("filter[status=pending", "filter[status"),
        ("sort=owner_id", "sort"),
        ("sort=", "sort"),
        ("sort=title,title", "sort"),
        ("sort=title,-title", "sort"),
        ("sort=title%3B DROP TABLE tasks_task", "sort"),
        ("sort=title,status,priority,due_at", "sort"),
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=1e3", "page"),
        ("page=1000000000", "page"),
        ("page=%D9%A1", "page"),
        ("per_page=0", "per_page"),
        ("per_page=101", "per_page"),
        ("page=1&cursor=", "cursor"),
        ("cursor=forged", "cursor"),
        ("cursor=%C3%A9", "cursor"),
        ("cursor=AAAA", "cursor"),
        ("q=" + "x" * 201, "q"),
        ("page=1&page=2", "page"),
    ],
)
async def test_a_list_refuses_what_it_does_not_know(ada: httpx.AsyncClient, query: str, field: str) -> None:
    answer = await ada.get(f"{TASKS}?{query}")
    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_a_cursor_serves_only_the_list_that_it_came_from(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    await filled(ada, 4)
    first = await ada.get(TASKS, params={"cursor": "", "per_page": "2"})
    cursor = first.json()["pagination"]["next_cursor"]
    assert len(await listed(ada, cursor=cursor)) == 2
    for client, query in (
        (bob, {}),
        (ada, {"sort": "title"}),
        (ada, {"filter[status]": "pending"}),
        (ada, {"q": "task"}),
    ):
        assert (await client.get(TASKS, params={"cursor": cursor, **query})).status_code == 422


async def test_a_page_by_cursor_costs_one_statement_at_any_depth(
    served: Served, ada: httpx.AsyncClient
) -> None:
    await filled(ada, 9)
    cursor: str | None = ""
    while cursor is not None:
        before = served.database.statements
        answer = await ada.get(TASKS, params={"cursor": cursor, "per_page": "2"})
        assert served.database.statements == before + 1
        cursor = answer.json()["pagination"]["next_cursor"]
    before = served.database.statements
    await ada.get(TASKS, params={"page": "2", "per_page": "2"})
    assert served.database.statements == before + 2
