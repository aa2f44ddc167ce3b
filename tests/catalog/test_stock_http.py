"""The routes of stock: what administrators see and move, and what everybody may know."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import httpx2 as httpx
import pytest

from bailiwick.backend import Backend
from bailiwick.catalog.application.stock import ExpireReservation
from bailiwick.kernel.application import Actor, Unauthenticated
from bailiwick.kernel.database import migrations
from bailiwick.kernel.http.authentication import Authentication, VerifiedToken
from bailiwick.kernel.messaging.handlers import job
from bailiwick.kernel.messaging.worker import Worker
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Database as DatabaseSettings
from bailiwick.kernel.settings.sections import Limits
from bailiwick.main import http_application
from tests.catalog.warehouses import BOWL, CUP, KEEPER, House
from tests.kernel.http.serving import FAR_AWAY

CUSTOMER = Actor(UUID(int=8), "user")


@dataclass
class Shop:
    """The product behind HTTP, and the stock behind it at the same time of day."""

    backend: Backend
    house: House
    client: httpx.AsyncClient

    async def get(self, path: str, who: str = "keeper") -> httpx.Response:
        return await self.client.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {who}"})

    async def move(self, key: str | None = None, who: str = "keeper", **body: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {who}", "Idempotency-Key": key or uuid4().hex}
        path = f"/api/v1/products/{self.house.product}/stock-movements"
        return await self.client.post(path, json=body, headers=headers)


def verify(token: str) -> VerifiedToken:
    known = {"keeper": KEEPER, "customer": CUSTOMER}
    if token not in known:
        raise Unauthenticated("not a token of ours")
    return VerifiedToken(known[token], 0, FAR_AWAY)


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[Shop]:
    wanted = Settings(
        contexts=["catalog"], database=DatabaseSettings(url=database_url), limits=Limits(enabled=False)
    )
    await migrations.upgrade_async(database_url, wanted.contexts)
    built = Backend.build(wanted)
    made = Authentication(verify, now=lambda: 0.0)
    made.learn(set(), {}, 900)
    backend = Backend(built.platform, (replace(built.modules[0], authentication=made),))
    transport = httpx.ASGITransport(app=http_application(backend))
    async with (
        backend.opened(),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        house = House(backend.platform.database, now=backend.platform.clock())
        await house.open(CUP, BOWL)
        yield Shop(backend, house, client)


async def test_goods_are_received_once_for_each_key(shop: Shop) -> None:
    answers = [await shop.move("k", sku=CUP, move="receive", quantity=10) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    first, second = (answer.json()["data"] for answer in answers)
    assert first == second
    assert (first["sku"], first["move"], first["quantity"]) == (CUP, "receive", 10)
    assert first["moved_by"] == str(KEEPER.id)
    assert answers[0].headers["location"] == "/api/v1/stock?filter%5Bsku%5D=CUP"
    assert await shop.house.figures() == {CUP: (10, 0)}


async def test_a_movement_needs_a_key(shop: Shop) -> None:
    path = f"/api/v1/products/{shop.house.product}/stock-movements"
    body = {"sku": CUP, "move": "receive", "quantity": 1}
    answer = await shop.client.post(path, json=body, headers={"Authorization": "Bearer keeper"})
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_required")


async def test_what_is_not_there_cannot_be_adjusted_away(shop: Shop) -> None:
    await shop.move(sku=CUP, move="receive", quantity=10)
    await shop.house.reserve(uuid4(), CUP=8)
    refused = await shop.move(sku=CUP, move="adjust", quantity=-3, note="broken")
    assert (refused.status_code, refused.json()["code"]) == (409, "out_of_stock")
    assert refused.json()["lines"] == [{"sku": CUP, "wanted": 3, "available": 2}]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"sku": CUP, "move": "receive", "quantity": 0}, 422),
        ({"sku": CUP, "move": "receive", "quantity": -5}, 422),
        ({"sku": CUP, "move": "receive", "quantity": 1.5}, 422),
        ({"sku": CUP, "move": "receive", "quantity": 10**20}, 422),
        ({"sku": CUP, "move": "adjust", "quantity": -1}, 422),
        ({"sku": CUP, "move": "commit", "quantity": 1}, 422),
        ({"sku": CUP, "move": "receive", "quantity": 1, "version": 9}, 422),
        ({"sku": "PLATE", "move": "receive", "quantity": 1}, 404),
    ],
)
async def test_a_movement_that_makes_no_sense_is_refused(
    shop: Shop, body: dict[str, Any], status: int
) -> None:
    assert (await shop.move(**body)).status_code == status
    assert await shop.house.moves() == []


async def test_only_who_manages_the_catalogue_sees_and_moves_stock(shop: Shop) -> None:
    answers = [
        await shop.move(who="customer", sku=CUP, move="receive", quantity=1),
        await shop.get("/stock", "customer"),
        await shop.get(f"/products/{shop.house.product}/stock-movements", "customer"),
        await shop.get(f"/reservations/{uuid4()}", "customer"),
    ]
    assert [answer.status_code for answer in answers] == [403] * 4
    assert await shop.house.moves() == []


async def test_movements_are_listed_the_newest_first(shop: Shop) -> None:
    for quantity in (1, 2, 3):
        await shop.move(sku=CUP, move="receive", quantity=quantity)
    await shop.house.reserve(key := uuid4(), CUP=4)
    path = f"/products/{shop.house.product}/stock-movements"
    page = (await shop.get(f"{path}?per_page=3")).json()
    assert [each["quantity"] for each in page["data"]] == [4, 3, 2]
    assert (page["data"][0]["move"], page["data"][0]["reservation_id"]) == ("reserve", str(key))
    rest = (await shop.client.get(page["links"]["next"], headers={"Authorization": "Bearer keeper"})).json()
    assert [each["quantity"] for each in rest["data"]] == [1]
    only = (await shop.get(f"{path}?filter[move]=reserve")).json()
    assert [each["quantity"] for each in only["data"]] == [4]
    assert (await shop.get(f"/products/{uuid4()}/stock-movements")).status_code == 404
    assert (await shop.get(f"{path}?page=2")).status_code == 422


async def test_low_stock_is_found(shop: Shop) -> None:
    await shop.move(sku=CUP, move="receive", quantity=10)
    await shop.move(sku=BOWL, move="receive", quantity=10)
    await shop.house.reserve(uuid4(), BOWL=8)
    every = (await shop.get("/stock")).json()["data"]
    assert [(each["sku"], each["available"]) for each in every] == [(BOWL, 2), (CUP, 10)]
    low = (await shop.get("/stock?filter[available_at_most]=5")).json()["data"]
    assert [(each["sku"], each["on_hand"], each["reserved"]) for each in low] == [(BOWL, 10, 8)]
    most = (await shop.get("/stock?sort=-available")).json()["data"]
    assert [each["sku"] for each in most] == [CUP, BOWL]


async def test_everybody_sees_what_can_be_ordered(shop: Shop) -> None:
    await shop.move(sku=CUP, move="receive", quantity=10)
    await shop.house.reserve(uuid4(), CUP=3)
    answer = await shop.client.get(f"/api/v1/products/{shop.house.product}/availability")
    assert answer.json()["data"]["variants"] == [{"sku": CUP, "available": 7}, {"sku": BOWL, "available": 0}]
    assert (await shop.client.get(f"/api/v1/products/{uuid4()}/availability")).status_code == 404


async def test_a_reservation_shows_how_long_it_lasts(shop: Shop) -> None:
    await shop.move(sku=CUP, move="receive", quantity=10)
    await shop.house.reserve(key := uuid4(), seconds=600, CUP=3)
    held = (await shop.get(f"/reservations/{key}")).json()["data"]
    assert (held["status"], held["ended_at"]) == ("held", None)
    assert held["lines"] == [{"sku": CUP, "quantity": 3, "given_back": 0}]
    assert 590 <= held["seconds_left"] <= 600
    await shop.house.commit(key)
    await shop.house.give_back(uuid4(), key, CUP=1)
    gone = (await shop.get(f"/reservations/{key}")).json()["data"]
    assert (gone["status"], gone["seconds_left"], gone["lines"][0]["given_back"]) == ("committed", 0, 1)
    assert (await shop.get(f"/reservations/{uuid4()}")).status_code == 404


async def test_one_whose_time_is_up_shows_as_expired_though_nobody_has_ended_it(shop: Shop) -> None:
    await shop.move(sku=CUP, move="receive", quantity=10)
    shop.house.later(-700)
    await shop.house.reserve(key := uuid4(), seconds=600, CUP=3)
    shown = (await shop.get(f"/reservations/{key}")).json()["data"]
    assert (shown["status"], shown["seconds_left"]) == ("expired", 0)


async def test_a_worker_ends_what_is_due(shop: Shop) -> None:
    await shop.move(sku=CUP, move="receive", quantity=10)
    shop.house.later(-5)
    await shop.house.reserve(key := uuid4(), seconds=1, CUP=3)
    [module] = shop.backend.modules
    clock = shop.backend.platform.clock
    worker = Worker(shop.house.database, [job(handler) for handler in module.jobs], clock)
    async with shop.house.ports.uow() as uow:
        uow.enqueue(ExpireReservation(key))
        await uow.commit(None)
    await worker.claim()
    for _, task in list(worker.running.values()):
        await task
    assert (await shop.get(f"/reservations/{key}")).json()["data"]["ended_at"] is not None
    assert await shop.house.figures() == {CUP: (10, 0)}
    assert await shop.house.differences() == []
