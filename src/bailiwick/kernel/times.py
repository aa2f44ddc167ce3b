"""Times as callers send them: with a zone, kept in UTC."""

import re
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

FORM = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")


def _read(value: object) -> object:
    """A text as a time. Pydantic itself would take the text 0.5 for half a second into 1970."""
    if not isinstance(value, str):
        return value
    try:
        return datetime.fromisoformat(value.upper()) if FORM.match(value) else None
    except ValueError:
        return None  # which is no time either, and refused in Pydantic's words


def _in_utc(value: datetime) -> datetime:
    # The databases' drivers take the very ends of the calendar for infinity, or cannot shift them.
    if not MINYEAR + 1 < value.year < MAXYEAR - 1:
        raise ValueError(f"the year must lie between {MINYEAR + 2} and {MAXYEAR - 2}")
    return value.astimezone(UTC)


Instant = Annotated[AwareDatetime, BeforeValidator(_read), AfterValidator(_in_utc)]
"""For a body or a filter. What is answered at once is then written like what is read later."""
