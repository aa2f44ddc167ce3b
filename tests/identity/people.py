"""People, roles and devices that the tests of identity talk about."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from bailiwick.identity.domain.role import BUILT_IN_ROLES, Role
from bailiwick.identity.domain.session import Device, Session, SessionId, SessionRules
from bailiwick.identity.domain.user import Email, User, UserId, UserStatus

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
BY = UUID("018f0000-0000-7000-8000-000000000001")
ROLES: dict[str, Role] = {role.name: role for role in BUILT_IN_ROLES}
PHONE = Device(id="phone-1", name="Ada's phone", user_agent="App/1.0", address="192.0.2.1")
RULES = SessionRules()


def a_user(
    role: str = "user", *, status: UserStatus = UserStatus.ACTIVE, hash: str | None = "hash-0"
) -> User:
    """A registered account whose events were pulled."""
    user = User.register(
        UserId(uuid7()),
        Email("Ada@example.com", "ada@example.com"),
        "Ada Lovelace",
        NOW,
        password_hash=hash,
        role=role,
        status=status,
    )
    user.pull_events()
    return user


def a_session(user: User | None = None, *, remember: bool = True, device: Device = PHONE) -> Session:
    """A session just started, whose events were pulled."""
    session = Session.start(
        SessionId(uuid7()), user or a_user(), device, "ab" * 32, RULES, NOW, remember=remember
    )
    session.pull_events()
    return session
