"""`Idempotency-Key`: however often a request is repeated, its effect happens once."""

import asyncio
from uuid import uuid4

import httpx2 as httpx
import pytest
from sqlalchemy import bindparam, func, select

from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.http.idempotency import idempotency
from bailiwick.kernel.messaging.tables import events
from tests.kernel.http.sample_routes import PREFIX, Ledger
from tests.kernel.http.serving import Served
from tests.kernel.samples import shelves

TASKS = "/api/v1/tasks"
SHELVES = f"{PREFIX}/shelves"
NAMED = select(func.count()).select_from(shelves).where(shelves.c.name == bindparam("name"))
KEYS = select(func.count()).select_from(idempotency).where(idempotency.c.key == bindparam("key"))
EVENTS = select(func.count()).select_from(events).where(events.c.aggregate_id == bindparam("id"))


async def count(database: Database, statement: object, **params: object) -> int:
    row = await database.first(statement, **params)  # type: ignore[arg-type]
    assert row is not None
    return int(row[0])


async def create(client: httpx.AsyncClient, key: str, path: str = TASKS, **body: object) -> httpx.Response:
    return await client.post(path, json=body or {"title": "Write"}, headers={"Idempotency-Key": key})


async def total(client: httpx.AsyncClient) -> int:
    found: int = (await client.get(TASKS)).json()["pagination"]["total_items"]
    return found


async def test_a_repeated_request_has_one_effect_and_the_same_answer(ada: httpx.AsyncClient) -> None:
    key = uuid4().hex
    first, second = await create(ada, key), await create(ada, key)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.content == first.content
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    for name in ("Location", "ETag", "Content-Type", "Content-Length"):
        assert second.headers[name] == first.headers[name]
    assert second.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    assert await total(ada) == 1


async def test_a_key_used_for_another_body_is_422(ada: httpx.AsyncClient) -> None:
    key = uuid4().hex
    await create(ada, key)
    answer = await create(ada, key, title="Other")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert await total(ada) == 1


async def test_a_key_counts_for_its_caller_only(ada: httpx.AsyncClient, bob: httpx.AsyncClient) -> None:
    key = uuid4().hex
    mine, theirs = await create(ada, key), await create(bob, key, title="Other")
    assert theirs.status_code == 201
    assert theirs.json()["data"]["id"] != mine.json()["data"]["id"]
    assert "Idempotency-Replayed" not in theirs.headers


async def test_a_key_counts_for_its_route_only(ada: httpx.AsyncClient) -> None:
    key = uuid4().hex
    first = await create(ada, key, SHELVES, name=uuid4().hex)
    other = await create(ada, key, f"{PREFIX}/other-shelves", name=uuid4().hex)
    task = await create(ada, key)
    assert {first.status_code, other.status_code, task.status_code} == {201}
    assert len({answer.json()["data"]["id"] for answer in (first, other, task)}) == 3


async def test_a_key_of_one_path_is_refused_on_another_of_the_same_route(ada: httpx.AsyncClient) -> None:
    key = uuid4().hex
    paths = [(await ada.post(TASKS, json={"title": "x"})).headers["Location"] for _ in range(2)]
    headers = {"Idempotency-Key": key}
    assert (await ada.post(f"{paths[0]}/restore", headers=headers)).status_code == 200
    assert (await ada.post(f"{paths[1]}/restore", headers=headers)).status_code == 422


@pytest.mark.parametrize("key", [b"", b"x" * 256, b"\xc3\xa9", b"a\tb", b"a\x7fb"])
async def test_a_malformed_key_is_400(ada: httpx.AsyncClient, key: bytes) -> None:
    answer = await ada.post(TASKS, json={"title": "x"}, headers={b"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_idempotency_key")
    assert await total(ada) == 0


async def test_a_hundred_at_once_have_one_effect_and_one_answer(
    served: Served, ada: httpx.AsyncClient, ledger: Ledger
) -> None:
    key, name = uuid4().hex, uuid4().hex
    answers = await asyncio.gather(*(create(ada, key, SHELVES, name=name) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert await count(served.database, NAMED, name=name) == 1
    assert await count(served.database, EVENTS, id=shelf_id(answers[0])) == 1


def shelf_id(answer: httpx.Response) -> object:
    return shelves.c.id.type.python_type(answer.json()["data"]["id"])


async def test_a_hundred_at_once_without_a_key_have_a_hundred_effects(ada: httpx.AsyncClient) -> None:
    """The test above sees what it looks for."""
    await asyncio.gather(*(ada.post(TASKS, json={"title": "Write"}) for _ in range(100)))
    assert await total(ada) == 100


async def test_two_at_once_with_different_bodies_are_one_effect_and_one_refusal(
    ada: httpx.AsyncClient, ledger: Ledger
) -> None:
    key = uuid4().hex
    names = [uuid4().hex, uuid4().hex]
    ledger.pause = asyncio.Event()  # of this loop: each database has its own
    both = [asyncio.ensure_future(create(ada, key, SHELVES, name=name)) for name in names]
    while any(ledger.calls[name] == 0 for name in names):  # noqa: ASYNC110 - another's progress
        await asyncio.sleep(0.001)
    ledger.pause.set()
    assert sorted(answer.status_code for answer in await asyncio.gather(*both)) == [201, 422]


async def test_a_refusal_is_not_remembered(served: Served, ada: httpx.AsyncClient) -> None:
    key, name = uuid4().hex, uuid4().hex
    refused = await create(ada, key, SHELVES, name=name, count=-1)
    assert refused.status_code == 409
    assert await count(served.database, KEYS, key=key) == 0
    assert (await create(ada, key, title=1)).status_code == 422
    assert (await create(ada, key, SHELVES, name=name)).status_code == 201


async def test_a_repeat_that_the_business_would_refuse_gets_the_first_answer(
    ada: httpx.AsyncClient,
) -> None:
    """The effect itself makes the second try a conflict: the name is taken, by the first."""
    key, name = uuid4().hex, uuid4().hex
    first = await create(ada, key, SHELVES, name=name)
    again = await create(ada, key, SHELVES, name=name)
    assert (again.status_code, again.content) == (201, first.content)


async def test_contention_does_not_confuse_what_is_remembered(ada: httpx.AsyncClient, ledger: Ledger) -> None:
    key, name = uuid4().hex, uuid4().hex
    ledger.contended[name] = 3
    first = await create(ada, key, SHELVES, name=name)
    again = await create(ada, key, SHELVES, name=name)
    assert (ledger.calls[name], again.content) == (5, first.content)


async def test_a_handler_that_commits_twice_under_one_key_is_a_mistake_that_shows(
    served: Served, ada: httpx.AsyncClient
) -> None:
    answer = await create(ada, uuid4().hex, f"{PREFIX}/twice", name=uuid4().hex)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")


async def test_an_answer_lost_on_the_way_is_found_again(served: Served, ada: httpx.AsyncClient) -> None:
    """The client goes away in the middle; whatever became of the request, the repeat is safe."""
    for delay in (0.0, 0.0005, 0.001, 0.002, 0.004):
        key, name = uuid4().hex, uuid4().hex
        lost = asyncio.ensure_future(create(ada, key, SHELVES, name=name))
        await asyncio.sleep(delay)
        lost.cancel()
        await asyncio.gather(lost, return_exceptions=True)
        assert (await create(ada, key, SHELVES, name=name)).status_code == 201
        assert await count(served.database, NAMED, name=name) == 1
