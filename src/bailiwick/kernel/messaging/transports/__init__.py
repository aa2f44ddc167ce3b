"""Brokers that carry events between services with databases of their own.

On both sides the database is the truth: an event leaves the queue of the one once the broker has
confirmed it, and leaves the broker once the other has stored it.
"""

from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from typing import Protocol
from uuid import UUID

from bailiwick.kernel.messaging.envelopes import Envelope
from bailiwick.kernel.settings.sections import Transport as Options

BATCH = 256
"""The most messages of one confirmation."""

Take = Callable[[Sequence[bytes]], Awaitable[None]]
"""Stores messages. Once it has returned they are confirmed, and not before."""


class TransportDown(Exception):
    """The broker does not answer, or not as it should. Try again later."""


class StreamMissing(Exception):
    """The broker knows no stream of this context: it never had one, or it lost what it had."""

    def __init__(self, context: str) -> None:
        super().__init__(f"there is no stream of {context}")
        self.context = context


class Transport(Protocol):
    """A stream for each context that publishes. Every method raises TransportDown."""

    async def publish(self, envelopes: Sequence[Envelope]) -> dict[UUID, str]:
        """Returns when the broker has confirmed them, with the reasons for those that it will never take.

        Raises StreamMissing; then, as when it is down, some may have arrived and others not.
        """
        ...

    async def lacks(self, context: str) -> bool:
        """Whether there is no stream of `context`."""
        ...

    async def create(self, context: str) -> None:
        """Make the stream of `context`, if it is not there."""
        ...

    async def consume(self, context: str, group: str, take: Take) -> None:
        """Hand everything in the stream of `context` to `take`, in order, at most BATCH at a time.

        It begins with the first message that `group` has not confirmed: what was handed out before but not
        confirmed comes again, first. One process of a group consumes at a time. Runs until cancelled.
        Raises StreamMissing, and whatever `take` raises.
        """
        ...

    async def close(self) -> None: ...


def connect(options: Options) -> Transport:
    """The transport that the settings name, which opens its connections when they are needed.

    Raises RuntimeError where the client library of the broker is not installed.
    """
    assert options.url is not None
    over_nats = options.url.startswith(("nats:", "tls:"))
    adapter, extra = ("jetstream", "nats") if over_nats else ("redis_streams", "streams")
    try:
        module = import_module(f"{__name__}.{adapter}")
    except ModuleNotFoundError as missing:
        what = f"transport.url needs the package {missing.name}: pip install 'bailiwick[{extra}]'"
        raise RuntimeError(what) from missing
    made: Transport = module.connect(options)
    return made
