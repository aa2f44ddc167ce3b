"""Times as callers send them: with a zone, kept in UTC."""

from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime


def _in_utc(value: datetime) -> datetime:
    # The databases' drivers take the very ends of the calendar for infinity, or cannot shift them.
    if not MINYEAR + 1 < value.year < MAXYEAR - 1:
        raise ValueError(f"the year must lie between {MINYEAR + 2} and {MAXYEAR - 2}")
    return value.astimezone(UTC)


Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""For a body or a filter. What is answered at once is then written like what is read later."""
