"""How far somebody has heard: a cursor with which they go on without a gap.

Ids are made before the commit, so an event may become visible after events with higher ids. A cursor
therefore names a moment, below which everything visible was heard, and what was heard above it.
"""

import binascii
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from bailiwick.kernel.ids import moment

MOST_LISTED = 20
"""Events that one cursor names. Where somebody heard more above its moment, resuming repeats the others."""

_VERSION = b"\x01"
_MOMENT = 6  # bytes
_ID = 16


@dataclass(frozen=True, slots=True)
class Position:
    """Everything visible below `floor`, in milliseconds since 1970, was heard, and above it `heard`."""

    floor: int
    heard: tuple[UUID, ...] = ()

    @classmethod
    def after(cls, heard: Sequence[UUID], horizon: int) -> Self:
        """Who has heard these, the latest last. Nothing can become visible any more below `horizon`."""
        floor = min(horizon, moment(heard[-1])) if heard else horizon
        latest = heard[-MOST_LISTED:]
        return cls(floor, tuple(id for id in latest if moment(id) >= floor))

    def written(self) -> str:
        ids = b"".join(id.bytes for id in self.heard)
        return urlsafe_b64encode(_VERSION + self.floor.to_bytes(_MOMENT, "big") + ids).rstrip(b"=").decode()

    @classmethod
    def read(cls, text: str) -> Self:
        """The position that was written. Raises ValueError for anything else."""
        try:
            raw = b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except binascii.Error:
            raw = b""
        ids = raw[1 + _MOMENT :]
        if raw[:1] != _VERSION or len(raw) < 1 + _MOMENT or len(ids) % _ID or len(ids) > MOST_LISTED * _ID:
            raise ValueError("this is no cursor")
        heard = tuple(UUID(bytes=ids[at : at + _ID]) for at in range(0, len(ids), _ID))
        return cls(int.from_bytes(raw[1 : 1 + _MOMENT], "big"), heard)
