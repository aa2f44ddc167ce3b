"""A clock that stands still until a test turns it: the one that the whole product reads in this process."""

import datetime as real
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import pytest

READERS = (
    "bailiwick.backend",
    "bailiwick.kernel.audit.trail",
    "bailiwick.kernel.http.idempotency",
    "bailiwick.kernel.messaging.outbox",
    "bailiwick.kernel.messaging.runs",
)
TICK = real.timedelta(microseconds=1)
"""What is done first has the earlier time."""


class Clock:
    """`at` is the time that the product sees."""

    def __init__(self) -> None:
        self.at = real.datetime(2031, 1, 1, 12, tzinfo=real.UTC)

    def read(self) -> real.datetime:
        self.at += TICK
        return self.at

    def turn(self, seconds: int) -> None:
        self.at += real.timedelta(seconds=seconds)

    def tomorrow(self) -> None:
        """At noon of the next day."""
        self.at = real.datetime.combine(
            self.at.date() + real.timedelta(days=1), real.time(12), tzinfo=real.UTC
        )


@contextmanager
def standing() -> Iterator[Clock]:
    """The clock of this process, until the block is left."""
    clock = Clock()

    class Standing(real.datetime):
        @classmethod
        def now(cls, tz: real.tzinfo | None = None) -> real.datetime:  # type: ignore[override]  # a plain one
            return clock.read()

    with pytest.MonkeyPatch.context() as patch:
        for name in READERS:
            patch.setattr(import_module(name), "datetime", Standing)
        yield clock
