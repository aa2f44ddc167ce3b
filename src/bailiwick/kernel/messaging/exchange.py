"""The exchange of events with services that have databases of their own, where a transport is configured."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from bailiwick.kernel.application import Clock
from bailiwick.kernel.contexts import name_of
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.messaging import handlers, publishing
from bailiwick.kernel.messaging.handlers import Handler, Subscription
from bailiwick.kernel.messaging.inbox import Inbox
from bailiwick.kernel.messaging.outbox import event_type
from bailiwick.kernel.messaging.publishing import Publisher
from bailiwick.kernel.messaging.receiving import Receiver, group_of
from bailiwick.kernel.messaging.transports import Transport, connect
from bailiwick.kernel.settings import Settings


@dataclass(frozen=True)
class Exchange:
    """What this process sends to others and gets from them. `senders` are the readers that send, by type."""

    transport: Transport
    senders: Mapping[str, Sequence[str]]
    handlers: tuple[Handler, ...]
    loops: tuple[Callable[[], Awaitable[None]], ...]

    @classmethod
    def between(
        cls, settings: Settings, database: Database, clock: Clock, subscriptions: Sequence[Subscription]
    ) -> Self | None:
        """None where no transport is configured.

        Sent are the events in the contracts of the contexts that are here; received are those that
        somebody here listens to while their context is elsewhere.
        """
        if settings.transport.url is None:
            return None
        here = {name_of(context) for context in settings.contexts}
        heard = handlers.readers_of(subscriptions)
        foreign = {kind: names for kind, names in heard.items() if kind.partition(".")[0] not in here}
        contexts = sorted({kind.partition(".")[0] for kind in foreign})
        transport = connect(settings.transport)
        types = [event_type(kind) for kind in publishing.published_events(settings.contexts)]
        inbox = Inbox(database, foreign, clock)
        publisher = Publisher(database, transport, types, clock, timedelta(days=settings.transport.keep_days))
        receiver = Receiver(database, transport, inbox, group_of(sorted(here)), contexts)
        return cls(
            transport,
            publishing.readers_of(types),
            tuple(inbox.handler(context) for context in contexts),
            (publisher.run, *([receiver.run] if contexts else [])),
        )

    def joined(self, readers: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """These readers, and those who send."""
        kinds = readers.keys() | self.senders.keys()
        return {kind: [*readers.get(kind, ()), *self.senders.get(kind, ())] for kind in sorted(kinds)}
