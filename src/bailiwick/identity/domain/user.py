"""An account: who somebody is, the role they hold, whether they may sign in, and with which password."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType, Self
from uuid import UUID

from bailiwick.identity.contract import (
    EmailVerified,
    PasswordChanged,
    RoleChanged,
    UserActivated,
    UserDeactivated,
    UserDeleted,
    UserLoggedOut,
    UserRegistered,
    UserRestored,
)
from bailiwick.identity.domain.role import SUPER_ADMIN, USER, Role, RoleChangeNotPermitted
from bailiwick.kernel.application import Unauthenticated
from bailiwick.kernel.domain import Aggregate, Conflict, Forbidden, Invalid

UserId = NewType("UserId", UUID)

REMEMBERED_PASSWORDS = 5
"""How many passwords before the current one may not be used again, unless the settings say otherwise."""

FULL_NAME_LENGTH = 100
ORGANIZATION_LENGTH = 100


class InvalidCredentials(Unauthenticated):
    """The address is unknown or the password is wrong: nobody is told which."""


class AccountInactive(Forbidden):
    """The password is right, but the account is suspended or still waits for its address to be proved."""


class PasswordChangeRequired(Forbidden):
    """Somebody else knows this password: signing in needs a new one in the same call."""


class ActivationChangeNotPermitted(Forbidden):
    """A super admin is always active."""


class DeletionNotPermitted(Forbidden):
    """A super admin is never deleted."""


class EmailTaken(Conflict):
    """Another account uses this address."""


class UserStatus(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclass(frozen=True)
class Email:
    """An address as its owner wrote it, and the key by which all its spellings are one."""

    address: str
    key: str


@dataclass(eq=False, kw_only=True)
class User(Aggregate):
    """`stamp` grows with whatever must end the access tokens in circulation: they carry it. Tokens older than
    `role_stamp` still name the former role.

    `password_hash` is None until the owner of an account made by somebody else sets a password.
    `phone` is E.164. `password_history` holds the older hashes, newest first.
    """

    id: UserId
    email: Email
    full_name: str
    phone: str | None = None
    organization: str | None = None
    role: str = USER
    status: UserStatus = UserStatus.ACTIVE
    email_verified_at: datetime | None = None
    password_hash: str | None = field(default=None, repr=False)
    password_history: tuple[str, ...] = field(default=(), repr=False)
    password_set_at: datetime | None = None
    must_change_password: bool = False
    stamp: int = 1
    role_stamp: int = 1
    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None = None
    deleted_at: datetime | None = None

    @classmethod
    def register(
        cls,
        id: UserId,
        email: Email,
        full_name: str,
        now: datetime,
        *,
        password_hash: str | None,
        role: str = USER,
        status: UserStatus = UserStatus.ACTIVE,
        phone: str | None = None,
        organization: str | None = None,
        username: str | None = None,
        must_change_password: bool = False,
        by: UUID | None = None,
    ) -> Self:
        """Make an account. `by` is who made it where that is not its owner."""
        user = cls(
            id=id,
            email=email,
            full_name=_text(full_name, "full_name", FULL_NAME_LENGTH),
            phone=phone,
            organization=_text(organization, "organization", ORGANIZATION_LENGTH) if organization else None,
            role=role,
            status=status,
            password_hash=password_hash,
            password_set_at=now if password_hash else None,
            must_change_password=must_change_password,
            created_at=now,
            updated_at=now,
        )
        user._record(user._registered(username, by))
        return user

    def _registered(self, username: str | None, by: UUID | None) -> UserRegistered:
        return UserRegistered(
            occurred_at=self.created_at,
            user_id=self.id,
            by=by,
            email=self.email.address,
            full_name=self.full_name,
            username=username,
        )

    @property
    def used_hashes(self) -> tuple[str, ...]:
        """The current password and those before it that may not come back, as hashes."""
        return ((self.password_hash,) if self.password_hash else ()) + self.password_history

    def must_be_usable(self, *, verified: bool = False) -> None:
        """Raise AccountInactive unless its owner may use the account. Ask only after a right password.

        `verified` asks for a proved address too.
        """
        if self.deleted_at is not None:
            raise InvalidCredentials("the email or the password is wrong")
        if self.status is UserStatus.SUSPENDED:
            raise AccountInactive("this account is suspended: ask an administrator", status="suspended")
        if self.status is UserStatus.PENDING or (verified and self.email_verified_at is None):
            raise AccountInactive(
                "confirm your email address first: the link is in your mail", status="pending"
            )

    def receive_password(self, first_hash: str) -> None:
        """Complete a registration with the hash, which takes long to make, of its first password."""
        self.password_hash = first_hash
        self.password_set_at = self.created_at

    def upgrade_hash(self, new_hash: str, now: datetime) -> None:
        """Store the same password under a better hash: nothing changes for anybody."""
        self.password_hash = new_hash
        self.updated_at = now

    def change_password(
        self,
        new_hash: str,
        now: datetime,
        *,
        remembered: int = REMEMBERED_PASSWORDS,
        kept_session: UUID | None = None,
    ) -> None:
        """The owner sets another password, knowing the current one or holding a reset link.

        Whoever gives the hash has checked the password against the policy and `used_hashes`, and ends all
        sessions but `kept_session`.
        """
        self.must_change_password = False
        self._replace_password(new_hash, now, remembered, kept_session=kept_session)

    def set_password(
        self, new_hash: str, now: datetime, *, by: UUID, remembered: int = REMEMBERED_PASSWORDS
    ) -> None:
        """Somebody else sets the password, which the owner has to change at the next sign-in."""
        self.must_change_password = True
        self._replace_password(new_hash, now, remembered, by=by)

    def _replace_password(
        self,
        new_hash: str,
        now: datetime,
        remembered: int,
        *,
        by: UUID | None = None,
        kept_session: UUID | None = None,
    ) -> None:
        self.password_history = self.used_hashes[:remembered]
        self.password_hash = new_hash
        self.password_set_at = now
        self._revoke_tokens(now)
        self._record(
            PasswordChanged(
                occurred_at=now, user_id=self.id, by=by, stamp=self.stamp, kept_session=kept_session
            )
        )

    def log_out_everywhere(self, now: datetime, *, reason: str) -> None:
        """Take back every token in circulation; the caller ends the sessions."""
        self._revoke_tokens(now)
        self._record(UserLoggedOut(occurred_at=now, user_id=self.id, session_id=None, reason=reason))

    def verify_email(self, now: datetime) -> None:
        """The address is its owner's. An account that waited for this becomes active."""
        if self.email_verified_at is not None:
            return
        self.email_verified_at = self.updated_at = now
        self._record(EmailVerified(occurred_at=now, user_id=self.id, email=self.email.address))
        if self.status is UserStatus.PENDING:
            self.status = UserStatus.ACTIVE
            self._record(UserActivated(occurred_at=now, user_id=self.id))

    def change_role(self, held: Role, new: Role, by: Role, now: datetime, *, by_id: UUID) -> bool:
        """Give the account another role; says whether that changed anything.

        `held` is the role the account has, `by` the role of who asks.
        """
        if held.name == SUPER_ADMIN:
            raise RoleChangeNotPermitted("the role of a super admin does not change")
        by.must_grant(new)
        by.must_outrank(held)
        if new.name == self.role:
            return False
        old, self.role = self.role, new.name
        self._revoke_tokens(now)
        self.role_stamp = self.stamp
        self._record(
            RoleChanged(occurred_at=now, user_id=self.id, by=by_id, old=old, new=new.name, stamp=self.stamp)
        )
        return True

    def activate(self, held: Role, by: Role, now: datetime, *, by_id: UUID) -> bool:
        """Let the account be used; says whether that changed anything."""
        self._must_be_switchable(held, by)
        if self.status is UserStatus.ACTIVE:
            return False
        self.status = UserStatus.ACTIVE
        self.updated_at = now
        self._record(UserActivated(occurred_at=now, user_id=self.id, by=by_id))
        return True

    def deactivate(self, held: Role, by: Role, now: datetime, *, by_id: UUID) -> bool:
        """Keep the account from being used; says whether that changed anything. The caller ends sessions."""
        self._must_be_switchable(held, by)
        if self.status is UserStatus.SUSPENDED:
            return False
        self.status = UserStatus.SUSPENDED
        self._revoke_tokens(now)
        self._record(UserDeactivated(occurred_at=now, user_id=self.id, by=by_id, stamp=self.stamp))
        return True

    def _must_be_switchable(self, held: Role, by: Role) -> None:
        if held.name == SUPER_ADMIN:
            raise ActivationChangeNotPermitted("a super admin is always active")
        by.must_outrank(held)

    def delete(self, held: Role, by: Role, now: datetime, *, by_id: UUID) -> bool:
        """Take the account away and free its address; says whether that changed anything."""
        if held.name == SUPER_ADMIN:
            raise DeletionNotPermitted("a super admin cannot be deleted")
        by.must_outrank(held)
        if self.deleted_at is not None:
            return False
        self.deleted_at = now
        self._revoke_tokens(now)
        self._record(UserDeleted(occurred_at=now, user_id=self.id, by=by_id, stamp=self.stamp))
        return True

    def restore(self, held: Role, by: Role, now: datetime, *, by_id: UUID) -> bool:
        """Bring a deleted account back as it was; says whether that changed anything.

        Whoever calls has made sure that nobody took the address meanwhile.
        """
        by.must_outrank(held)
        if self.deleted_at is None:
            return False
        self.deleted_at = None
        self.updated_at = now
        self._record(
            UserRestored(
                occurred_at=now, user_id=self.id, by=by_id, email=self.email.address, full_name=self.full_name
            )
        )
        return True

    def _revoke_tokens(self, now: datetime) -> None:
        self.stamp += 1
        self.updated_at = now


def _text(value: str, field_name: str, longest: int) -> str:
    value = " ".join(value.split())
    if not 1 <= len(value) <= longest:
        raise Invalid(f"use 1 to {longest} characters", field=field_name)
    if not value.isprintable():
        raise Invalid("control characters are not allowed", field=field_name)
    return value
