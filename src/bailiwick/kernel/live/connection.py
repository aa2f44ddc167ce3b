"""One connection of a user: what waits to be sent on it, and when it must end."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from bailiwick.kernel.http.authentication import VerifiedToken
from bailiwick.kernel.http.requests import Receive, Send
from bailiwick.kernel.live.news import Message

MOST_UNREAD = 1_000_000
"""Bytes that may wait for a reader who does not take them."""

PATIENCE = 10.0
"""Seconds that one write may take."""

LOST = (OSError, RuntimeError)
"""What servers raise where the other side has gone."""

FAREWELL = 1.0
"""Seconds for the last words. Who does not take them is cut off."""


class End(StrEnum):
    """Why a connection ends; the first three are those of tokens. Told to the user in these words."""

    TOKEN_EXPIRED = "token_expired"
    SESSION_ENDED = "session_ended"
    ACCOUNT_CHANGED = "account_changed"
    SERVER_STOPPING = "server_stopping"
    TOO_SLOW = "too_slow"
    NO_ANSWER = "no_answer"
    NOT_UNDERSTOOD = "not_understood"
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many_messages"
    GONE = "gone"


class Leave(Protocol):
    def __call__(self, connection: "Connection", /) -> None: ...


class Connection:
    """What is offered waits here until the other side takes it. `leave` is called when all is over.

    Subclasses say how things are written, how the other side is listened to, and what is done each
    moment (`tick`).
    """

    def __init__(self, token: VerifiedToken, address: str) -> None:
        self.token, self.address = token, address
        self.why: End | None = None
        self.leave: Leave | None = None
        self._waiting: list[Message] = []
        self._unread = 0
        self._ready = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._writing_since: float | None = None
        self._cut = False

    @property
    def user(self) -> UUID:
        return self.token.actor.id

    def offer(self, message: Message) -> None:
        """Have `message` sent; end the connection where too much is waiting already."""
        if self.why is not None:
            return
        self._waiting.append(message)
        self._unread += message.size
        if self._unread > MOST_UNREAD:
            self.end(End.TOO_SLOW)
        else:
            self._ready.set()

    def end(self, why: End) -> None:
        """Send nothing more but the reason, and close."""
        if self.why is not None:
            return
        self.why = why
        self._waiting.clear()
        self._ready.set()
        if self._writer is not None and self._writing_since is not None:
            self._cut = True  # a reader who takes nothing must not hold up the end
            self._writer.cancel()

    def tick(self, now: float) -> None:
        """Look after the connection: called a few times each second with the time of `time.monotonic`."""
        if self._writing_since is not None and now - self._writing_since >= PATIENCE:
            self.end(End.TOO_SLOW)

    async def serve(self, receive: Receive, send: Send) -> None:
        """Until the connection ends, for whatever reason."""
        listening = asyncio.ensure_future(self._listen_on(receive))
        try:
            await self._send_until_over(send)
            # Granian closes a socket only when nobody waits to receive from it.
            listening.cancel()
            await asyncio.wait([listening])
            if self.why is not End.GONE:
                with suppress(TimeoutError, *LOST):
                    async with asyncio.timeout(FAREWELL):
                        await self._part(send)
        finally:
            listening.cancel()
            if self.leave is not None:
                self.leave(self)

    async def _listen_on(self, receive: Receive) -> None:
        with suppress(*LOST):
            await self._listen(receive)
        self.end(End.GONE)

    async def _send_until_over(self, send: Send) -> None:
        self._writer = asyncio.current_task()
        try:
            await self._send_all(send)
            if self._cut:
                await asyncio.sleep(0)  # the write ended first: here the cancellation arrives
        except asyncio.CancelledError:
            if not self._cut or self._writer is None:
                raise
            self._writer.uncancel()
        except LOST:
            self.end(End.GONE)
        finally:
            self._writer = self._writing_since = None

    async def _send_all(self, send: Send) -> None:
        while self.why is None:
            if not self._waiting:
                self._ready.clear()
                await self._ready.wait()
                continue
            messages, self._waiting = self._waiting, []
            # A timer for each write would cost as much as the write: `tick` sees who takes too long.
            self._writing_since = time.monotonic()
            await self._send(messages, send)
            self._writing_since = None
            self._sent(messages)

    def _sent(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._unread -= message.size

    async def _listen(self, receive: Receive) -> None:
        """Take what the other side sends, until it goes."""
        raise NotImplementedError

    async def _send(self, messages: Sequence[Message], send: Send) -> None:
        raise NotImplementedError

    async def _part(self, send: Send) -> None:
        """Say why it ends, and close."""
        raise NotImplementedError

    def _last_words(self) -> Message:
        return Message("end", reason=str(self.why))
