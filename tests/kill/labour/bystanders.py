"""What else goes on in a process, again and again: so that each transaction is met in a short time."""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

from bailiwick.identity.infrastructure.cleaning import Cleaning
from bailiwick.kernel.application import Actor, Unavailable
from bailiwick.kernel.audit.erasure import erase_details
from bailiwick.kernel.domain import DomainError
from bailiwick.kernel.http.authentication import VerifiedToken
from bailiwick.kernel.live.tickets import Tickets
from bailiwick.kernel.locks import Locks
from bailiwick.kernel.messaging import handlers
from bailiwick.kernel.messaging.handlers import JobHandler, Subscription
from bailiwick.kernel.messaging.inbox import Inbox
from bailiwick.kernel.module import Platform
from bailiwick.kernel.operations import commands
from bailiwick.kernel.operations.console import Console
from tests.kill.labour.deeds import Tick

MESSAGES, COPIES = "LABOUR_MESSAGES", "LABOUR_COPIES"
MOST_AT_ONCE = 40
PAUSE = 0.2

Loop = Callable[[], Awaitable[None]]


def messages(platform: Platform, subscriptions: tuple[Subscription, ...]) -> list[Loop]:
    """Takes in what the file of messages has, some copies of each in any order.

    It begins with the others, when there is a file `<messages>.go`, and leaves word in `<messages>.<pid>`.
    """
    file = os.environ.get(MESSAGES)
    if file is None:
        return []
    inbox = Inbox(platform.database, handlers.readers_of(subscriptions), platform.clock)

    async def receive() -> None:
        copies = int(os.environ.get(COPIES, "1"))
        left = await asyncio.to_thread(lambda: Path(file).read_bytes().splitlines() * copies)
        random.shuffle(left)
        while not await asyncio.to_thread(Path(f"{file}.go").exists):  # noqa: ASYNC110  # another process makes it
            await asyncio.sleep(0.02)
        while left:
            size = random.randint(1, MOST_AT_ONCE)
            with suppress(Unavailable):
                await inbox.take_in("labour", left[:size])
                left = left[size:]
            await asyncio.sleep(random.uniform(0, 0.05))
        await asyncio.to_thread(Path(f"{file}.{os.getpid()}").touch)
        await asyncio.Event().wait()

    return [receive]


def others(platform: Platform) -> list[Loop]:
    """Operators, whoever holds a lock, and what runs by the clock alone."""
    if "LABOUR_OTHERS" not in os.environ:
        return []
    database, clock = platform.database, platform.clock
    console = Console(database, clock, [handlers.job(JobHandler(Tick, print))])
    cleaning, tickets = Cleaning(database, clock), Tickets(database, clock)

    async def locked() -> None:
        # Anew, so that it does not know yet that the lock was made.
        async with Locks(database).hold("labour.lock", seconds=1):
            await asyncio.sleep(0.01)

    async def operated() -> None:
        with suppress(DomainError):
            await commands.pause(console, Tick.queue, "a test", "to be resumed")
        with suppress(DomainError):
            await commands.resume(console, Tick.queue)

    async def admitted() -> None:
        token = VerifiedToken(Actor(uuid4(), ""), stamp=0, expires_at=0.0)
        await tickets.use(await tickets.issue(token))
        await tickets.forget_old()

    async def erased() -> None:
        await erase_details(database, before=clock() - timedelta(days=1))

    return [partial(_repeat, step) for step in (locked, operated, admitted, erased, cleaning.clean)]


async def _repeat(step: Loop) -> None:
    while True:
        with suppress(Unavailable):
            await step()
        await asyncio.sleep(random.uniform(0, 2 * PAUSE))
