"""The floor with a planted slow-down: what a change that costs 300 µs a request looks like."""

import time
from typing import Any

from bench import floor

PLANTED_SECONDS = 300e-6


def create_app() -> Any:
    """The floor, busy for nothing before each request."""
    app = floor.create_app()

    async def slowed(scope: Any, receive: Any, send: Any) -> None:
        until = time.perf_counter() + PLANTED_SECONDS
        while scope["type"] == "http" and time.perf_counter() < until:
            pass
        await app(scope, receive, send)

    return slowed
