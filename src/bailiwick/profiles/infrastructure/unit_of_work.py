"""How a profile sits in its table."""

from collections.abc import Callable, Mapping
from typing import ClassVar
from uuid import UUID

from sqlalchemy import bindparam, select

from bailiwick.kernel.application import Contention
from bailiwick.kernel.database.mapper import Mapper
from bailiwick.kernel.database.unit_of_work import SqlRepository, SqlUnitOfWork, Unique
from bailiwick.kernel.domain import DomainError
from bailiwick.profiles.domain.profile import Profile, ProfileId, Username, UsernameTaken
from bailiwick.profiles.infrastructure.queries import username_taken
from bailiwick.profiles.infrastructure.tables import one_for_each_user, one_for_each_username, profiles

_OF_OR_DELETED = select(profiles).where(profiles.c.user_id == bindparam("user_id"))
_OF = _OF_OR_DELETED.where(profiles.c.deleted_at.is_(None))


class SqlProfiles(SqlRepository[Profile, ProfileId]):
    mapper = Mapper(Profile, profiles, audited=("locale", "time_zone", "deleted_at"), subject="user_id")

    async def of(self, user_id: UUID, *, version: int | None = None) -> Profile | None:
        found = await self._first(_OF, user_id=user_id)
        return None if found is None else self._expected(found, version)

    async def of_or_deleted(self, user_id: UUID) -> Profile | None:
        return await self._first(_OF_OR_DELETED, user_id=user_id)

    async def is_free(self, username: Username) -> bool:
        return not await username_taken(self._unit.database, username)


def _taken() -> DomainError:
    return UsernameTaken("somebody has this username", field="username")


def _made_meanwhile() -> DomainError:
    return Contention("the account has got its profile meanwhile; try again")


class SqlProfilesUnitOfWork(SqlUnitOfWork):
    refusals: ClassVar[Mapping[Unique, Callable[[], DomainError]]] = {
        one_for_each_username: _taken,
        one_for_each_user: _made_meanwhile,
    }

    @property
    def profiles(self) -> SqlProfiles:
        return self._repository(SqlProfiles)
