"""What administrators do with accounts: make, import, promote, suspend, delete and restore them."""

from dataclasses import dataclass, field
from uuid import UUID

from bailiwick.identity.application.credentials import new_hash, reset_link
from bailiwick.identity.application.ports import HashUnknown, IdentityPorts
from bailiwick.identity.contract import IdentityPermission
from bailiwick.identity.domain.role import GUEST, SUPER_ADMIN, USER, RoleChangeNotPermitted
from bailiwick.identity.domain.session import EndReason
from bailiwick.identity.domain.user import EmailTaken, User, UserId
from bailiwick.kernel.application import Actor
from bailiwick.kernel.domain import Conflict


class SuperAdminExists(Conflict):
    """There is a super admin already."""


@dataclass(frozen=True)
class CreateUser:
    """Without a password the owner gets a link by which to set one."""

    email: str
    full_name: str
    by: Actor
    role: str = USER
    password: str | None = field(default=None, repr=False)
    must_change_password: bool = True
    phone: str | None = None
    organization: str | None = None


async def create_user(command: CreateUser, ports: IdentityPorts) -> User:
    """Raises EmailInvalid, PhoneInvalid, WeakPassword, EmailTaken, RoleUnknown and
    RoleAssignmentNotPermitted."""
    command.by.require(IdentityPermission.MANAGE_USERS)
    now = ports.clock()
    user = User.register(
        UserId(ports.new_id()),
        ports.contacts.email(command.email),
        command.full_name,
        now,
        password_hash=None,
        role=command.role,
        phone=ports.contacts.phone(command.phone) if command.phone else None,
        organization=command.organization,
        must_change_password=command.password is not None and command.must_change_password,
        by=command.by.id,
    )
    async with ports.uow() as uow:
        by = await uow.roles.named(command.by.role)
        by.must_grant(await uow.roles.named(command.role))
        if await uow.users.by_email(user.email.key) is not None:
            raise EmailTaken("this email address has an account", field="email")
    if command.password is not None:
        user.receive_password(await new_hash(command.password, user, ports, field="password"))
    async with ports.uow() as uow:
        uow.users.add(user)
        if command.password is None:
            uow.links.add(reset_link(user, ports, now, by=command.by))
        return await uow.commit(user)


@dataclass(frozen=True)
class ImportUser:
    """`password_hash` is what another system stored: Argon2, bcrypt, PBKDF2 or werkzeug's."""

    email: str
    full_name: str
    password_hash: str = field(repr=False)
    by: Actor
    role: str = USER
    email_verified: bool = False


async def import_user(command: ImportUser, ports: IdentityPorts) -> User:
    """Raises HashUnknown and what create_user raises."""
    command.by.require(IdentityPermission.MANAGE_USERS)
    if not ports.passwords.understands(command.password_hash):
        raise HashUnknown("this kind of password hash is not supported", field="password_hash")
    now = ports.clock()
    user = User.register(
        UserId(ports.new_id()),
        ports.contacts.email(command.email),
        command.full_name,
        now,
        password_hash=command.password_hash,
        role=command.role,
        by=command.by.id,
    )
    if command.email_verified:
        user.verify_email(now)
    async with ports.uow() as uow:
        by = await uow.roles.named(command.by.role)
        by.must_grant(await uow.roles.named(command.role))
        uow.users.add(user)
        return await uow.commit(user)


@dataclass(frozen=True)
class CreateSuperAdmin:
    """An operator's command. `force` makes one although there is one."""

    email: str
    full_name: str
    password: str = field(repr=False)
    force: bool = False


async def create_super_admin(command: CreateSuperAdmin, ports: IdentityPorts) -> User:
    """Raises SuperAdminExists, EmailInvalid, EmailTaken and WeakPassword."""
    now = ports.clock()
    user = User.register(
        UserId(ports.new_id()),
        ports.contacts.email(command.email),
        command.full_name,
        now,
        password_hash=None,
        role=SUPER_ADMIN,
    )
    async with ports.uow() as uow:
        if not command.force and await uow.users.with_role(SUPER_ADMIN):
            raise SuperAdminExists("there is a super admin already")
    user.receive_password(await new_hash(command.password, user, ports, field="password"))
    user.verify_email(now)
    async with ports.uow() as uow:
        uow.users.add(user)
        return await uow.commit(user)


@dataclass(frozen=True)
class GrantRole:
    user_id: UUID
    role: str
    by: Actor


async def grant_role(command: GrantRole, ports: IdentityPorts) -> User:
    """Raises RoleUnknown, RoleAssignmentNotPermitted, RoleChangeNotPermitted and RankTooLow."""
    command.by.require(IdentityPermission.GRANT_ROLES)
    now = ports.clock()
    async with ports.uow() as uow:
        new = await uow.roles.named(command.role)
        user = await uow.users.live(UserId(command.user_id))
        held = await uow.roles.named(user.role)
        by = await uow.roles.named(command.by.role)
        if user.change_role(held, new, by, now, by_id=command.by.id):
            await uow.sessions.trust_all(user.id, user.stamp)
        return await uow.commit(user)


@dataclass(frozen=True)
class RevokeRole:
    user_id: UUID
    role: str
    by: Actor


async def revoke_role(command: RevokeRole, ports: IdentityPorts) -> User:
    """Make the holder of a role a plain user; quiet where they hold another role.

    Raises what grant_role raises.
    """
    command.by.require(IdentityPermission.GRANT_ROLES)
    now = ports.clock()
    async with ports.uow() as uow:
        named = await uow.roles.named(command.role)
        user = await uow.users.live(UserId(command.user_id))
        held = await uow.roles.named(user.role)
        by = await uow.roles.named(command.by.role)
        if held.name == SUPER_ADMIN or named.name in (USER, GUEST):
            raise RoleChangeNotPermitted(f"the role {named.name} cannot be taken from this account")
        by.must_grant(named)
        by.must_outrank(held)
        if held.name == named.name:
            user.change_role(held, await uow.roles.named(USER), by, now, by_id=command.by.id)
            await uow.sessions.trust_all(user.id, user.stamp)
        return await uow.commit(user)


@dataclass(frozen=True)
class ActivateUser:
    user_id: UUID
    by: Actor


async def activate_user(command: ActivateUser, ports: IdentityPorts) -> User:
    """Raises ActivationChangeNotPermitted and RankTooLow."""
    command.by.require(IdentityPermission.MANAGE_USERS)
    async with ports.uow() as uow:
        user = await uow.users.live(UserId(command.user_id))
        held = await uow.roles.named(user.role)
        by = await uow.roles.named(command.by.role)
        user.activate(held, by, ports.clock(), by_id=command.by.id)
        return await uow.commit(user)


@dataclass(frozen=True)
class DeactivateUser:
    user_id: UUID
    by: Actor


async def deactivate_user(command: DeactivateUser, ports: IdentityPorts) -> User:
    """Raises ActivationChangeNotPermitted and RankTooLow."""
    command.by.require(IdentityPermission.MANAGE_USERS)
    now = ports.clock()
    async with ports.uow() as uow:
        user = await uow.users.live(UserId(command.user_id))
        held = await uow.roles.named(user.role)
        by = await uow.roles.named(command.by.role)
        if user.deactivate(held, by, now, by_id=command.by.id):
            await uow.sessions.end_all(user.id, EndReason.DEACTIVATED, now)
        return await uow.commit(user)


@dataclass(frozen=True)
class DeleteUser:
    user_id: UUID
    by: Actor


async def delete_user(command: DeleteUser, ports: IdentityPorts) -> None:
    """Raises DeletionNotPermitted and RankTooLow."""
    command.by.require(IdentityPermission.MANAGE_USERS)
    now = ports.clock()
    async with ports.uow() as uow:
        user = await uow.users.live(UserId(command.user_id))
        held = await uow.roles.named(user.role)
        by = await uow.roles.named(command.by.role)
        user.delete(held, by, now, by_id=command.by.id)
        await uow.sessions.end_all(user.id, EndReason.DELETED, now)
        await uow.links.kill_all(user.email.key, now)
        await uow.commit(None)


@dataclass(frozen=True)
class RestoreUser:
    user_id: UUID
    by: Actor


async def restore_user(command: RestoreUser, ports: IdentityPorts) -> User:
    """Raises EmailTaken where somebody registered the address meanwhile, and RankTooLow."""
    command.by.require(IdentityPermission.MANAGE_USERS)
    async with ports.uow() as uow:
        user = await uow.users.get(UserId(command.user_id))
        held = await uow.roles.named(user.role)
        by = await uow.roles.named(command.by.role)
        by.must_outrank(held)
        holder = await uow.users.by_email(user.email.key)
        if holder is not None and holder.id != user.id:
            raise EmailTaken("another account uses this email address now", field="email")
        user.restore(held, by, ports.clock(), by_id=command.by.id)
        return await uow.commit(user)
