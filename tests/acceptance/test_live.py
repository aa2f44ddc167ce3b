"""Live updates as their users get them: two workers, real sockets, both databases."""

import asyncio
import json
import signal
import socket as sockets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bailiwick.kernel.testing import LOOPBACK
from tests.acceptance.conftest import a_database
from tests.acceptance.people import WITHIN, Person, joined, post
from tests.acceptance.server import ANOTHER, Server, serving
from tests.acceptance.streams import stream, the_next

CONNECTIONS = 8
"""Enough to meet both workers."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "valkey"])
def live(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if request.param == "sqlite":
        with serving(f"sqlite:///{tmp_path_factory.mktemp('live') / 'bailiwick.db'}") as running:
            yield running
        return
    hints = {"REDIS_URL": request.getfixturevalue("valkey")} if request.param == "valkey" else {}
    with a_database(request.getfixturevalue("postgres")) as url, serving(url, **hints) as running:
        yield running


def ticket(person: Person) -> str:
    answer = person.ask("POST", "/socket/tickets")
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["data"]["ticket"]
    return found


def socket(person: Person, after: str = "", **options: Any) -> connect:
    address = f"ws://{LOOPBACK}:{person.server.port}/api/v1/socket?ticket={ticket(person)}&after={after}"
    return connect(address, **options)


async def told(line: ClientConnection, *, answers: bool = True) -> AsyncIterator[dict[str, Any]]:
    """What a socket tells until it is closed. Pings are answered, if wanted."""
    with suppress(ConnectionClosed):
        async for text in line:
            message = json.loads(text)
            if answers and message["type"] == "ping":
                await line.send('{"type":"pong"}')
            yield message


def new_task(person: Person, title: str = "Feed the cat") -> str:
    answer = person.ask("POST", "/tasks", json={"title": title})
    assert answer.status_code == 201
    id: str = answer.json()["data"]["id"]
    return id


async def test_every_connection_of_a_user_hears_whichever_worker_it_is_on(live: Server) -> None:
    ada, bob = joined(live), joined(live)
    async with AsyncExitStack() as stack:
        lines = [told(await stack.enter_async_context(socket(ada))) for _ in range(CONNECTIONS)]
        lines += [await stack.enter_async_context(stream(ada)) for _ in range(CONNECTIONS)]
        stranger = await stack.enter_async_context(socket(bob))
        for line in lines:
            await the_next(line, "ready")
        task = await asyncio.to_thread(new_task, ada)
        heard = await asyncio.gather(*(the_next(line, "tasks.task_created") for line in lines))
        assert {each["data"]["task_id"] for each in heard} == {task}
        assert len({each["id"] for each in heard}) == 1
        assert json.loads(await stranger.recv())["type"] == "ready"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.7):
                await stranger.recv()


async def test_who_comes_back_to_any_worker_goes_on_where_they_were(live: Server) -> None:
    ada = joined(live)
    async with stream(ada) as line:
        cursor = (await the_next(line, "ready"))["cursor"]
    for round in range(4):
        tasks = [await asyncio.to_thread(new_task, ada) for _ in range(3)]
        for again in (stream(ada, cursor), stream(ada, cursor)):
            async with again as line:
                heard = [await the_next(line, "tasks.task_created") for _ in tasks]
                assert [each["data"]["task_id"] for each in heard] == tasks, round
        cursor = heard[-1]["cursor"]
    async with socket(ada, cursor) as line:
        task = await asyncio.to_thread(new_task, ada)
        assert (await the_next(told(line), "tasks.task_created"))["data"]["task_id"] == task


async def test_a_ticket_opens_one_socket_whichever_workers_are_asked(live: Server) -> None:
    address = f"ws://{LOOPBACK}:{live.port}/api/v1/socket?ticket={ticket(joined(live))}"

    async def status() -> int:
        try:
            async with connect(address):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code

    assert sorted(await asyncio.gather(*(status() for _ in range(12)))) == [101] + [401] * 11


async def test_a_foreign_page_is_refused(live: Server) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await socket(joined(live), origin="https://evil.example.com")
    assert refused.value.response.status_code == 403
    async with socket(joined(live), origin="https://app.example.com") as line:
        await the_next(told(line), "ready")


@pytest.mark.parametrize("way", ["log out", "revoke", "password"])
async def test_what_is_revoked_is_closed_on_every_worker_and_nothing_else(live: Server, way: str) -> None:
    kept = joined(live)
    lost = kept.signed_in_again()
    async with AsyncExitStack() as stack:
        closing = [await stack.enter_async_context(socket(lost)) for _ in range(CONNECTIONS)]
        ending = [await stack.enter_async_context(stream(lost)) for _ in range(CONNECTIONS)]
        others = [await stack.enter_async_context(socket(kept)) for _ in range(CONNECTIONS)]
        await asyncio.to_thread(revoke, way, kept, lost)
        since = time.monotonic()
        reasons = await asyncio.gather(
            *(the_next(told(line), "end") for line in closing), *(the_next(line, "end") for line in ending)
        )
        for line in closing:
            await line.wait_closed()
        assert time.monotonic() - since <= WITHIN
        assert {each["reason"] for each in reasons} == {"session_ended"}
        assert {line.close_code for line in closing} == {4001}
        task = await asyncio.to_thread(new_task, kept)
        for line in others:
            assert (await the_next(told(line), "tasks.task_created"))["data"]["task_id"] == task


def revoke(way: str, kept: Person, lost: Person) -> None:
    if way == "log out":
        assert lost.ask("POST", "/auth/logout").status_code == 204
    elif way == "revoke":
        sessions = kept.ask("GET", "/auth/sessions").json()["data"]
        [other] = [each["id"] for each in sessions if not each["current"]]
        assert kept.ask("DELETE", f"/auth/sessions/{other}").status_code == 204
    else:
        body = {"current_password": kept.password, "new_password": ANOTHER}
        assert kept.ask("PUT", "/users/me/password", json=body).status_code in (200, 204)


async def test_one_event_tells_the_other_devices_that_a_session_ended(live: Server) -> None:
    kept = joined(live)
    lost = kept.signed_in_again()
    async with socket(kept) as line:
        messages = told(line)
        await the_next(messages, "ready")
        assert (await asyncio.to_thread(lost.ask, "POST", "/auth/logout")).status_code == 204
        assert (await the_next(messages, "identity.user_logged_out"))["data"]["user_id"] == kept.id


async def test_an_order_to_stop_closes_every_connection_with_a_word_and_at_once(sqlite_url: str) -> None:
    with serving(sqlite_url) as server:
        ada = await asyncio.to_thread(joined, server)
        async with AsyncExitStack() as stack:
            lines = [await stack.enter_async_context(socket(ada)) for _ in range(CONNECTIONS)]
            streams = [await stack.enter_async_context(stream(ada)) for _ in range(CONNECTIONS)]
            server.process.send_signal(signal.SIGTERM)
            ordered = time.monotonic()
            reasons = await asyncio.gather(*(the_next(line, "end") for line in streams))
            assert {each["reason"] for each in reasons} == {"server_stopping"}
            for line in lines:
                await line.wait_closed()
            assert {(line.close_code, line.close_reason) for line in lines} == {(1001, "server_stopping")}
        await asyncio.to_thread(server.process.wait, 10)
        assert time.monotonic() - ordered < 10
    assert server.process.returncode == 0
    assert "Traceback" not in server.said


async def test_who_does_not_read_is_cut_off_and_holds_up_nobody(sqlite_url: str) -> None:
    with serving(sqlite_url) as server:
        ada = await asyncio.to_thread(joined, server)
        async with socket(ada, ping_interval=None, max_queue=1) as deaf, socket(ada) as reads:
            deaf.transport.pause_reading()
            messages = told(reads)
            await asyncio.to_thread(many_tasks, ada, 60)
            for _ in range(60):
                await the_next(messages, "tasks.task_created")
            reading = asyncio.ensure_future(the_next(messages, "tasks.task_created", within=20))
            await asyncio.sleep(10)
            deaf.transport.resume_reading()
            assert (await the_next(told(deaf, answers=False), "end"))["reason"] == "too_slow"
            await deaf.wait_closed()
            assert deaf.close_code == 4008
            task = await asyncio.to_thread(new_task, ada)
            assert (await reading)["data"]["task_id"] == task


def many_tasks(person: Person, count: int) -> None:
    with person.client() as client:
        for number in range(count):
            assert client.post("/tasks", json={"title": f"{number} ".ljust(200, "x")}).status_code == 201


async def test_a_reader_who_goes_away_leaves_its_place(sqlite_url: str) -> None:
    one_place = {"BAILIWICK_LIVE__PER_USER": "1", "BAILIWICK_HTTP__WORKERS": "1"}
    with serving(sqlite_url, **one_place) as server:
        ada = await asyncio.to_thread(joined, server)
        request = (
            f"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ada.access_token}\r\n\r\n"
        )
        rude = sockets.create_connection((LOOPBACK, server.port))
        rude.sendall(request.encode())
        assert b"200 OK" in await asyncio.to_thread(rude.recv, 100)
        with pytest.raises(InvalidStatus) as refused:
            await socket(ada)
        assert refused.value.response.status_code == 429
        rude.close()
        async with asyncio.timeout(3):
            while True:
                try:
                    async with socket(ada):
                        break
                except InvalidStatus:
                    await asyncio.sleep(0.05)


def test_nobody_is_told_anything_without_a_token(live: Server) -> None:
    with live.client() as client:
        assert client.get("/stream").status_code == 401
    assert post(live, "/socket/tickets", None).status_code == 401
