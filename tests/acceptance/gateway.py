"""One address in front of several servers: a proxy that looks at nothing but the path of a request."""

import asyncio
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from bailiwick.kernel.testing import LOOPBACK

PATHS = {
    "identity": "auth|users",
    "catalog": "products|categories|stock|reservations",
    "payments": "wallets|deposits|withdrawals|conversions|transfers|scheduled-transfers|holds",
    "orders": "cart|orders|coupons|stream|socket",
}
"""What each context has of its own. The news of the process with the orders are what is listened to."""
LONGEST_HEAD = 65_536
CONNECTION = re.compile(rb"\r\n(?:connection|keep-alive):[^\r]*", re.IGNORECASE)


def port_of(path: str, ports: Mapping[str, int]) -> int:
    """`ports` tells where each context is; what belongs to none is asked where the tasks are."""
    if path.startswith("/.well-known/"):
        return ports["identity"]
    for context, names in PATHS.items():
        if re.match(rf"/api/v1/({names})(/|\?|$)", path):
            return ports[context]
    return ports["tasks"]


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
        # The loop forgets who waits for an answer once whoever asked is gone.
        self.serving: set[asyncio.Task[None]] = set()

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self.serving.add(task)
        task.add_done_callback(self.serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await once(reader)
            path = head.split(b" ", 2)[1].decode()
            there, back = await asyncio.open_connection(LOOPBACK, self._route(path), limit=LONGEST_HEAD)
            back.write(head)
            sending = asyncio.ensure_future(pipe(reader, back))
            try:
                writer.write(await once(there))
                await pipe(there, writer)
            finally:
                sending.cancel()
                back.close()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # whoever asked sees the connection end, as behind any proxy
        finally:
            writer.close()


@contextmanager
def gateway(ports: Mapping[str, int]) -> Iterator[int]:
    """The port of a gateway to the contexts at these ports. It runs in a thread of this process."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    own: list[int] = []

    async def run(stop: asyncio.Event) -> None:
        gate = Gateway(lambda path: port_of(path, ports))
        async with await asyncio.start_server(
            gate.serve, LOOPBACK, 0, limit=LONGEST_HEAD, backlog=512
        ) as server:
            own.append(server.sockets[0].getsockname()[1])
            ready.set()
            await stop.wait()
            for task in gate.serving:
                task.cancel()
            await asyncio.gather(*gate.serving, return_exceptions=True)

    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=[run(stop)], daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield own[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
