"""What readers of identity see: SQL straight into a view. No view carries a password or a token."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import StringConstraints
from sqlalchemy import bindparam, case, func, select, type_coerce

from bailiwick.identity.contract import IdentityPermission, Person
from bailiwick.identity.domain.session import EndReason
from bailiwick.identity.domain.user import User, UserStatus
from bailiwick.identity.infrastructure.tables import sessions, users
from bailiwick.kernel.application import Actor
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.listing import Filter, Listing
from bailiwick.kernel.domain import NotFound

MOST_SESSIONS = 100

AnyCase = Annotated[str, StringConstraints(to_lower=True, strip_whitespace=True)]


@dataclass
class UserView:
    """An account as its owner and administrators see it."""

    id: UUID
    email: str
    full_name: str
    phone: str | None
    organization: str | None
    role: str
    roles: list[str]
    status: UserStatus
    is_active: bool
    is_verified: bool
    must_change_password: bool
    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None
    version: int

    @classmethod
    def of(cls, user: User) -> "UserView":
        return cls(
            id=user.id,
            email=user.email.address,
            full_name=user.full_name,
            phone=user.phone,
            organization=user.organization,
            role=user.role,
            roles=[user.role],
            status=user.status,
            is_active=user.status is UserStatus.ACTIVE,
            is_verified=user.email_verified_at is not None,
            must_change_password=user.must_change_password,
            created_at=user.created_at,
            updated_at=user.updated_at,
            last_login_at=user.last_login_at,
            version=user.version,
        )

    @classmethod
    def of_row(cls, *row: object) -> "UserView":
        """From the columns of `USERS`: the role stands where the list of roles will."""
        values = list(row)
        values[6] = [values[6]]
        return cls(*values)  # type: ignore[arg-type]  # the columns are in the order of the fields


@dataclass
class SessionView:
    """One sign-in on one device. `end_reason` says why it is over; None while it lives."""

    id: UUID
    device_id: str | None
    device_name: str | None
    user_agent: str
    address: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    end_reason: str | None
    current: bool


_users = select(
    users.c.id,
    users.c.email_address,
    users.c.full_name,
    users.c.phone,
    users.c.organization,
    users.c.role,
    users.c.role.label("only_role"),
    users.c.status,
    (users.c.status == UserStatus.ACTIVE.value).label("is_active"),
    users.c.email_verified_at.is_not(None).label("is_verified"),
    users.c.must_change_password,
    users.c.created_at,
    users.c.updated_at,
    users.c.last_login_at,
    users.c.version,
).where(users.c.deleted_at.is_(None))
_USER = _users.where(users.c.id == bindparam("id"))

USERS: Listing[UserView] = Listing(
    UserView,
    _users,
    make=UserView.of_row,
    key=users.c.id,
    sorts={
        "created_at": users.c.created_at,
        "updated_at": users.c.updated_at,
        "email": users.c.email_key,
        "full_name": users.c.full_name,
        "role": users.c.role,
        "status": users.c.status,
    },
    default_sort="-created_at",
    filters={
        "role": Filter(users.c.role, str),
        "status": Filter(users.c.status, UserStatus),
        "email": Filter(users.c.email_key, AnyCase),
    },
    search=[users.c.email_address, users.c.full_name],
)

_over = case(
    (sessions.c.end_reason.is_not(None), sessions.c.end_reason),
    (
        sessions.c.absolute_expires_at <= bindparam("now", type_=sessions.c.created_at.type),
        EndReason.ABSOLUTE.value,
    ),
    (
        sessions.c.idle_expires_at <= bindparam("now", type_=sessions.c.created_at.type),
        EndReason.IDLE.value,
    ),
)
_ended = func.coalesce(
    sessions.c.ended_at,
    case(
        (
            sessions.c.idle_expires_at <= bindparam("now", type_=sessions.c.created_at.type),
            sessions.c.idle_expires_at,
        )
    ),
)
_SESSIONS = (
    select(
        sessions.c.id,
        sessions.c.device_id,
        sessions.c.device_name,
        sessions.c.device_user_agent,
        sessions.c.device_address,
        sessions.c.created_at,
        sessions.c.last_used_at,
        sessions.c.idle_expires_at,
        type_coerce(_ended, sessions.c.created_at.type).label("ended_at"),
        _over.label("end_reason"),
        (sessions.c.id == bindparam("current", type_=sessions.c.id.type)).label("current"),
    )
    .where(sessions.c.user_id == bindparam("owner"))
    .order_by(sessions.c.created_at.desc(), sessions.c.id.desc())
    .limit(MOST_SESSIONS)
)
_PEOPLE = select(users.c.id, users.c.email_address, users.c.full_name, users.c.email_verified_at).where(
    users.c.id == bindparam("id"), users.c.deleted_at.is_(None)
)


async def user_view(database: Database, user_id: UUID, actor: Actor) -> UserView:
    """Oneself, or anybody with `users.read`. Raises NotFound for everybody else's account too."""
    if user_id != actor.id and not actor.may(IdentityPermission.READ_USERS):
        raise NotFound("no such user")
    row = await database.first(_USER, id=user_id)
    if row is None:
        raise NotFound("no such user")
    return UserView.of_row(*row)


async def own_sessions(database: Database, actor: Actor, now: datetime) -> list[SessionView]:
    """The last 100 sessions of the caller, the newest first, living and ended."""
    rows = await database.all(_SESSIONS, owner=actor.id, current=actor.session_id, now=now)
    return [SessionView(*row) for row in rows]


class SqlIdentity:
    """Answers what other contexts may ask."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def people(self, ids: Sequence[UUID]) -> dict[UUID, Person]:
        found = [await self._database.first(_PEOPLE, id=id) for id in ids[:100]]
        return {row[0]: Person(row[0], row[1], row[2], row[3] is not None) for row in found if row}
