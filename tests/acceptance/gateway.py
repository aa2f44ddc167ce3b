"""One address in front of several servers: a proxy that looks at nothing but the path of a request."""

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from bailiwick.kernel.testing import LOOPBACK

OF_IDENTITY = re.compile(r"/api/v1/(auth|users)(/|\?|$)|/\.well-known/")
LONGEST_HEAD = 65_536
CONNECTION = re.compile(rb"\r\n(?:connection|keep-alive):[^\r]*", re.IGNORECASE)


def port_of(path: str, identity: int, rest: int) -> int:
    return identity if OF_IDENTITY.match(path) else rest


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on whatever comes until it ends."""
    with suppress(ConnectionError):
        while content := await reader.read(65_536):
            writer.write(content)
            await writer.drain()
        writer.write_eof()


async def once(reader: asyncio.StreamReader) -> bytes:
    """The head of a message, changed so that the connection ends with it; a WebSocket's as it is."""
    head = await reader.readuntil(b"\r\n\r\n")
    if b"\r\nupgrade:" in head.lower():
        return head
    return CONNECTION.sub(b"", head[:-4]) + b"\r\nconnection: close\r\n\r\n"


class Gateway:
    """Serves each request on a connection of its own, so that every one is routed by its own path."""

    def __init__(self, route: Callable[[str], int]) -> None:
        self._route = route

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await once(reader)
            path = head.split(b" ", 2)[1].decode()
            there, back = await asyncio.open_connection(LOOPBACK, self._route(path), limit=LONGEST_HEAD)
            try:
                back.write(head)
                sending = asyncio.ensure_future(pipe(reader, back))
                writer.write(await once(there))
                await pipe(there, writer)
                sending.cancel()
            finally:
                back.close()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # whoever asked sees the connection end, as behind any proxy
        finally:
            writer.close()


@contextmanager
def gateway(identity: int, rest: int) -> Iterator[int]:
    """The port of a gateway to the servers at these ports. It runs in a thread of this process."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    ports: list[int] = []

    async def run(stop: asyncio.Event) -> None:
        served = Gateway(lambda path: port_of(path, identity, rest)).serve
        async with await asyncio.start_server(served, LOOPBACK, 0, limit=LONGEST_HEAD, backlog=512) as server:
            ports.append(server.sockets[0].getsockname()[1])
            ready.set()
            await stop.wait()

    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=[run(stop)], daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
