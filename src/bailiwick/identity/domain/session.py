"""A session: what one sign-in on one device started, kept alive by refresh tokens of one family.

Each refresh token names a generation of the family; using it makes the next one. Tokens are derived from
the session's seed and a secret key, never stored, so the same generation always gives the same token: that
is how a client whose answer got lost receives the very successor again instead of being taken for a thief.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType, Self
from uuid import UUID

from bailiwick.identity.contract import UserLoggedIn, UserLoggedOut
from bailiwick.identity.domain.user import User, UserId
from bailiwick.kernel.application import Unauthenticated
from bailiwick.kernel.domain import Aggregate

SessionId = NewType("SessionId", UUID)


class InvalidToken(Unauthenticated):
    """No token of ours, or one that was tampered with."""


class TokenReused(Unauthenticated):
    """A spent refresh token came back: somebody has a copy, so the whole family ended."""


class SessionEnded(Unauthenticated):
    """The session was ended before its time."""


class SessionExpired(Unauthenticated):
    """The session was not used for too long, or is too old."""


class EndReason(StrEnum):
    """Why a session ended. `idle` and `absolute` are never stored: they follow from its times."""

    LOGGED_OUT = "logged_out"
    LOGGED_OUT_EVERYWHERE = "logged_out_everywhere"
    REVOKED = "revoked"
    REUSE_DETECTED = "reuse_detected"
    PASSWORD_CHANGED = "password_changed"
    PASSWORD_RESET = "password_reset"
    DEACTIVATED = "deactivated"
    DELETED = "deleted"
    SUPERSEDED = "superseded"
    IDLE = "idle"
    ABSOLUTE = "absolute"


class Refreshed(StrEnum):
    """What presenting a refresh token led to."""

    ROTATED = "rotated"
    REPEATED = "repeated"
    REUSED = "reused"


@dataclass(frozen=True)
class Device:
    """Where a session lives, as the client tells and the connection shows."""

    id: str | None
    name: str | None
    user_agent: str
    address: str

    def could_be(self, other: "Device") -> bool:
        """Whether the two may be one device. The address does not count: phones change it all the time."""
        if self.id is not None and other.id is not None and self.id != other.id:
            return False
        return self.user_agent == other.user_agent


@dataclass(frozen=True)
class SessionRules:
    """How long sessions live and how many one person has."""

    idle: timedelta = timedelta(days=7)
    absolute: timedelta = timedelta(days=30)
    unremembered: timedelta = timedelta(hours=24)
    grace: timedelta = timedelta(seconds=10)
    cap: int = 20

    def lifetime(self, remember: bool) -> timedelta:
        return self.absolute if remember else min(self.unremembered, self.absolute)


@dataclass(eq=False, kw_only=True)
class Session(Aggregate):
    """`stamp` is that of the user when the session was last known to be theirs; `seed` is secret, hex."""

    id: SessionId
    user_id: UserId
    stamp: int
    device: Device
    seed: str = field(repr=False)
    generation: int = 0
    remember: bool = False
    created_at: datetime
    last_used_at: datetime
    rotated_at: datetime | None = None
    idle_expires_at: datetime
    absolute_expires_at: datetime
    ended_at: datetime | None = None
    end_reason: EndReason | None = None

    @classmethod
    def start(
        cls,
        id: SessionId,
        user: User,
        device: Device,
        seed: str,
        rules: SessionRules,
        now: datetime,
        *,
        remember: bool,
    ) -> Self:
        """Begin a session for somebody who has just proved who they are."""
        end = now + rules.lifetime(remember)
        session = cls(
            id=id,
            user_id=user.id,
            stamp=user.stamp,
            device=device,
            seed=seed,
            remember=remember,
            created_at=now,
            last_used_at=now,
            idle_expires_at=min(now + rules.idle, end),
            absolute_expires_at=end,
        )
        session._record(
            UserLoggedIn(
                occurred_at=now,
                user_id=user.id,
                session_id=id,
                address=device.address,
                user_agent=device.user_agent,
                device_name=device.name,
            )
        )
        return session

    def over(self, now: datetime) -> EndReason | None:
        """Why the session is no more, or None while it lives."""
        if self.ended_at is not None:
            return self.end_reason
        if now >= self.absolute_expires_at:
            return EndReason.ABSOLUTE
        if now >= self.idle_expires_at:
            return EndReason.IDLE
        return None

    def must_live(self, user: User, now: datetime) -> None:
        """Raise SessionEnded or SessionExpired unless `user` may go on with this session."""
        reason = self.over(now)
        if reason in (EndReason.IDLE, EndReason.ABSOLUTE):
            raise SessionExpired("the session has expired: sign in again", reason=str(reason))
        if reason is not None:
            raise SessionEnded("the session has ended: sign in again", reason=str(reason))
        if self.stamp != user.stamp or user.deleted_at is not None:
            # A sign-in that was under way while the password changed must not outlive the change.
            raise SessionEnded("the session has ended: sign in again")

    def refresh(self, presented: int, device: Device, rules: SessionRules, now: datetime) -> Refreshed:
        """Use the token of generation `presented`, which the caller has proved to be genuine.

        REUSED ends the family: the caller stores that before it refuses.
        """
        if presented > self.generation:
            raise InvalidToken("the token is not valid")
        if presented == self.generation:
            self.generation += 1
            self.rotated_at = self.last_used_at = now
            self.idle_expires_at = min(now + rules.idle, self.absolute_expires_at)
            return Refreshed.ROTATED
        if self._forgives(presented, device, rules, now):
            return Refreshed.REPEATED
        self.end(EndReason.REUSE_DETECTED, now)
        return Refreshed.REUSED

    def _forgives(self, presented: int, device: Device, rules: SessionRules, now: datetime) -> bool:
        return (
            presented == self.generation - 1
            and self.rotated_at is not None
            and now - self.rotated_at <= rules.grace
            and self.device.could_be(device)
        )

    def trust(self, stamp: int) -> None:
        """Keep this session although the user's other ones end: its owner has just proved who they are."""
        self.stamp = stamp

    def end(self, reason: EndReason, now: datetime) -> bool:
        """End the session; says whether that changed anything."""
        if self.ended_at is not None:
            return False
        self.ended_at, self.end_reason = now, reason
        self._record(
            UserLoggedOut(occurred_at=now, user_id=self.user_id, session_id=self.id, reason=str(reason))
        )
        return True
