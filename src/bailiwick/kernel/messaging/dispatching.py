"""The dispatcher: has jobs run by workers of another system, such as Celery, while the database keeps them.

What is due is marked as handed over, and a message with its id is sent. Who gets the message takes the
row by that id, once, however often the message comes; and of what nobody took, another message is sent.
"""

import asyncio
import random
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Protocol
from uuid import UUID

import structlog

from bailiwick.kernel.application import Clock, Contention, Unavailable
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.failpoints import reached
from bailiwick.kernel.jobs import Priority
from bailiwick.kernel.messaging.queue import HANDED_OVER, TAKE_BACK, claim_of
from bailiwick.kernel.messaging.tables import work

log = structlog.get_logger("dispatcher")

SHORTEST_POLL, LONGEST_POLL = 0.05, 1.0
LONGEST_PAUSE = 5.0
GATHER_SECONDS = 0.002
_A_MESSAGE = [work.c.id, work.c.name, work.c.queue, work.c.priority, work.c.available_at]

Message = tuple[UUID, str, str]
"""The id of the work, the name of the job, and its queue."""


class BrokerDown(Exception):
    """Messages cannot be sent at present. The text says why, and what to do where that is known."""


class Broker(Protocol):
    """Where messages for the workers wait. Its methods block. Both raise BrokerDown."""

    def waiting(self, queues: Sequence[str]) -> list[int]:
        """How many messages wait in each of these queues."""
        ...

    def send(self, messages: Sequence[Message]) -> None: ...


class Dispatcher:
    """Sends what is due in these queues. Any number may run at once.

    At most `most_waiting` messages of a queue wait at the broker; what none of its workers has begun within
    `resend` is sent again.
    """

    def __init__(
        self,
        database: Database,
        broker: Broker,
        queues: Iterable[str],
        clock: Clock,
        most_waiting: int,
        resend: timedelta,
    ) -> None:
        self._database, self._broker, self._clock = database, broker, clock
        self._queues, self._most_waiting, self._resend = sorted(set(queues)), most_waiting, resend
        lanes = dict.fromkeys(self._queues, tuple(Priority))
        self._claim = claim_of(lanes, _A_MESSAGE, attempt=False) if lanes else None
        self._poll, self._pause, self._woken_in_vain = SHORTEST_POLL, 0.0, False

    async def run(self) -> None:
        """Until cancelled. While the broker is down, jobs wait in the database."""
        if self._claim is None:
            await asyncio.Event().wait()
        while True:
            await self._wait()
            try:
                while await self.hand_over():
                    self._poll, self._woken_in_vain = SHORTEST_POLL, False
            except (Unavailable, Contention):
                continue
            except BrokerDown as down:
                if not self._pause:
                    log.warning("broker_down", reason=str(down))
                self._pause = min(LONGEST_PAUSE, max(0.5, self._pause * 2))
                continue
            if self._pause:
                log.info("broker_up")
            self._pause = 0.0

    async def _wait(self) -> None:
        if self._pause:
            await asyncio.sleep(self._pause * random.uniform(0.8, 1.2))
            return
        self._poll = min(LONGEST_POLL, self._poll * 1.2)
        wait = self._poll * random.uniform(0.8, 1.2)
        if self._woken_in_vain:  # most commits bring no job
            await asyncio.sleep(wait)
            self._woken_in_vain = False
            return
        # Not wait_for: before Python 3.12 it can swallow the order to stop.
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._database.work_added.wait()
                self._poll, self._woken_in_vain = SHORTEST_POLL, True
                await asyncio.sleep(GATHER_SECONDS)

    async def hand_over(self) -> int:
        """Send messages for what is due and has room at the broker. Returns how many. Raises BrokerDown."""
        assert self._claim is not None
        waiting = await asyncio.to_thread(self._broker.waiting, self._queues)
        free = {f"free{i}": max(0, self._most_waiting - count) for i, count in enumerate(waiting)}
        if not any(free.values()):
            return 0
        until = self._clock() + self._resend
        rows = await self._database.all(
            self._claim, now=self._clock(), lease=until, holder=HANDED_OVER, **free
        )
        reached("dispatcher.claimed")
        messages = [
            (id, name, queue) for id, name, queue, *_ in sorted(rows, key=lambda row: (*row[3:], row[0]))
        ]
        if messages:
            await self._send(messages)
        return len(messages)

    async def _send(self, messages: Sequence[Message]) -> None:
        try:
            await asyncio.to_thread(self._broker.send, messages)
        except BrokerDown:
            # Some may have arrived. They find nothing to take, or take it: each is run once.
            reached("dispatcher.before_taking_back")
            await self._database.write([Write(TAKE_BACK, {"which": id}) for id, _, _ in messages])
            reached("dispatcher.after_taking_back")
            raise
        reached("dispatcher.sent")
