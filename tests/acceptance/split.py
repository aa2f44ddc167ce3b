"""The product as several processes with a database each, one address before all of them."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]  # it has no stubs of its own

from bailiwick.kernel.testing import LOOPBACK, free_port
from tests.acceptance.gateway import gateway
from tests.acceptance.server import Server, command

SERVICE_TOKEN = "between-us-0123456789abcdef-0123456789abcdef"


@dataclass(frozen=True)
class Part:
    """One process: the contexts that it carries, and those that it asks."""

    contexts: tuple[str, ...]
    asks: tuple[str, ...]
    workers: int = 2


HALVES = (
    Part(("identity",), asks=("profiles",)),
    Part(("profiles", "tasks", "payments", "catalog", "orders"), asks=("identity",)),
)
SHOPS = (
    Part(("identity", "profiles", "tasks"), asks=(), workers=1),
    Part(("catalog",), asks=("identity",), workers=1),
    Part(("payments",), asks=("identity",), workers=1),
    Part(("orders",), asks=("identity", "catalog", "payments"), workers=1),
)


@dataclass(frozen=True)
class Transport:
    """A way in which events travel between processes: the fixture that gives the URL of a server, and what
    all processes are told of it."""

    server: str
    settings: Callable[[str], dict[str, str]]


TRANSPORTS: dict[str, Transport] = {
    "redis": Transport("valkey", lambda url: {"BAILIWICK_TRANSPORT__URL": url}),
    "nats": Transport("nats_url", lambda url: {"BAILIWICK_TRANSPORT__URL": url}),
}
"""All tests of this directory run once for each, as they do for each database."""


class Split(Server):
    """All servers as one. Mails and accounts are identity's; what is asked for is what all of them said."""

    def __init__(self, servers: Sequence[tuple[Part, Server]], port: int) -> None:
        # Not the constructor of a server: it would start one more process.
        self._carriers = {context: server for part, server in servers for context in part.contexts}
        self._ended: list[str] = []
        identity = self.carrier("identity")
        self.port, self.url = port, f"http://{LOOPBACK}:{port}"
        self.database_url, self.process, self.changes = identity.database_url, identity.process, {}
        self._lines = identity._lines

    def carrier(self, context: str) -> Server:
        return self._carriers[context]

    @property
    def servers(self) -> list[Server]:
        return [*dict.fromkeys(self._carriers.values())]

    @property
    def said(self) -> str:
        return "".join([*self._ended, *(server.said for server in self.servers)])

    def kill(self, context: str) -> None:
        """Kill the process that carries a context, as `kill -9` does; its workers follow it."""
        server = self.carrier(context)
        workers = psutil.Process(server.process.pid).children(recursive=True)
        server.process.kill()
        server.stop()
        _, alive = psutil.wait_procs(workers, timeout=5)
        assert not alive, "workers outlived the server that started them"

    def start_again(self, context: str) -> None:
        """Start what has ended, at its address and on its database. Wait until it is ready."""
        ended = self.carrier(context)
        self._ended.append(ended.said)
        again = Server(ended.database_url, ended.port, ended.changes)
        for each, server in self._carriers.items():
            if server is ended:
                self._carriers[each] = again
        again.await_ready()

    def stop(self) -> None:
        for server in self.servers:
            server.stop()


@contextmanager
def split(parts: Sequence[Part], urls: Sequence[str], **changes: str) -> Iterator[Split]:
    """Migrate a database for each part and serve on it until the block is left. `changes` hold for all."""
    ports = [free_port() for _ in parts]
    where = {context: port for part, port in zip(parts, ports, strict=True) for context in part.contexts}
    told = [changes | _settings(part, where) for part in parts]
    _migrate(urls, told)
    # In this order nobody whom the others need is there when they start.
    started = [Server(url, port, own) for url, port, own in [*zip(urls, ports, told, strict=True)][::-1]]
    servers = [*zip(parts, started[::-1], strict=True)]
    with gateway(where) as port:
        whole = Split(servers, port)
        try:
            for server in started:
                server.await_ready()
            yield whole
        finally:
            whole.stop()


def _settings(part: Part, where: dict[str, int]) -> dict[str, str]:
    remotes = {context: f"http://{LOOPBACK}:{where[context]}" for context in part.asks}
    return {
        "BAILIWICK_SERVICE_TOKEN": SERVICE_TOKEN,
        "BAILIWICK_SECRET_KEY": f"of-{part.contexts[0]}-0123456789abcdef-0123456789abcdef",
        "BAILIWICK_CONTEXTS": ",".join(part.contexts),
        "BAILIWICK_REMOTES": json.dumps(remotes),
        "BAILIWICK_HTTP__WORKERS": str(part.workers),
    }


def _migrate(urls: Sequence[str], told: Sequence[dict[str, str]]) -> None:
    with ThreadPoolExecutor() as pool:
        all_made = pool.map(lambda url, own: command(url, "migrate", "up", **own), urls, told)
        for made in all_made:
            assert made.returncode == 0, made.stderr
