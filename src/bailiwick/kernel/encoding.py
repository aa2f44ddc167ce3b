"""Our values as plain JSON data. What has no plain form is an error, never its `str()`."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel


def plain(value: Any) -> Any:
    """For `orjson.dumps(default=…)`: what orjson does not know by itself. Raises TypeError."""
    if isinstance(value, UUID):
        return str(value)  # PostgreSQL's driver has a class of its own
    if isinstance(value, frozenset | set):
        return sorted(value, key=str)
    if isinstance(value, BaseModel):
        return value.model_dump()
    raise TypeError(f"a {type(value).__name__} is not plain data")
