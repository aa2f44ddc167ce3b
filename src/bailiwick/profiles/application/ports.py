"""What the use cases of profiles need from outside."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from bailiwick.kernel.application import Clock, NewId, UnitOfWork
from bailiwick.profiles.domain.profile import Account, Profile, Username


class Profiles(Protocol):
    """All profiles, found by whose they are."""

    def add(self, aggregate: Profile) -> None: ...

    async def of(self, user_id: UUID, *, version: int | None = None) -> Profile | None:
        """None for a deleted one too. Raises Stale where `version` is given and not the current one."""
        ...

    async def of_or_deleted(self, user_id: UUID) -> Profile | None:
        """The profile, deleted or not."""
        ...

    async def is_free(self, username: Username) -> bool:
        """Whether no profile that is not deleted has it, in any case. The commit decides, not this."""
        ...


class ProfilesUnitOfWork(UnitOfWork, Protocol):
    """`commit` raises UsernameTaken, and Contention where the account has got its profile meanwhile."""

    @property
    def profiles(self) -> Profiles: ...

    async def __aenter__(self) -> "ProfilesUnitOfWork": ...


class Accounts(Protocol):
    async def of(self, user_id: UUID) -> Account:
        """What identity says about a user. Raises NotFound for a deleted one too."""
        ...


@dataclass(frozen=True)
class ProfilesPorts:
    uow: Callable[[], ProfilesUnitOfWork]
    accounts: Accounts
    clock: Clock
    new_id: NewId
