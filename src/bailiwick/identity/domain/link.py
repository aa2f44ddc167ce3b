"""A link sent by mail that works once: to reset a password or to prove an address."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType, Self
from uuid import UUID

from bailiwick.identity.contract import (
    EmailVerificationRequested,
    PasswordResetRequested,
    RegistrationRepeated,
)
from bailiwick.identity.domain.user import User, UserId
from bailiwick.kernel.domain import Aggregate, Invalid

LinkId = NewType("LinkId", UUID)


class LinkInvalid(Invalid):
    """The link was never ours, was used, is too old, or was overtaken by a newer one or a new password."""

    def __init__(self) -> None:
        super().__init__("the link is not valid any more: ask for a new one", field="token")


class LinkPurpose(StrEnum):
    RESET = "reset"
    VERIFY = "verify"


@dataclass(eq=False, kw_only=True)
class Link(Aggregate):
    """The token in the mail is derived from `seed` (secret, hex) and a key; it is stored nowhere.

    `user_id` is None where nobody has the address: such a link is made all the same, so that asking takes
    equally long for every address. It is never sent and never works.
    """

    id: LinkId
    user_id: UserId | None
    purpose: LinkPurpose
    email_key: str
    seed: str = field(repr=False)
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None

    @classmethod
    def request(
        cls,
        id: LinkId,
        purpose: LinkPurpose,
        email_key: str,
        user_id: UserId | None,
        seed: str,
        lifetime: timedelta,
        now: datetime,
        *,
        by: UUID | None = None,
    ) -> Self:
        """Ask for a link to be sent to whoever has the address."""
        link = cls._make(id, purpose, email_key, user_id, seed, lifetime, now)
        event = PasswordResetRequested if purpose is LinkPurpose.RESET else EmailVerificationRequested
        link._record(event(occurred_at=now, user_id=user_id or id, link_id=id, by=by))
        return link

    @classmethod
    def remind(cls, id: LinkId, user: User, seed: str, lifetime: timedelta, now: datetime) -> Self:
        """Tell the owner that somebody tried to register again, with a way in if it was them."""
        link = cls._make(id, LinkPurpose.RESET, user.email.key, user.id, seed, lifetime, now)
        link._record(RegistrationRepeated(occurred_at=now, user_id=user.id, link_id=id))
        return link

    @classmethod
    def _make(
        cls,
        id: LinkId,
        purpose: LinkPurpose,
        email_key: str,
        user_id: UserId | None,
        seed: str,
        lifetime: timedelta,
        now: datetime,
    ) -> Self:
        return cls(
            id=id,
            user_id=user_id,
            purpose=purpose,
            email_key=email_key,
            seed=seed,
            created_at=now,
            expires_at=now + lifetime,
        )

    def works(self, user: User, now: datetime) -> bool:
        """Whether the link can still be used: not after a newer password or another address."""
        return (
            self.used_at is None
            and now < self.expires_at
            and self.user_id == user.id
            and self.email_key == user.email.key
            and user.deleted_at is None
            and (
                user.password_set_at is None or not self._resets() or self.created_at >= user.password_set_at
            )
        )

    def use(self, user: User, now: datetime) -> None:
        """Use the link up, once. Raises LinkInvalid."""
        if not self.works(user, now):
            raise LinkInvalid
        self.used_at = now

    def _resets(self) -> bool:
        return self.purpose is LinkPurpose.RESET
