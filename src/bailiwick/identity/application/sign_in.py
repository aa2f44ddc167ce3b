"""Signing in and out, and staying signed in."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from bailiwick.identity.application.credentials import new_hash
from bailiwick.identity.application.ports import IdentityPorts, TokenKind
from bailiwick.identity.domain.role import Role
from bailiwick.identity.domain.session import (
    Device,
    EndReason,
    InvalidToken,
    Refreshed,
    Session,
    SessionId,
    TokenReused,
)
from bailiwick.identity.domain.sign_in import Bucket
from bailiwick.identity.domain.user import InvalidCredentials, PasswordChangeRequired, User, UserId
from bailiwick.kernel.application import Actor


@dataclass(frozen=True)
class SignedIn:
    """A session and the tokens to use it. `expires_in` is the life of the access token in seconds."""

    user: User
    session: Session
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int


@dataclass(frozen=True)
class LogIn:
    """`new_password` is needed where somebody else set the current one, and refused nowhere."""

    email: str
    password: str = field(repr=False)
    device: Device
    remember: bool = False
    new_password: str | None = field(default=None, repr=False)


async def log_in(command: LogIn, ports: IdentityPorts) -> SignedIn:
    """Raises InvalidCredentials, TooMany, AccountInactive and PasswordChangeRequired."""
    proved, bucket = await _prove(command, ports)
    better_hash = await _better_hash(command, proved, ports)
    now = ports.clock()
    async with ports.uow() as uow:
        user = await uow.users.live(proved.id)
        if user.password_hash != proved.password_hash:
            raise _wrong()
        user.must_be_usable(verified=ports.rules.verified_sign_in)
        replaced = user.must_change_password
        crowd = [] if replaced else await uow.sessions.beyond(user.id, ports.rules.sessions.cap - 1, now)
        if better_hash is None:
            await uow.users.note_login(user.id, now)
        else:
            # A row is changed in one way only within a commit: as a whole, or by a statement.
            _rehash(user, better_hash, ports, now)
        session = begin_session(user, command.device, ports, now, remember=command.remember, crowd=crowd)
        uow.sessions.add(session)
        if replaced:
            await uow.sessions.end_all(user.id, EndReason.PASSWORD_CHANGED, now, except_=session.id)
        await uow.attempts.forget(bucket)
        role = await uow.roles.named(user.role)
        await uow.commit(session)
    return signed_in(user, role, session, ports, now)


async def _prove(command: LogIn, ports: IdentityPorts) -> tuple[User, Bucket]:
    """Find whose password it is, doing the same work and giving the same answer for unknown addresses."""
    now = ports.clock()
    key = ports.contacts.email_key(command.email)
    device_id = command.device.id
    async with ports.uow() as uow:
        user = await uow.users.by_email(key)
        known = device_id is not None and await uow.sessions.knows_device(key, device_id)
    bucket = Bucket.sign_in(key, device_id if known else None)
    guard = ports.rules.sign_in
    guard.admit(await ports.attempts.reserve(bucket, now, limit=guard.limit, window=guard.window), now)
    right = await ports.passwords.verify(command.password, user.password_hash if user else None)
    if user is None or not right:
        raise _wrong()
    user.must_be_usable(verified=ports.rules.verified_sign_in)
    return user, bucket


async def _better_hash(command: LogIn, user: User, ports: IdentityPorts) -> str | None:
    """What to store instead of the present hash: that of a new password, or a stronger one of the same."""
    if user.must_change_password:
        if command.new_password is None:
            raise PasswordChangeRequired("choose your own password: send it as new_password")
        return await new_hash(command.new_password, user, ports, field="new_password")
    if user.password_hash is not None and ports.passwords.needs_upgrade(user.password_hash):
        return await ports.passwords.hash(command.password)
    return None


def _rehash(user: User, better_hash: str, ports: IdentityPorts, now: datetime) -> None:
    user.last_login_at = now
    if user.must_change_password:
        user.change_password(better_hash, now, remembered=ports.rules.passwords.remembered)
    else:
        user.upgrade_hash(better_hash, now)


def _wrong() -> InvalidCredentials:
    return InvalidCredentials("the email or the password is wrong")


def begin_session(
    user: User,
    device: Device,
    ports: IdentityPorts,
    now: datetime,
    *,
    remember: bool,
    crowd: list[Session],
) -> Session:
    """Start a session, ending those in `crowd` for which there is no more room."""
    for oldest in crowd:
        oldest.end(EndReason.SUPERSEDED, now)
    id = SessionId(ports.new_id())
    seed = ports.seals.new_seed()
    return Session.start(id, user, device, seed, ports.rules.sessions, now, remember=remember)


def signed_in(user: User, role: Role, session: Session, ports: IdentityPorts, now: datetime) -> SignedIn:
    return SignedIn(
        user=user,
        session=session,
        access_token=ports.access.issue(user, role, session.id, now),
        refresh_token=ports.seals.seal(TokenKind.REFRESH, session.id, session.seed, session.generation),
        expires_in=ports.access.seconds,
    )


@dataclass(frozen=True)
class RefreshSession:
    token: str = field(repr=False)
    device: Device


async def refresh_session(command: RefreshSession, ports: IdentityPorts) -> SignedIn:
    """Raises InvalidToken, SessionEnded, SessionExpired, AccountInactive and, once the end of the family
    is stored, TokenReused."""
    sealed = ports.seals.read(TokenKind.REFRESH, command.token)
    if sealed is None:
        raise InvalidToken("the token is not valid")
    now = ports.clock()
    async with ports.uow() as uow:
        found = await uow.sessions.with_user(SessionId(sealed.id))
        if found is None or not ports.seals.genuine(sealed, found[0].seed):
            # Nothing changes: a stranger who knows a session's id must not be able to end it.
            raise InvalidToken("the token is not valid")
        session, user = found
        session.must_live(user, now)
        user.must_be_usable()
        outcome = session.refresh(sealed.generation, command.device, ports.rules.sessions, now)
        role = await uow.roles.named(user.role)
        await uow.commit(session)
    if outcome is Refreshed.REUSED:
        raise TokenReused("this token was used before: sign in again")
    return signed_in(user, role, session, ports, now)


@dataclass(frozen=True)
class LogOut:
    by: Actor


async def log_out(command: LogOut, ports: IdentityPorts) -> None:
    if command.by.session_id is None:
        return
    await _end(SessionId(command.by.session_id), command.by, EndReason.LOGGED_OUT, ports)


@dataclass(frozen=True)
class EndSession:
    session_id: UUID
    by: Actor


async def end_session(command: EndSession, ports: IdentityPorts) -> None:
    """End one of one's own sessions. Raises NotFound for anybody else's."""
    await _end(SessionId(command.session_id), command.by, EndReason.REVOKED, ports)


async def _end(id: SessionId, by: Actor, reason: EndReason, ports: IdentityPorts) -> None:
    async with ports.uow() as uow:
        session = await uow.sessions.owned(id, UserId(by.id))
        session.end(reason, ports.clock())
        await uow.commit(None)


@dataclass(frozen=True)
class LogOutEverywhere:
    by: Actor


async def log_out_everywhere(command: LogOutEverywhere, ports: IdentityPorts) -> None:
    now = ports.clock()
    async with ports.uow() as uow:
        user = await uow.users.live(UserId(command.by.id))
        user.log_out_everywhere(now, reason=EndReason.LOGGED_OUT_EVERYWHERE)
        await uow.sessions.end_all(user.id, EndReason.LOGGED_OUT_EVERYWHERE, now)
        await uow.commit(None)
