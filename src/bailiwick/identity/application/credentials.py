"""Passwords: forgotten, reset, changed, and set by somebody else."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from bailiwick.identity.application.ports import IdentityPorts, Sealed, TokenKind
from bailiwick.identity.contract import IdentityPermission
from bailiwick.identity.domain.link import Link, LinkId, LinkInvalid, LinkPurpose
from bailiwick.identity.domain.password import PasswordReused
from bailiwick.identity.domain.session import EndReason, SessionId
from bailiwick.identity.domain.sign_in import Bucket, account_of
from bailiwick.identity.domain.user import User, UserId
from bailiwick.kernel.application import Actor
from bailiwick.kernel.domain import Forbidden, Invalid


class WrongPassword(Invalid):
    """The current password is another one."""


class DirectPasswordsOff(Forbidden):
    """Here nobody sets a password for somebody else: start a reset instead."""


async def new_hash(password: str, user: User, ports: IdentityPorts, *, field: str) -> str:
    """The hash of a password that `user` may have. Raises WeakPassword and PasswordReused, naming `field`."""
    about = (user.email.address.split("@")[0], user.full_name, ports.rules.product)
    ports.rules.passwords.check(password, about, field=field)
    if await ports.passwords.matches_any(password, user.used_hashes):
        raise PasswordReused("choose a password that you have not used lately", field=field)
    return await ports.passwords.hash(password)


@dataclass(frozen=True)
class ForgetPassword:
    email: str


async def forget_password(command: ForgetPassword, ports: IdentityPorts) -> None:
    """Have a reset link sent, if anybody has the address; the same work and answer if nobody does."""
    now = ports.clock()
    key = ports.contacts.email_key(command.email)
    letters = ports.rules.letters
    if letters.exceeded(
        await ports.attempts.reserve(Bucket.letters(key), now, limit=letters.limit, window=letters.window)
    ):
        return
    async with ports.uow() as uow:
        # The id alone: to load an account takes longer than to find none.
        user_id = await uow.users.id_of(key)
        link = Link.request(
            LinkId(ports.new_id()),
            LinkPurpose.RESET,
            key,
            user_id,
            ports.seals.new_seed(),
            ports.rules.reset_lifetime,
            now,
        )
        uow.links.add(link)
        await uow.links.kill_all(key, now, purpose=LinkPurpose.RESET, except_=link.id)
        await uow.commit(None)


@dataclass(frozen=True)
class ResetPassword:
    token: str = field(repr=False)
    new_password: str = field(repr=False)


async def reset_password(command: ResetPassword, ports: IdentityPorts) -> None:
    """Use a reset link: all sessions end, locks open, and the address counts as proved.

    Raises LinkInvalid, WeakPassword and PasswordReused; only success uses the link up.
    """
    sealed = read_link(TokenKind.RESET, command.token, ports)
    async with ports.uow() as uow:
        link = genuine(sealed, await uow.links.find(LinkId(sealed.id)), ports)
        holder = await uow.users.get(owner(link))
    if not link.works(holder, ports.clock()):
        raise LinkInvalid
    hash = await new_hash(command.new_password, holder, ports, field="new_password")
    now = ports.clock()
    async with ports.uow() as uow:
        link = await uow.links.get(link.id)
        user = await uow.users.get(holder.id)
        link.use(user, now)
        user.change_password(hash, now, remembered=ports.rules.passwords.remembered)
        user.verify_email(now)
        await uow.sessions.end_all(user.id, EndReason.PASSWORD_RESET, now)
        await uow.links.kill_all(user.email.key, now, except_=link.id)
        await uow.attempts.forget_account(account_of(user.email.key))
        await uow.commit(None)


def read_link(kind: TokenKind, token: str, ports: IdentityPorts) -> Sealed:
    sealed = ports.seals.read(kind, token)
    if sealed is None:
        raise LinkInvalid
    return sealed


def genuine(sealed: Sealed, link: Link | None, ports: IdentityPorts) -> Link:
    """The link that the token stands for. Raises LinkInvalid where there is none or the token is forged."""
    if link is None or not ports.seals.genuine(sealed, link.seed):
        raise LinkInvalid
    return link


def owner(link: Link) -> UserId:
    if link.user_id is None:
        raise LinkInvalid
    return link.user_id


@dataclass(frozen=True)
class ChangePassword:
    current_password: str = field(repr=False)
    new_password: str = field(repr=False)
    by: Actor


async def change_password(command: ChangePassword, ports: IdentityPorts) -> None:
    """Replace one's own password: the session in use goes on, the others end.

    Raises WrongPassword, TooMany, WeakPassword and PasswordReused.
    """
    async with ports.uow() as uow:
        proved = await uow.users.live(UserId(command.by.id))
    # Counted apart from sign-ins: only who holds this session can fill this bucket.
    bucket = Bucket.sign_in(proved.email.key, f"session {command.by.session_id}")
    now = ports.clock()
    guard = ports.rules.sign_in
    guard.admit(await ports.attempts.reserve(bucket, now, limit=guard.limit, window=guard.window), now)
    if not await ports.passwords.verify(command.current_password, proved.password_hash):
        raise WrongPassword("this is not your current password", field="current_password")
    hash = await new_hash(command.new_password, proved, ports, field="new_password")
    now = ports.clock()
    kept = SessionId(command.by.session_id) if command.by.session_id else None
    async with ports.uow() as uow:
        user = await uow.users.live(proved.id)
        if user.password_hash != proved.password_hash:
            raise WrongPassword("this is not your current password", field="current_password")
        user.change_password(hash, now, remembered=ports.rules.passwords.remembered, kept_session=kept)
        await uow.sessions.end_all(user.id, EndReason.PASSWORD_CHANGED, now, except_=kept)
        if kept is not None:
            session = await uow.sessions.get(kept)
            session.trust(user.stamp)
        await uow.links.kill_all(user.email.key, now)
        await uow.attempts.forget(bucket)
        await uow.commit(None)


@dataclass(frozen=True)
class SetPassword:
    user_id: UUID
    new_password: str = field(repr=False)
    by: Actor


async def set_password(command: SetPassword, ports: IdentityPorts) -> None:
    """Set the password of an account below one's own, which its owner then has to change.

    Raises DirectPasswordsOff unless the settings allow this, RankTooLow, WeakPassword, PasswordReused.
    """
    command.by.require(IdentityPermission.MANAGE_USERS)
    if not ports.rules.admins_set_passwords:
        raise DirectPasswordsOff("start a password reset instead: its owner gets a link")
    async with ports.uow() as uow:
        target = await uow.users.live(UserId(command.user_id))
        by = await uow.roles.named(command.by.role)
        by.must_outrank(await uow.roles.named(target.role))
    hash = await new_hash(command.new_password, target, ports, field="new_password")
    now = ports.clock()
    async with ports.uow() as uow:
        user = await uow.users.live(target.id)
        by.must_outrank(await uow.roles.named(user.role))
        user.set_password(hash, now, by=command.by.id, remembered=ports.rules.passwords.remembered)
        await uow.sessions.end_all(user.id, EndReason.PASSWORD_CHANGED, now)
        await uow.links.kill_all(user.email.key, now)
        await uow.commit(None)


@dataclass(frozen=True)
class StartPasswordReset:
    user_id: UUID
    by: Actor


async def start_password_reset(command: StartPasswordReset, ports: IdentityPorts) -> None:
    """Have a reset link sent to the owner of an account below one's own. Raises RankTooLow."""
    command.by.require(IdentityPermission.MANAGE_USERS)
    now = ports.clock()
    async with ports.uow() as uow:
        user = await uow.users.live(UserId(command.user_id))
        by = await uow.roles.named(command.by.role)
        by.must_outrank(await uow.roles.named(user.role))
        link = reset_link(user, ports, now, by=command.by)
        uow.links.add(link)
        await uow.links.kill_all(user.email.key, now, purpose=LinkPurpose.RESET, except_=link.id)
        await uow.commit(None)


def reset_link(user: User, ports: IdentityPorts, now: datetime, *, by: Actor) -> Link:
    """A link for the owner of an account to set a password, asked for by somebody else."""
    return Link.request(
        LinkId(ports.new_id()),
        LinkPurpose.RESET,
        user.email.key,
        user.id,
        ports.seals.new_seed(),
        ports.rules.reset_lifetime,
        now,
        by=by.id,
    )
