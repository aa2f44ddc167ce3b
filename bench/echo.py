"""The floor of fan-out: a program that knows nothing and sends what it is posted to every open socket."""

import asyncio
from typing import Any

Send = Any


async def _http(sockets: set[Send], receive: Any, send: Send) -> None:
    posted = (await receive())["body"].decode()
    if posted:
        message = {"type": "websocket.send", "text": posted}
        await asyncio.gather(*(_told(tell, message) for tell in sockets))
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def _told(tell: Send, message: dict[str, str]) -> None:
    await tell(message)


async def _socket(sockets: set[Send], receive: Any, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    sockets.add(send)
    try:
        while (await receive())["type"] != "websocket.disconnect":
            pass
    finally:
        sockets.discard(send)


def create_app() -> Any:
    sockets: set[Send] = set()

    async def application(scope: Any, receive: Any, send: Send) -> None:
        if scope["type"] == "websocket":
            await _socket(sockets, receive, send)
        elif scope["type"] == "http":
            await _http(sockets, receive, send)
        else:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})

    return application
