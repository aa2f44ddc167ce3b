"""The guide to calling other systems works: its code runs against a server that is well, wrong and away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest
from sqlalchemy import insert, select

from bailiwick.kernel import locks, resilience
from bailiwick.kernel.application import Contention, Unavailable
from bailiwick.kernel.cache import Cache
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.messaging.tables import leases
from tests.docs.pages import ROOT, blocks, names
from tests.kernel.samples import NOON, create_tables, database_at

GUIDE = ROOT / "docs/guides/call-other-systems.md"
HANGS_UP = 0


@pytest.fixture(scope="module")
def printed() -> dict[str, Any]:
    """What the code on the page defines."""
    defined: dict[str, Any] = {}
    exec("\n".join(blocks(GUIDE, "python")), defined)  # noqa: S102  # it is ours
    return defined


class Rates:
    """The other company: answers each request with the next of `statuses`, and the last from then on."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.asked = 0

    async def visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        body = b'{"rate": "18.25"}'
        head = f"HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        if status != HANGS_UP:
            writer.write(head.encode() + body)
        writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[httpx.AsyncClient]:
        server = await asyncio.start_server(self.visit, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            yield client


async def test_the_call_is_answered_tried_again_refused_and_given_up(printed: dict[str, Any]) -> None:
    company = Rates(503, 200, 404, 503, 503, 503, HANGS_UP)
    async with company.running() as client:
        rates = printed["HttpRates"](client)
        assert await rates.rate("EUR") == Decimal("18.25")
        assert company.asked == 2
        with pytest.raises(printed["RateUnknown"]):
            await rates.rate("XXX")
        for asked in (3 + 3, 6 + 2, 8):  # three attempts, two that open the breaker, and none
            with pytest.raises(Unavailable) as refusal:
                await rates.rate("EUR")
            assert company.asked == asked
        assert isinstance(refusal.value, resilience.NotCalled)


@pytest.mark.parametrize("place", ["memory", "redis"])
async def test_the_rates_are_asked_for_once_until_forgotten(
    place: str, request: pytest.FixtureRequest, printed: dict[str, Any]
) -> None:
    cache = Cache(request.getfixturevalue("redis_url") if place == "redis" else None)
    company = Rates(200)
    async with company.running() as client:
        rates = printed["CachedRates"](printed["HttpRates"](client), cache)
        assert [await rates.rate("EUR") for _ in range(3)] == [Decimal("18.25")] * 3
        assert company.asked == 1
        await rates.forget()
        await rates.rate("EUR")
        assert company.asked == 2
    await cache.close()


async def test_the_settlement_holds_its_lock_and_an_old_token_is_refused(
    database_url: str, printed: dict[str, Any]
) -> None:
    await create_tables(database_url, leases.metadata)
    database = database_at(database_url)
    await database.open()
    held = locks.Locks(database)
    row = {"name": "settled", "holder": uuid4(), "token": 0, "until": NOON}
    await printed["settle"](held, database, [Write(insert(leases), row)])
    rows = await database.all(select(leases.c.name, leases.c.token))
    assert {tuple(each) for each in rows} == {("settlement", 1), ("settled", 0)}
    with pytest.raises(Contention):
        await database.write([held.fence("settlement", 0)])
    await database.close()


def test_the_page_says_what_is_so() -> None:
    text = GUIDE.read_text()
    assert f"leads within {locks.LEASE + locks.CANDIDACY:.0f} seconds" in text
    assert f"when it stops, within {locks.CANDIDACY:.0f}" in text
    made = {metric._name for metric in (resilience.calls, resilience.retries)}
    made = {f"{name}_total" for name in made} | {
        metric._name for metric in (resilience.state, resilience.running, resilience.waiting)
    }
    assert {name for name in names(GUIDE) if name.startswith("outbound_")} == made
