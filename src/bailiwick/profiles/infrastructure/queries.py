"""What readers of profiles see: SQL straight into a view, and the answers to other contexts' questions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator
from sqlalchemy import Select, bindparam, func, select

from bailiwick.kernel.application import Actor
from bailiwick.kernel.database.columns import Id
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.listing import Filter, Listing
from bailiwick.kernel.specification import Relation
from bailiwick.profiles.domain.profile import Profile, Username, UsernameTaken
from bailiwick.profiles.infrastructure.tables import profiles

MOST_ASKED = 100


@dataclass
class ProfileView:
    """A profile as its owner and administrators see it. `profile_completion` is from 0 to 100."""

    id: UUID
    user_id: UUID
    username: str | None
    full_name: str
    display_name: str
    bio: str | None
    picture_url: str | None
    locale: str
    time_zone: str
    profile_completion: int
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def of(cls, profile: Profile) -> "ProfileView":
        return cls(
            id=profile.id,
            user_id=profile.user_id,
            username=profile.username.name if profile.username else None,
            full_name=profile.account.full_name,
            display_name=profile.shown_name,
            bio=profile.details.bio,
            picture_url=profile.details.picture_url,
            locale=profile.details.locale,
            time_zone=profile.details.time_zone,
            profile_completion=profile.profile_completion,
            created_at=profile.created_at,
            updated_at=profile.updated_at,
            version=profile.version,
        )


_everybody = select(
    profiles.c.id,
    profiles.c.user_id,
    profiles.c.username_name,
    profiles.c.full_name,
    profiles.c.shown_name,
    profiles.c.bio,
    profiles.c.picture_url,
    profiles.c.locale,
    profiles.c.time_zone,
    profiles.c.profile_completion,
    profiles.c.created_at,
    profiles.c.updated_at,
    profiles.c.version,
).where(profiles.c.deleted_at.is_(None))
_MINE = _everybody.where(profiles.c.user_id == bindparam("user_id"))
_HOLDER = select(profiles.c.id).where(
    profiles.c.username_key == bindparam("key"), profiles.c.deleted_at.is_(None)
)

PROFILES = Listing(
    ProfileView,
    _everybody,
    key=profiles.c.id,
    sorts={
        "created_at": profiles.c.created_at,
        "updated_at": profiles.c.updated_at,
        "username": func.coalesce(profiles.c.username_key, ""),
        "display_name": profiles.c.shown_name,
        "profile_completion": profiles.c.profile_completion,
    },
    default_sort="-created_at",
    filters={
        "username": Filter(profiles.c.username_key, Annotated[str, AfterValidator(str.casefold)]),
        "created_before": Filter(profiles.c.created_at, datetime, Relation.BEFORE),
        "created_after": Filter(profiles.c.created_at, datetime, Relation.AFTER),
    },
    search=[profiles.c.username_name, profiles.c.shown_name, profiles.c.full_name],
)


async def own_profile(database: Database, actor: Actor) -> ProfileView | None:
    """None where the caller has none yet."""
    row = await database.first(_MINE, user_id=actor.id)
    return None if row is None else ProfileView(*row)


async def username_taken(database: Database, username: Username) -> bool:
    return await database.first(_HOLDER, key=username.key) is not None


@lru_cache(MOST_ASKED)
def _names(count: int) -> Select[Any]:
    asked = [bindparam(f"user{i}", type_=Id) for i in range(count)]
    return select(profiles.c.user_id, profiles.c.shown_name).where(
        profiles.c.user_id.in_(asked), profiles.c.deleted_at.is_(None)
    )


@dataclass(frozen=True)
class SqlProfileDirectory:
    """Answers other contexts from the tables, in their process."""

    database: Database

    async def display_names(self, user_ids: Sequence[UUID]) -> dict[UUID, str]:
        if len(user_ids) > MOST_ASKED:
            raise ValueError(f"ask for at most {MOST_ASKED} names at once")
        if not user_ids:
            return {}
        asked = {f"user{i}": user_id for i, user_id in enumerate(user_ids)}
        rows = await self.database.all(_names(len(user_ids)), **asked)
        return dict(rows)

    async def check_username(self, username: str) -> None:
        if await username_taken(self.database, Username.of(username)):
            raise UsernameTaken("somebody has this username", field="username")
