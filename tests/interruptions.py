"""Somebody quicker: between any two reads of a use case, another one runs from beginning to end."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from bailiwick.kernel.database.connections import Database, Row


class _Interrupted:
    def __init__(self, database: Database, after: int, meanwhile: Callable[[], Awaitable[None]]) -> None:
        self._database = database
        self._left = after
        self._meanwhile = meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    async def first(self, *asked: Any, **params: Any) -> Row | None:
        row = await self._database.first(*asked, **params)
        await self._has_read()
        return row

    async def all(self, *asked: Any, **params: Any) -> list[Row]:
        rows = await self._database.all(*asked, **params)
        await self._has_read()
        return rows

    async def _has_read(self) -> None:
        self._left -= 1
        if self._left == 0:
            await self._meanwhile()


def interrupted(database: Database, after: int, meanwhile: Callable[[], Awaitable[None]]) -> Database:
    """The same database, on which `meanwhile` is done once, right after so many reads."""
    return cast(Database, _Interrupted(database, after, meanwhile))
