"""Workers die before and after each step of placing an order: it is paid or cancelled, and all agrees."""

import asyncio
import random
import time
from contextlib import closing
from itertools import chain, cycle
from pathlib import Path
from uuid import uuid4

import pytest

from bailiwick.kernel.failpoints import VARIABLE
from bailiwick.kernel.settings.sections import Orders, Payments
from tests.acceptance.shop import ADDRESS, PRICE
from tests.kill.auditors import findings
from tests.kill.crew import Crew, crew
from tests.kill.depth import KILLS, times
from tests.kill.history import History, Log
from tests.kill.judge import summary
from tests.kill.stored import expire_leases
from tests.kill.treasury import at_rest, read_treasury
from tests.model.application import CONTEXTS, OPERATOR, Application, money, somebody
from tests.model.clock import Clock

WORKERS = 2
STEPS = 6  # moves of a placement in which all goes well: five steps, and the end
POINTS = [
    f"{point}=kill@{hit}"
    for hit in range(1, STEPS + 1)
    for point in ("process.before_step", "process.after_step")
] + [f"unit_of_work.{moment}_write=kill@{hit}" for hit in (2, 7) for moment in ("before", "after")]
"""One for each worker: it dies at that hit, so that each step is met before and after it is done."""
LEAST = 15  # orders, however soon the workers have died
COMMITS = ["unit_of_work.*=kill@0.05", "database.*=kill@0.03", "group.*=kill@0.1"]
LONGEST = 1_800.0  # seconds for all deaths
AHEAD = times(6, 60)  # orders that may wait: who places faster than others work proves no more
PLANTED = {"BAILIWICK_CONTEXTS": ",".join(["tests.kill.planted", *CONTEXTS])}


class Street:
    """People who order from a shop that runs in the process of the test; the workers are others."""

    def __init__(self, url: str, log: Log) -> None:
        self.application = Application(url, Clock(), Payments(), Orders())
        self.log, self.sku, self.placed = log, f"S-{uuid4().hex.upper()}", list[str]()
        self._chance = random.Random(1)

    async def made(self, by: object, path: str, body: object) -> dict[str, object]:
        answer = await self.application.ask(by, "POST", path, body)  # type: ignore[arg-type]  # an actor
        assert answer.code is None, answer
        found: dict[str, object] = answer.data
        return found

    async def open(self, pieces: int) -> None:
        variants = [{"sku": self.sku, "prices": [money(PRICE)]}]
        product = await self.made(OPERATOR, "/products", {"name": "Cup", "variants": variants})
        receive = {"sku": self.sku, "move": "receive", "quantity": pieces}
        await self.made(OPERATOR, f"/products/{product['id']}/stock-movements", receive)
        self.log.answered(self.log.intend("receive", "", str(pieces)), 201, "", 0.0)

    async def order(self) -> None:
        """By somebody new, who can pay, or cannot, or thinks better of it."""
        buyer, count, fate = somebody(), self._chance.randint(1, 2), self._chance.random()
        wallet = await self.made(buyer, "/wallets", {"currency": "NAD"})
        amount, key = PRICE * count - (fate < 0.3), uuid4().hex
        body = {"wallet": wallet["id"], "amount": money(amount), "description": key}
        booked = self.log.intend("deposit", key, f'{{"{wallet["id"]}": {amount}}}')
        self.log.answered(booked, 201, await self._asked(OPERATOR, "/deposits", body), 0.0)
        key = uuid4().hex
        address, lines = ADDRESS | {"street": key}, [{"sku": self.sku, "quantity": count}]
        body = {"lines": lines, "shipping_address": address, "pay": "now"}
        number = self.log.intend("order", key, str(count))
        placed = await self.application.ask(buyer, "POST", "/orders", body)
        self.log.answered(number, placed.status, placed.body.decode(), 0.0)
        self.placed.append(placed.data["id"])
        if fate > 0.85:
            await asyncio.sleep(self._chance.uniform(0, 0.3))
            number = self.log.intend("cancel", uuid4().hex, placed.data["id"])
            said = await self.application.ask(buyer, "POST", f"/orders/{placed.data['id']}/cancel")
            self.log.answered(number, said.status, said.body.decode(), 0.0)

    async def _asked(self, by: object, path: str, body: object) -> str:
        answer = await self.application.ask(by, "POST", path, body)  # type: ignore[arg-type]  # an actor
        assert answer.code is None, answer
        return answer.body.decode()

    async def waiting(self) -> int:
        answer = await self.application.ask(
            OPERATOR, "GET", "/orders", None, **{"filter[status]": "placed", "per_page": "100"}
        )
        return len(answer.data)


async def until_dead(workers: Crew, url: str, log: Log, armed: list[str], wanted: int) -> int:
    """Place orders until so many workers have died, each at the next of the points."""
    street, deaths, deadline = Street(url, log), 0, time.monotonic() + LONGEST
    points = chain(armed, cycle(armed))
    async with street.application.backend.opened():
        await street.open(100_000)
        for _ in range(WORKERS):
            workers.hire(**{VARIABLE: next(points)})
        while (deaths < wanted or len(street.placed) < LEAST) and time.monotonic() < deadline:
            if len(street.placed) < LEAST or await street.waiting() < AHEAD:
                await street.order()
            dead = await asyncio.to_thread(workers.replace_dead, **{VARIABLE: next(points)})
            deaths += dead
            if dead and not KILLS:
                expire_leases(url)
            await asyncio.sleep(0.05)
        await street.application.client.aclose()
    return deaths


def judged(url: str, directory: Path, armed: list[str], wanted: int, **changes: str) -> list[str]:
    contexts = {"BAILIWICK_CONTEXTS": ",".join(CONTEXTS)} | changes
    with closing(Log(directory / "history.jsonl")) as log, crew(url, directory, **contexts) as workers:
        deaths = asyncio.run(until_dead(workers, url, log, armed, wanted))
        workers.dismiss(kill=True)
        workers.hire(**{VARIABLE: ""})
        workers.hire(**{VARIABLE: ""})
        treasury = read_treasury(url) if "wallets_apart" in changes.values() else at_rest(url)
    history = History.read(log.path)
    found = findings(history, treasury)
    paid = sum(order.status == "paid" for order in treasury.orders)
    print(summary(history, found, deaths=deaths, orders=len(treasury.orders), paid=paid))
    assert deaths >= wanted
    assert 0 < paid < len(treasury.orders) or changes
    return found


def test_an_order_is_paid_or_cancelled_wherever_its_worker_dies(postgresql_url: str, tmp_path: Path) -> None:
    assert judged(postgresql_url, tmp_path, POINTS, times(len(POINTS))) == []


def test_a_process_that_forgets_its_keys_is_found_out(postgresql_url: str, tmp_path: Path) -> None:
    armed, plant = ["process.after_step=kill@1"], PLANTED | {"PLANT": "forgets_its_keys"}
    found = judged(postgresql_url, tmp_path, armed, 4, **plant)
    assert any("is still held for Order" in wrong or "there are" in wrong for wrong in found), found


if KILLS:

    def test_an_order_is_paid_or_cancelled_whichever_commit_dies(postgresql_url: str, tmp_path: Path) -> None:
        assert judged(postgresql_url, tmp_path, COMMITS, KILLS) == []

    @pytest.mark.parametrize("point", COMMITS)
    def test_an_order_on_sqlite_is_paid_or_cancelled_whichever_commit_dies(
        point: str, sqlite_url: str, tmp_path: Path
    ) -> None:
        assert judged(sqlite_url, tmp_path, [point], max(2, KILLS // 20)) == []

    def test_wallets_that_are_stored_apart_are_found_out(postgresql_url: str, tmp_path: Path) -> None:
        armed, plant = ["planted.between=kill@0.2"], PLANTED | {"PLANT": "wallets_apart"}
        found = judged(postgresql_url, tmp_path, armed, 4, **plant)
        assert any(wrong.startswith("the_books_balance: wallet") for wrong in found), found
