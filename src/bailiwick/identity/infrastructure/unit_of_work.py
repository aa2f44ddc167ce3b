"""How accounts, sessions, links and consents sit in their tables."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import bindparam, delete, exists, select, update

from bailiwick.identity.domain.consent import Consent, ConsentId
from bailiwick.identity.domain.link import Link, LinkId, LinkPurpose
from bailiwick.identity.domain.session import EndReason, Session, SessionId
from bailiwick.identity.domain.sign_in import Bucket
from bailiwick.identity.domain.user import EmailTaken, User, UserId
from bailiwick.identity.infrastructure.roles import KnownRoles
from bailiwick.identity.infrastructure.tables import attempts, consents, links, sessions, users, users_email
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.mapper import Mapper
from bailiwick.kernel.database.unit_of_work import SqlRepository, SqlUnitOfWork

NOBODY = UUID(int=0)

_live = select(users).where(users.c.deleted_at.is_(None))
_LIVE = _live.where(users.c.id == bindparam("id"))
_BY_EMAIL = _live.where(users.c.email_key == bindparam("key"))
_ID_OF = select(users.c.id).where(users.c.email_key == bindparam("key"), users.c.deleted_at.is_(None))
_WITH_ROLE = (
    select(users.c.id).where(users.c.role == bindparam("role"), users.c.deleted_at.is_(None)).limit(1)
)
_NOTE_LOGIN = update(users).where(users.c.id == bindparam("key")).values(last_login_at=bindparam("now"))

_OWNED = select(sessions).where(sessions.c.id == bindparam("id"), sessions.c.user_id == bindparam("user_id"))
_WITH_USER = (
    select(sessions, *(column.label(f"user__{column.name}") for column in users.c))
    .join(users, users.c.id == sessions.c.user_id)
    .where(sessions.c.id == bindparam("id"))
)
_KNOWS_DEVICE = select(
    exists()
    .where(
        users.c.email_key == bindparam("key"),
        users.c.deleted_at.is_(None),
        sessions.c.user_id == users.c.id,
        sessions.c.device_id == bindparam("device_id"),
    )
    .label("known")
)
_BEYOND = (
    select(sessions)
    .where(
        sessions.c.user_id == bindparam("user_id"),
        sessions.c.ended_at.is_(None),
        sessions.c.idle_expires_at > bindparam("now"),
        sessions.c.absolute_expires_at > bindparam("now"),
    )
    .order_by(sessions.c.last_used_at.desc(), sessions.c.id.desc())
    .offset(bindparam("keep"))
    # A crowd larger than this ends at the next sign-ins.
    .limit(50)
)
_END_ALL = (
    update(sessions)
    .where(
        sessions.c.user_id == bindparam("owner"),
        sessions.c.ended_at.is_(None),
        sessions.c.id != bindparam("kept"),
    )
    .values(ended_at=bindparam("now"), end_reason=bindparam("reason"), version=sessions.c.version + 1)
)
_TRUST_ALL = (
    update(sessions)
    .where(sessions.c.user_id == bindparam("owner"), sessions.c.ended_at.is_(None))
    .values(stamp=bindparam("new_stamp"), version=sessions.c.version + 1)
)
_KILL_ALL = (
    update(links)
    .where(
        links.c.email_key == bindparam("key"),
        links.c.used_at.is_(None),
        links.c.id != bindparam("kept"),
        links.c.purpose.in_([bindparam("one"), bindparam("other")]),
    )
    .values(used_at=bindparam("now"), version=links.c.version + 1)
)
_FORGET = delete(attempts).where(
    attempts.c.account == bindparam("account"), attempts.c.device == bindparam("device")
)
_FORGET_ACCOUNT = delete(attempts).where(attempts.c.account == bindparam("account"))


class SqlUsers(SqlRepository[User, UserId]):
    mapper = Mapper(User, users, audited=("role", "status", "email_verified_at", "deleted_at"))

    async def live(self, id: UserId) -> User:
        return self._expected(await self._first(_LIVE, id=id), None)

    async def by_email(self, key: str) -> User | None:
        return await self._first(_BY_EMAIL, key=key)

    async def id_of(self, key: str) -> UserId | None:
        row = await self._unit.database.first(_ID_OF, key=key)
        return UserId(row[0]) if row else None

    async def with_role(self, role: str) -> bool:
        return await self._unit.database.first(_WITH_ROLE, role=role) is not None

    async def note_login(self, id: UserId, now: datetime) -> None:
        self._execute(_NOTE_LOGIN, key=id, now=now)


class SqlSessions(SqlRepository[Session, SessionId]):
    mapper = Mapper(Session, sessions, audited=("ended_at", "end_reason"), subject="user_id")

    async def owned(self, id: SessionId, user_id: UserId) -> Session:
        return self._expected(await self._first(_OWNED, id=id, user_id=user_id), None)

    async def with_user(self, id: SessionId) -> tuple[Session, User] | None:
        row = await self._unit.database.first(_WITH_USER, id=id)
        if row is None:
            return None
        width = len(sessions.c)
        return await self._load(tuple(row)[:width]), SqlUsers.mapper.load(tuple(row)[width:])

    async def knows_device(self, email_key: str, device_id: str) -> bool:
        row = await self._unit.database.first(_KNOWS_DEVICE, key=email_key, device_id=device_id)
        return bool(row and row[0])

    async def beyond(self, user_id: UserId, keep: int, now: datetime) -> list[Session]:
        return await self._all(_BEYOND, user_id=user_id, keep=keep, now=now)

    async def end_all(
        self, user_id: UserId, reason: EndReason, now: datetime, *, except_: SessionId | None = None
    ) -> None:
        self._execute(_END_ALL, owner=user_id, reason=reason.value, now=now, kept=except_ or NOBODY)

    async def trust_all(self, user_id: UserId, stamp: int) -> None:
        self._execute(_TRUST_ALL, owner=user_id, new_stamp=stamp)


class SqlLinks(SqlRepository[Link, LinkId]):
    mapper = Mapper(Link, links, audited=("purpose", "expires_at", "used_at"), subject="user_id")

    async def find(self, id: LinkId) -> Link | None:
        return await self._first(self.mapper.by_id, id=id)

    async def kill_all(
        self,
        email_key: str,
        now: datetime,
        *,
        purpose: LinkPurpose | None = None,
        except_: LinkId | None = None,
    ) -> None:
        one, other = (purpose, purpose) if purpose else (LinkPurpose.RESET, LinkPurpose.VERIFY)
        self._execute(
            _KILL_ALL, key=email_key, now=now, kept=except_ or NOBODY, one=one.value, other=other.value
        )


class SqlConsents(SqlRepository[Consent, ConsentId]):
    mapper = Mapper(Consent, consents, audited=("document", "edition"), subject="user_id")


class SqlForgottenAttempts:
    def __init__(self, unit: SqlUnitOfWork) -> None:
        self._unit = unit

    async def forget(self, bucket: Bucket) -> None:
        self._unit.execute(_FORGET, account=bucket.account, device=bucket.device)

    async def forget_account(self, account: str) -> None:
        self._unit.execute(_FORGET_ACCOUNT, account=account)


def email_taken() -> EmailTaken:
    return EmailTaken("this email address has an account", field="email")


class SqlIdentityUnitOfWork(SqlUnitOfWork):
    refusals: ClassVar = {users_email: email_taken}

    def __init__(self, database: Database, roles: KnownRoles) -> None:
        super().__init__(database)
        self.roles = roles

    @property
    def users(self) -> SqlUsers:
        return self._repository(SqlUsers)

    @property
    def sessions(self) -> SqlSessions:
        return self._repository(SqlSessions)

    @property
    def links(self) -> SqlLinks:
        return self._repository(SqlLinks)

    @property
    def consents(self) -> SqlConsents:
        return self._repository(SqlConsents)

    @property
    def attempts(self) -> SqlForgottenAttempts:
        return self._repository(SqlForgottenAttempts)
