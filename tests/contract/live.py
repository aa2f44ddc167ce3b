"""The product on a port of this machine, in a thread, with callers who can always act."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from bailiwick.kernel.testing import LOOPBACK
from tests.policy.scene import Stage, staged

LOSES_ITS_CALLER = ("/logout", "/sessions/", "/users/", "/password/reset")
"""Requests after which a caller may be signed out, or gone."""


class Live:
    """A running product. Its methods are called from other threads than its own."""

    def __init__(self, stage: Stage, loop: asyncio.AbstractEventLoop, url: str) -> None:
        self._stage, self._loop, self.url = stage, loop, url

    def token(self, role: str) -> str:
        """The access token of somebody new."""
        scene = asyncio.run_coroutine_threadsafe(self._stage.scene(role, "-"), self._loop).result(30)
        return scene.access_token


class Caller:
    """An authentication provider of Schemathesis: one person, and somebody new where that one is out."""

    live: Live
    role: str

    def __init__(self) -> None:
        self._token = ""
        self._spent = True

    def get(self, case: Any, context: Any) -> str:
        if self._spent:
            self._token = self.live.token(self.role)
        path = case.operation.path
        self._spent = case.operation.method.upper() != "GET" and any(
            part in path for part in LOSES_ITS_CALLER
        )
        return self._token

    def set(self, case: Any, token: str, context: Any) -> None:
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {token}"}


@contextmanager
def live(database_url: str) -> Iterator[Live]:
    """Serve until the block is left. Raises what kept it from starting."""
    started = threading.Event()
    found: dict[str, Any] = {}

    async def serve() -> None:
        async with staged(database_url) as stage:
            # Named as TCP, so that asyncio sends small answers at once instead of collecting them for 40 ms.
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            listener.bind((LOOPBACK, 0))
            listener.listen()
            config = uvicorn.Config(stage.app, lifespan="off", log_level="error", ws="none")
            found["server"] = server = uvicorn.Server(config)
            port = listener.getsockname()[1]
            found["live"] = Live(stage, asyncio.get_running_loop(), f"http://{LOOPBACK}:{port}")
            started.set()
            await server.serve(sockets=[listener])

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            found["error"] = error
            started.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    started.wait(60)
    if "error" in found:
        raise found["error"]
    try:
        yield found["live"]
    finally:
        found["server"].should_exit = True
        thread.join(60)
