"""A stream of server-sent events: what browsers and curl read line by line."""

import time
from collections.abc import Sequence

from bailiwick.kernel.http.authentication import VerifiedToken
from bailiwick.kernel.http.requests import Receive, Send
from bailiwick.kernel.live.connection import Connection
from bailiwick.kernel.live.news import Message

HEARTBEAT = 15.0
"""Seconds of silence after which a comment is sent: proxies close what is silent."""

HEADERS = [(b"content-type", b"text/event-stream"), (b"x-accel-buffering", b"no")]
_RETRY = b"retry: 2000\n\n"


BEAT = Message("ping")
BEAT.event = b":\n\n"  # a comment, which readers skip


class Stream(Connection):
    """Ends when its token does. It hears nothing: only that the reader has gone."""

    def __init__(self, token: VerifiedToken, address: str) -> None:
        super().__init__(token, address)
        self._spoke_at = time.monotonic()
        self._began = False

    def tick(self, now: float) -> None:
        super().tick(now)
        if now - self._spoke_at >= HEARTBEAT and not self._waiting:
            self.offer(BEAT)

    async def _listen(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async def _send(self, messages: Sequence[Message], send: Send) -> None:
        retry = b"" if self._began else _RETRY
        self._began, self._spoke_at = True, time.monotonic()
        body = retry + b"".join([message.event for message in messages])
        await send({"type": "http.response.body", "body": body, "more_body": True})

    async def _part(self, send: Send) -> None:
        last = self._last_words().event
        await send({"type": "http.response.body", "body": last, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
