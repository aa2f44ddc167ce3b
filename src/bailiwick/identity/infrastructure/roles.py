"""The roles of this installation, kept in memory: they change rarely."""

import time

from sqlalchemy import select

from bailiwick.identity.domain.role import Role, RoleUnknown
from bailiwick.identity.infrastructure.tables import roles
from bailiwick.kernel.database.connections import Database

KEEP_SECONDS = 5.0

_ALL = select(roles.c.name, roles.c.rank, roles.c.permissions, roles.c.assignable)


class KnownRoles:
    """Reads all roles again when what it knows is older than 5 s."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, Role] = {}
        self._read_at = float("-inf")

    async def named(self, name: str) -> Role:
        """Raises RoleUnknown."""
        if time.monotonic() - self._read_at > KEEP_SECONDS:
            rows = await self._database.all(_ALL)
            self._known = {row[0]: Role(row[0], row[1], tuple(row[2]), row[3]) for row in rows}
            self._read_at = time.monotonic()
        if name not in self._known:
            raise RoleUnknown("no such role", field="role")
        return self._known[name]
