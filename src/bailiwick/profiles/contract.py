"""What the rest of the system may know about profiles. Other contexts import this file and no other."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from bailiwick.kernel.domain import Event


class ProfilesPermission(StrEnum):
    """What a role may allow in this context."""

    READ_PROFILES = "profiles.read"
    """See every profile."""


@dataclass(frozen=True, kw_only=True)
class ProfileCreated(Event):
    """An account has a profile now."""

    profile_id: UUID
    user_id: UUID


@dataclass(frozen=True, kw_only=True)
class UsernameChanged(Event):
    """A profile got its first username, another one, or lost it: `new` is None where somebody else had
    taken it while the profile was deleted."""

    profile_id: UUID
    user_id: UUID
    old: str | None
    new: str | None


class ProfileDirectory(Protocol):
    """The questions that other contexts may ask."""

    async def display_names(self, user_ids: Sequence[UUID]) -> dict[UUID, str]:
        """How to call those of `user_ids` (at most 100) who have a profile that is not deleted."""
        ...

    async def check_username(self, username: str) -> None:
        """Raises Invalid for what cannot be a username, Conflict for one that somebody has."""
        ...
