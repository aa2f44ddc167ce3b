"""Live updates as a client gets them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2 as httpx

from tests.acceptance.people import Person
from tests.acceptance.server import PLAIN, Server


@asynccontextmanager
async def stream(
    person: Person, after: str = "", *, at: Server | None = None
) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """What a stream of server-sent events tells; that of the server `at`, where there are several."""
    headers = {"Authorization": f"Bearer {person.access_token}", "Last-Event-ID": after}
    async with (
        httpx.AsyncClient(base_url=f"{(at or person.server).url}/api/v1", timeout=30, verify=PLAIN) as client,
        client.stream("GET", "/stream", headers=headers) as answer,
    ):
        assert answer.status_code == 200

        async def told() -> AsyncIterator[dict[str, Any]]:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    yield json.loads(line[6:])

        yield told()


async def the_next(messages: AsyncIterator[dict[str, Any]], kind: str, within: float = 3) -> dict[str, Any]:
    async with asyncio.timeout(within):
        async for message in messages:
            if message["type"] == kind:
                return message
    raise AssertionError(f"no {kind}")
