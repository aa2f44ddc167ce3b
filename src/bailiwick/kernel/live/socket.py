"""A web socket: the same news, and a heartbeat that the other side must answer."""

import time
from collections.abc import MutableMapping, Sequence
from typing import Any

import orjson

from bailiwick.kernel.http.authentication import VerifiedToken
from bailiwick.kernel.http.requests import Receive, Send
from bailiwick.kernel.live.connection import Connection, End
from bailiwick.kernel.live.news import Message

PING, PONG = Message("ping"), Message("pong")

HEARTBEAT = 20.0
"""Seconds between the last sign of life and a ping."""

ANSWER = 40.0
"""Seconds in which a ping must be answered by a pong."""

MUCH, ANSWER_TO_MUCH = 16_000, 8.0
"""After so many bytes a ping is sent at once, and must be answered in so many seconds: what the other side
has not read lies in buffers of the system, where we cannot see it."""

LARGEST = 1_000
"""Bytes of one message from the other side."""

OFTEN, WINDOW = 30, 10.0
"""Messages from the other side in so many seconds."""

CODES = {
    End.SERVER_STOPPING: 1001,
    End.NOT_UNDERSTOOD: 1008,
    End.TOO_MANY: 1008,
    End.TOO_LARGE: 1009,
    End.SESSION_ENDED: 4001,
    End.ACCOUNT_CHANGED: 4002,
    End.TOKEN_EXPIRED: 4003,
    End.TOO_SLOW: 4008,
    End.NO_ANSWER: 4009,
}


class Socket(Connection):
    """Ends as a stream does, and where pings are not answered or anything but ping and pong comes in."""

    def __init__(self, token: VerifiedToken, address: str) -> None:
        super().__init__(token, address)
        self._heard_at = self._window_at = time.monotonic()
        self._in_window = 0
        self._pinged_at: float | None = None
        self._pinged_for_much = False
        self._before_ping = 0

    def tick(self, now: float) -> None:
        super().tick(now)
        much = self._unread >= MUCH
        if self._pinged_at is None:
            if much or now - self._heard_at >= HEARTBEAT:
                self._ping(now, much)
        elif much and not self._pinged_for_much:
            self._ping(now, much)
        elif now - self._pinged_at >= (ANSWER_TO_MUCH if self._pinged_for_much else ANSWER):
            self.end(End.TOO_SLOW if much else End.NO_ANSWER)

    def _ping(self, now: float, much: bool) -> None:
        self._pinged_at, self._pinged_for_much = now, much
        self._before_ping = self._unread
        self.offer(PING)

    def _answered(self) -> None:
        """All that was offered before the ping has been read."""
        if self._pinged_at is not None:
            self._unread -= self._before_ping + PING.size
            self._pinged_at = None

    def _sent(self, messages: Sequence[Message]) -> None:
        """What was sent counts as unread until a pong comes back."""

    async def _listen(self, receive: Receive) -> None:
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            self._take(message)

    def _take(self, message: MutableMapping[str, Any]) -> None:
        now = self._heard_at = time.monotonic()
        if now - self._window_at >= WINDOW:
            self._window_at, self._in_window = now, 0
        self._in_window += 1
        text = message.get("text") or ""
        if len(text) > LARGEST or len(message.get("bytes") or b"") > LARGEST:
            self.end(End.TOO_LARGE)
        elif self._in_window > OFTEN:
            self.end(End.TOO_MANY)
        elif (kind := _kind(text)) == "ping":
            self.offer(PONG)
        elif kind == "pong":
            self._answered()
        else:
            self.end(End.NOT_UNDERSTOOD)

    async def _send(self, messages: Sequence[Message], send: Send) -> None:
        for message in messages:
            await send(message.frame)

    async def _part(self, send: Send) -> None:
        assert self.why is not None
        await send(self._last_words().frame)
        await send({"type": "websocket.close", "code": CODES[self.why], "reason": self.why.value})


def _kind(text: str) -> str | None:
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    kind = content.get("type") if isinstance(content, dict) and len(content) == 1 else None
    return kind if isinstance(kind, str) else None
