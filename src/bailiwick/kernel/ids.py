"""When ids were made: a UUIDv7 begins with the milliseconds since 1970, here called a moment."""

from datetime import datetime
from uuid import UUID

_REST = 80  # bits


def moment(id: UUID) -> int:
    return id.int >> _REST


def moment_of(time: datetime) -> int:
    return int(time.timestamp() * 1000)


def first_id(moment: int) -> UUID:
    """Not above any id that is made at this moment or later."""
    return UUID(int=max(0, moment) << _REST)


def earlier(id: UUID, milliseconds: int) -> UUID:
    """An id as it would have been made so much earlier."""
    return UUID(int=max(0, id.int - (milliseconds << _REST)))
