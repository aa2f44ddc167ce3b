"""The product as two processes: identity in one, profiles and tasks in another, one address before both."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bailiwick.kernel.testing import LOOPBACK, free_port
from tests.acceptance.gateway import gateway
from tests.acceptance.server import Server, command

SERVICE_TOKEN = "between-us-0123456789abcdef-0123456789abcdef"
ANOTHER_SECRET = "of-the-rest-0123456789abcdef-0123456789abcdef"


@dataclass(frozen=True)
class Transport:
    """A way in which events travel between the two: the fixture that gives the URL of a server, and what
    both processes are told of it."""

    server: str
    settings: Callable[[str], dict[str, str]]


TRANSPORTS: dict[str, Transport] = {
    "redis": Transport("valkey", lambda url: {"BAILIWICK_TRANSPORT__URL": url}),
    "nats": Transport("nats_url", lambda url: {"BAILIWICK_TRANSPORT__URL": url}),
}
"""All tests of this directory run once for each, as they do for each database."""


class Split(Server):
    """Both servers as one. Mails and accounts are identity's; what is asked for is what both said."""

    def __init__(self, identity: Server, rest: Server, port: int) -> None:
        # Not the constructor of a server: it would start a third process.
        self.identity, self.rest = identity, rest
        self.port, self.url = port, f"http://{LOOPBACK}:{port}"
        self.database_url, self.process = identity.database_url, identity.process
        self._lines = identity._lines

    @property
    def said(self) -> str:
        return self.identity.said + self.rest.said

    def stop(self) -> None:
        self.rest.stop()
        self.identity.stop()


@contextmanager
def split(identity_url: str, rest_url: str, **changes: str) -> Iterator[Split]:
    """Migrate both databases and serve on them until the block is left. `changes` hold for both."""
    here, there = free_port(), free_port()
    shared = {"BAILIWICK_SERVICE_TOKEN": SERVICE_TOKEN, **changes}
    of_identity = shared | {
        "BAILIWICK_CONTEXTS": "identity",
        "BAILIWICK_REMOTES": f"profiles=http://{LOOPBACK}:{there}",
    }
    of_rest = shared | {
        "BAILIWICK_CONTEXTS": "profiles,tasks",
        "BAILIWICK_REMOTES": f'{{"identity": "http://{LOOPBACK}:{here}"}}',
        "BAILIWICK_SECRET_KEY": ANOTHER_SECRET,
    }
    for url, own in ((identity_url, of_identity), (rest_url, of_rest)):
        made = command(url, "migrate", "up", **own)
        assert made.returncode == 0, made.stderr
    # In this order nobody whom the rest needs is there when it starts.
    rest = Server(rest_url, there, of_rest)
    identity = Server(identity_url, here, of_identity)
    try:
        rest.await_ready()
        identity.await_ready()
        with gateway(here, there) as port:
            yield Split(identity, rest, port)
    finally:
        rest.stop()
        identity.stop()
