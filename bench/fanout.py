"""`python -m bench.fanout`: one event to 2,000 web sockets of one worker, beside a bare broadcast.

Both run at once on the API's core; events alternate between them. A delivery is timed from the moment
before the request that causes the event is sent, to the arrival of the message at the socket.
"""

import argparse
import asyncio
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import orjson
import uvloop

from bailiwick.kernel.database import migrations
from bailiwick.kernel.testing import create_database, free_port
from bench.__main__ import say
from bench.conditions import conditions
from bench.servers import OTHER_CORE, ROOT, Server, durable_postgres, product, served

RESULTS = ROOT / "bench" / "results" / "fanout.json"
SOCKETS, EVENTS, AT_ONCE = 2_000, 30, 20
PASSWORD = "zebra quilts in april"
GOAL = 0.250  # seconds, for the 99th percentile


class Ear(asyncio.Protocol):
    """One web socket that notes when bytes come, and does not read what they say."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.heard_at = 0.0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.heard_at = time.perf_counter()
        if not self.opened.done():
            if data.startswith(b"HTTP/1.1 101"):
                self.opened.set_result(None)
            else:
                self.opened.set_exception(RuntimeError(data.decode(errors="replace")))

    def answer(self) -> None:
        """A masked pong, as the product asks for one."""
        text = b'{"type":"pong"}'
        self.transport.write(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)


async def opened(port: int, path: str) -> Ear:
    key = secrets.token_urlsafe(16)
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    )
    loop = asyncio.get_running_loop()
    _, ear = await loop.create_connection(lambda: Ear(request.encode()), "127.0.0.1", port)
    await ear.opened
    return ear


@dataclass
class Side:
    """One of the two servers with its open sockets, and how an event is caused there."""

    server: Server
    ears: list[Ear]
    cause: Callable[[], Awaitable[Any]]
    bytes_per_socket: float
    seconds: list[list[float]]

    async def event(self) -> None:
        started = time.perf_counter()
        await self.cause()
        while min(ear.heard_at for ear in self.ears) < started:  # noqa: ASYNC110  # cheaper than an event each
            await asyncio.sleep(0.01)
        self.seconds.append([ear.heard_at - started for ear in self.ears])

    def report(self) -> dict[str, float]:
        every = sorted(each for event in self.seconds for each in event)
        return {
            "first_ms": round(statistics.median(min(event) for event in self.seconds) * 1000, 1),
            "p50_ms": round(statistics.median(every) * 1000, 1),
            "p99_ms": round(every[int(len(every) * 0.99)] * 1000, 1),
            "worst_ms": round(every[-1] * 1000, 1),
            "kilobytes_per_socket": round(self.bytes_per_socket / 1000, 1),
        }


async def side(
    server: Server, path: Callable[[], Awaitable[str]], cause: Callable[[], Awaitable[Any]], count: int
) -> Side:
    ears = [await _opened(server.port, path) for _ in range(AT_ONCE)]
    before = server.worker_rss()
    while len(ears) < count:
        ears += await asyncio.gather(*(_opened(server.port, path) for _ in range(AT_ONCE)))
    await asyncio.sleep(1)
    return Side(server, ears, cause, (server.worker_rss() - before) / (count - AT_ONCE), [])


async def _opened(port: int, path: Callable[[], Awaitable[str]]) -> Ear:
    return await opened(port, await path())


def echo(port: int) -> list[str]:
    options = "--interface asgi --factory --loop uvloop --no-access-log --log-level warning"
    return [sys.executable, "-m", "granian", "bench.echo:create_app", "--port", str(port), *options.split()]


@contextmanager
def both(directory: Path) -> Iterator[tuple[str, Server, Server]]:
    """The URL of the database, the product on it, and the program that only broadcasts."""
    with ExitStack() as stack:
        url = create_database(stack.enter_context(durable_postgres()))
        asyncio.run(migrations.upgrade_async(url, ["identity", "profiles", "tasks"]))
        most = "100000"
        settings = {
            "DATABASE_URL": url,
            "BAILIWICK_LIMITS__ENABLED": "false",
            "BAILIWICK_LIVE__PER_USER": most,
            "BAILIWICK_LIVE__PER_ADDRESS": most,
            "BAILIWICK_LIVE__PER_WORKER": most,
            "BAILIWICK_LOG__LEVEL": "WARNING",
        }
        here, there = free_port(), free_port()
        ours = served("product", product(here), here, settings, directory, "/health")
        floor = served("echo", echo(there), there, {}, directory, "/")
        yield url, stack.enter_context(ours), stack.enter_context(floor)


async def measure(ours: Server, floor: Server, sockets: int, events: int) -> Sequence[Side]:
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        base = f"http://127.0.0.1:{ours.port}/api/v1"
        body = {"email": "ada@example.com", "password": PASSWORD, "full_name": "Ada", "accept_terms": True}
        data = (await client.post(f"{base}/auth/register", json=body)).json()["data"]
        headers = {"Authorization": f"Bearer {data['access_token']}"}

        async def ticket() -> str:
            answer = await client.post(f"{base}/socket/tickets", headers=headers)
            return f"/api/v1/socket?ticket={answer.json()['data']['ticket']}"

        async def task() -> None:
            await client.post(f"{base}/tasks", headers=headers, json={"title": "Feed the cat"})

        async def root() -> str:
            return "/"

        async def broadcast() -> None:
            await client.post(f"http://127.0.0.1:{floor.port}/", content=b"x" * 330)

        sides = [await side(ours, ticket, task, sockets), await side(floor, root, broadcast, sockets)]
        for _ in range(events):
            for each in sides:
                await each.event()
                await asyncio.sleep(0.5)
            for ear in sides[0].ears:
                ear.answer()
            await asyncio.sleep(0.5)
        return sides


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=SOCKETS)
    parser.add_argument("--events", type=int, default=EVENTS)
    wanted = parser.parse_args()
    os.sched_setaffinity(0, {OTHER_CORE})
    with tempfile.TemporaryDirectory() as made, both(Path(made)) as (url, ours, floor):
        sides = uvloop.run(measure(ours, floor, wanted.sockets, wanted.events))
        about = asyncio.run(conditions(url))
        found = {name: each.report() for name, each in zip(("product", "echo"), sides, strict=True)}
    for name, numbers in found.items():
        say(f"{name:8} " + "  ".join(f"{key} {value}" for key, value in numbers.items()))
    good = found["product"]["p99_ms"] <= GOAL * 1000
    say(f"one event to {wanted.sockets} sockets: {'within' if good else 'NOT within'} {GOAL * 1000:.0f} ms")
    RESULTS.write_bytes(orjson.dumps({"conditions": about, **found}, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()
