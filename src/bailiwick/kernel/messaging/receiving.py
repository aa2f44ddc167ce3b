"""Receiving: one process of this service at a time takes what others publish into the inbox."""

import asyncio
import random
from collections.abc import Sequence
from functools import partial
from hashlib import sha256

import structlog

from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.locks import LEASE, Locks
from bailiwick.kernel.messaging.inbox import Inbox
from bailiwick.kernel.messaging.transports import StreamMissing, Transport, TransportDown

log = structlog.get_logger("transport")

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 5.0
LOOK_SECONDS = 1.0
LONGEST_GROUP = 48


def group_of(contexts: Sequence[str]) -> str:
    """The name under which all processes that carry the same contexts share what they have read."""
    name = "-".join(sorted(contexts))
    return name if len(name) <= LONGEST_GROUP else sha256(name.encode()).hexdigest()[:LONGEST_GROUP]


class Receiver:
    """Reads the streams of `contexts`, each in its order. Who dies is succeeded within 20 seconds."""

    def __init__(
        self,
        database: Database,
        transport: Transport,
        inbox: Inbox,
        group: str,
        contexts: Sequence[str],
        lease: float = LEASE,
    ) -> None:
        self._transport, self._inbox, self._group = transport, inbox, group
        self._contexts, self._locks, self._seconds = contexts, Locks(database), lease

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for context in self._contexts:
                lock = f"transport.{self._group}.{context}"
                group.create_task(
                    self._locks.leader(lock, partial(self._receive, context), seconds=self._seconds)
                )

    async def _receive(self, context: str, token: int) -> None:
        """As leader, until cancelled. Without the database nobody leads, so what it says is not caught."""
        pause = FIRST_PAUSE

        async def take(messages: Sequence[bytes]) -> None:
            nonlocal pause
            pause = FIRST_PAUSE
            await self._inbox.take_in(context, messages)

        while True:
            try:
                await self._transport.consume(context, self._group, take)
            except StreamMissing:
                await asyncio.sleep(LOOK_SECONDS * random.uniform(0.8, 1.2))
            except TransportDown as down:
                if pause == FIRST_PAUSE:
                    log.warning("receiving_stopped", stream=context, reason=str(down))
                await asyncio.sleep(pause * random.uniform(0.8, 1.2))
                pause = min(LONGEST_PAUSE, pause * 2)
