"""What other contexts may know about people: the facts identity publishes and the questions it answers.

No event carries a password, a hash or a token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from bailiwick.kernel.domain import Event


class IdentityPermission(StrEnum):
    """What a role may allow in this context."""

    READ_USERS = "users.read"
    """See accounts, their roles and their state."""

    MANAGE_USERS = "users.manage"
    """Make, change, suspend, delete and restore accounts, and have their passwords reset."""

    GRANT_ROLES = "roles.grant"
    """Give roles that rank below one's own, and take them back."""


@dataclass(frozen=True, kw_only=True)
class UserEvent(Event):
    """Something happened to an account. `by` is who did it where that is not the owner."""

    user_id: UUID
    by: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class AccessEvent(UserEvent):
    """The account, or some of its sessions, can be used no more, or otherwise. Its owner is told at once."""

    def audience(self) -> UUID:
        return self.user_id


@dataclass(frozen=True, kw_only=True)
class UserRegistered(UserEvent):
    """An account exists: made by its owner, by an administrator (`by`) or by an import."""

    email: str
    full_name: str
    username: str | None = None
    """The name its owner asked for; profiles decides whether it is free."""


@dataclass(frozen=True, kw_only=True)
class EmailVerified(UserEvent):
    """The owner proved that mail to the account's address reaches them."""

    email: str


@dataclass(frozen=True, kw_only=True)
class UserLoggedIn(UserEvent):
    """A session started with a right password."""

    session_id: UUID
    address: str
    user_agent: str
    device_name: str | None = None


@dataclass(frozen=True, kw_only=True)
class UserLoggedOut(AccessEvent):
    """A session ended, or all of them where `session_id` is None; `reason` is an end reason of sessions."""

    session_id: UUID | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class PasswordResetRequested(UserEvent):
    """Somebody asked for a reset link. `user_id` is the link's own id where nobody has that address."""

    link_id: UUID


@dataclass(frozen=True, kw_only=True)
class EmailVerificationRequested(UserEvent):
    """The owner is to be sent a link that proves their address."""

    link_id: UUID


@dataclass(frozen=True, kw_only=True)
class RegistrationRepeated(UserEvent):
    """Somebody registered with an address that has an account; its owner is told by mail."""

    link_id: UUID


@dataclass(frozen=True, kw_only=True)
class PasswordChanged(AccessEvent):
    """The account has another password: changed or reset by its owner, or set by an administrator.

    Tokens with an older `stamp` no longer hold, except those of `kept_session`: the owner is using it.
    """

    stamp: int
    kept_session: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class RoleChanged(AccessEvent):
    """The account holds another role. Tokens with an older `stamp` no longer hold."""

    old: str
    new: str
    stamp: int


@dataclass(frozen=True, kw_only=True)
class UserActivated(UserEvent):
    """The account may be used (again)."""


@dataclass(frozen=True, kw_only=True)
class UserDeactivated(AccessEvent):
    """The account may not be used; all its sessions ended."""

    stamp: int


@dataclass(frozen=True, kw_only=True)
class UserDeleted(AccessEvent):
    """The account is gone for everybody but those who may restore it; its address is free."""

    stamp: int


@dataclass(frozen=True, kw_only=True)
class UserRestored(UserEvent):
    """A deleted account is back."""

    email: str
    full_name: str


@dataclass(frozen=True, slots=True)
class Person:
    """What another context may show of somebody."""

    id: UUID
    email: str
    full_name: str
    email_verified: bool = False


class Identity(Protocol):
    """The questions that other contexts may ask."""

    async def people(self, ids: Sequence[UUID]) -> dict[UUID, Person]:
        """Those of `ids` (at most 100) that exist and are not deleted."""
        ...


@dataclass(frozen=True, slots=True)
class AccessNews:
    """What it takes to tell which access tokens count.

    `keys` are the public keys (Ed25519, base64url: the `x` of RFC 8037) with one of which a token of
    `issuer` is signed. `token_seconds` is the life of a token. Of what was revoked since the moment that
    was asked for, `ended` are sessions and `stamps` the security stamps of accounts: tokens with a lower
    one no longer hold. `asked_at` is when this was looked up, by identity's clock.
    """

    issuer: str
    keys: tuple[str, ...]
    token_seconds: int
    ended: frozenset[UUID]
    stamps: dict[UUID, int]
    asked_at: datetime


class AccessTokens(Protocol):
    """What a process must know, and ask again and again, to tell whose access token counts."""

    async def access_news(self, since: datetime | None) -> AccessNews:
        """What was revoked after `since`; None: everything that a token which still lives could name."""
        ...
