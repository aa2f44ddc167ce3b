"""Start and stop of one worker, in the words of ASGI."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import structlog

from bailiwick.kernel.http.requests import Receive, Scope, Send

log = structlog.get_logger("lifespan")


def with_lifespan(app: Any, running: Callable[[], AbstractAsyncContextManager[Any]]) -> Any:
    """`app`, with `running` entered before the first request and left after the last."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(running, receive, send)
        else:
            await app(scope, receive, send)

    return application


async def _live(
    running: Callable[[], AbstractAsyncContextManager[Any]], receive: Receive, send: Send
) -> None:
    await receive()
    try:
        async with running():
            await send({"type": "lifespan.startup.complete"})
            await receive()
    except Exception:
        log.exception("worker_failed")
        await send({"type": "lifespan.startup.failed", "message": "the worker could not start or stop"})
        raise
    await send({"type": "lifespan.shutdown.complete"})
