"""The floor answers as the product does, from the same SQL."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx2 as httpx
import orjson
import pytest

from bailiwick.kernel.database.postgresql import PostgresDatabase
from bailiwick.main import http_application
from bench.floor import Floor
from bench.plan import Plan
from bench.staging import PUBLIC_URL, TASK, Person, Town, backend_on, transfer_order

MADE_PER_REQUEST = ("request_id", "timestamp")
OF_ONE_CREATION = ("id", "created_at", "updated_at")
OF_ONE_TRANSFER = ("id", "effective_at", "recorded_at")
LEFT_BEHIND = """
SELECT (SELECT array_agg(amount ORDER BY position) FROM payments_entry WHERE journal_id = '{id}'),
       (SELECT count(*) FROM kernel_event WHERE aggregate_id = '{id}'),
       (SELECT count(*) FROM kernel_audit WHERE subject_id = '{id}')
"""
SEAL = 11  # characters of a cursor that are protection, not content; one is of both


class ListeningDatabase(PostgresDatabase):
    """Hears what the driver sends."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.heard: list[str] = []

    async def _connect(self) -> Any:
        connection = await super()._connect()
        connection.add_query_logger(lambda record: self.heard.append(record.query))
        return connection


@dataclass(frozen=True)
class Pair:
    """The product and the floor on one database, and what the product has asked of it."""

    product: httpx.AsyncClient
    floor: httpx.AsyncClient
    heard: list[str]


@pytest.fixture
async def pair(town: Town, town_url: str) -> AsyncIterator[Pair]:
    database, floor = ListeningDatabase(town_url), Floor(town.plan, town_url)
    backend = backend_on(database, town_url)
    async with backend.opened():
        for prepare in (step for module in backend.modules for step in module.before):
            await prepare()
        await floor.open()
        yield Pair(client(http_application(backend)), client(floor), database.heard)
        await floor.close()


def client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=PUBLIC_URL)


async def quiet(pair: Pair) -> None:
    """Have a connection made and its types learned; then forget what was said. The driver reports late."""
    await pair.product.get("/health/db")
    await asyncio.sleep(0)
    pair.heard.clear()


async def both(
    pair: Pair, method: str, path: str, person: Person, body: Any = None
) -> tuple[httpx.Response, httpx.Response]:
    """What the product answers, and what the floor does. `heard` is then what the product asked for it."""
    headers = {"authorization": f"Bearer {person.access_token}", "idempotency-key": "of the product"}
    await quiet(pair)
    ours = await pair.product.request(method, path, headers=headers, json=body)
    headers["idempotency-key"] = "of the floor"
    floors = await pair.floor.request(method, path, headers=headers, json=body)
    assert (ours.is_success, floors.is_success) == (True, True), (ours.text, floors.text)
    return ours, floors


def comparable(answer: httpx.Response, *, without: tuple[str, ...] = ()) -> bytes:
    """The body, with the same words in place of what differs from answer to answer; order and form count."""
    content = answer.json()
    for name in MADE_PER_REQUEST:
        content["meta"][name] = f"{len(content['meta'][name])} characters"
    for name in without:
        content["data"][name] = f"{len(content['data'][name])} characters"
    if following := content.get("pagination", {}).get("next_cursor"):
        content["pagination"]["next_cursor"] = following[SEAL:]
        content["links"]["next"] = content["links"]["next"].replace(following, following[SEAL:])
    return json.dumps(content).encode()


def form(content: Any) -> Any:
    """The names in their order, and the types of the values."""
    if isinstance(content, dict):
        return [(name, form(value)) for name, value in content.items()]
    return type(content).__name__


async def test_one_task_is_the_same_bytes_from_the_same_sql(pair: Pair, town: Town) -> None:
    person, task_id = town.tasks[0]
    ours, floors = await both(pair, "GET", f"/api/v1/tasks/{task_id}", person)
    assert comparable(ours) == comparable(floors)
    assert len(ours.content) == len(floors.content)
    assert pair.heard == [town.plan.one.sql]


async def test_answers_have_the_same_headers(pair: Pair, town: Town) -> None:
    person, task_id = town.tasks[0]
    ours, floors = await both(pair, "GET", f"/api/v1/tasks/{task_id}", person)
    assert {**ours.headers, "x-request-id": ""} == {**floors.headers, "x-request-id": ""}


@pytest.mark.parametrize("page", [0, 1, 2])
async def test_a_page_is_the_same_bytes_from_the_same_sql(pair: Pair, town: Town, page: int) -> None:
    person, cursor = town.pages[page]
    ours, floors = await both(pair, "GET", f"/api/v1/tasks?cursor={cursor}&per_page=50", person)
    assert comparable(ours) == comparable(floors)
    assert len(ours.content) == len(floors.content)
    assert pair.heard == [(town.plan.next_page if cursor else town.plan.first_page).sql]


async def test_a_new_task_is_the_same_answer_from_the_same_sql(pair: Pair, town: Town) -> None:
    ours, floors = await both(pair, "POST", "/api/v1/tasks", town.people[0], TASK)
    assert comparable(ours, without=OF_ONE_CREATION) == comparable(floors, without=OF_ONE_CREATION)
    assert pair.heard == [town.plan.creation.sql]


async def test_a_transfer_is_the_same_answer_from_the_same_sql(pair: Pair, town: Town) -> None:
    order = transfer_order(town.wallets[0], town.wallets[1])
    ours, floors = await both(pair, "POST", "/api/v1/transfers", town.people[0], order)
    assert comparable(ours, without=OF_ONE_TRANSFER) == comparable(floors, without=OF_ONE_TRANSFER)
    assert pair.heard == [town.plan.wallets.sql, town.plan.transfer.sql]


async def test_a_transfer_leaves_the_same_behind(pair: Pair, town: Town, town_url: str) -> None:
    order = transfer_order(town.wallets[2], town.wallets[3])
    for answer in await both(pair, "POST", "/api/v1/transfers", town.people[2], order):
        id = answer.json()["data"]["id"]
        connection = await asyncpg.connect(town_url)
        left = await connection.fetchrow(LEFT_BEHIND.format(id=id))
        await connection.close()
        assert left is not None
        assert tuple(left) == ([-100, 100], 1, 1)


async def test_a_refresh_has_the_same_form_from_the_same_sql(pair: Pair, town: Town) -> None:
    path, body = "/api/v1/auth/refresh", {"refresh_token": town.people[1].refresh_token}
    # Each token is used once. The first refresh also reads the roles, which are then known for some time.
    first = await pair.product.post(path, json=body)
    await quiet(pair)
    ours = await pair.product.post(path, json={"refresh_token": first.json()["data"]["refresh_token"]})
    floors = await pair.floor.post(path, json={"refresh_token": ours.json()["data"]["refresh_token"]})
    assert form(ours.json()) == form(floors.json())
    assert pair.heard == [town.plan.session.sql, town.plan.rotation.sql]


def test_the_plan_survives_being_written(town: Town, tmp_path: Path) -> None:
    town.plan.write(tmp_path / "plan.json")
    assert orjson.dumps(Plan.read(tmp_path / "plan.json")) == orjson.dumps(town.plan)
