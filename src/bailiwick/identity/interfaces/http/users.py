"""The routes by which accounts are looked at and managed."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints

from bailiwick.identity.application.accounts import (
    ActivateUser,
    CreateUser,
    DeactivateUser,
    DeleteUser,
    GrantRole,
    RestoreUser,
    RevokeRole,
    activate_user,
    create_user,
    deactivate_user,
    delete_user,
    grant_role,
    restore_user,
    revoke_role,
)
from bailiwick.identity.application.credentials import (
    ChangePassword,
    SetPassword,
    StartPasswordReset,
    change_password,
    set_password,
    start_password_reset,
)
from bailiwick.identity.application.ports import IdentityPorts
from bailiwick.identity.contract import IdentityPermission
from bailiwick.identity.domain.user import User
from bailiwick.identity.infrastructure.queries import USERS, UserView, user_view
from bailiwick.identity.interfaces.http.sign_in import Accepted, Address, Confirmation, Secret
from bailiwick.kernel.application import Actor, Page
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.listing import ListRequest
from bailiwick.kernel.http.routing import Router

router = Router(
    "identity",
    prefix="/api/v1/users",
    examples={
        "email": "ada@example.com",
        "password": "eleven copper kettles sing",
        "current_password": "eleven copper kettles sing",
        "new_password": "lanterns beside a quiet lake",
        "LoginBody.new_password": None,
        "full_name": "Ada Lovelace",
        "phone": "+264811234567",
        "organization": "Analytical Engines",
        "RegisterBody.phone": None,
        "RegisterBody.organization": None,
        "role": "user",
        "roles": ["user"],
        "status": "active",
        "is_active": True,
        "is_verified": True,
        "token": "pw4Yv0k3Xn2mQ8sT1uB7cD5eF6gH9iJ0",
        "access_token": "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIwMWMwYzFkNSJ9.c2lnbmF0dXJl",
        "refresh_token": "r1Zq7wT3yU5iO9pA2sD4fG6hJ8kL0zXc",
        "token_type": "Bearer",
        "SessionView.device_id": "3f9a21c4",
        "SessionView.device_name": "Ada's telephone",
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64)",
        "address": "203.0.113.7",
        "end_reason": None,
        "current": True,
        "message": "If the address can be used, a mail with the next step is on its way.",
        "key_set": {
            "keys": [
                {"kty": "OKP", "crv": "Ed25519", "kid": "2031-01", "use": "sig", "alg": "EdDSA", "x": "11qY"}
            ]
        },
    },
)


class PasswordBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    current_password: Annotated[str, StringConstraints(max_length=1024)]
    new_password: Secret
    confirm_password: Confirmation = None


class NewPasswordBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    new_password: Secret


class UserBody(BaseModel):
    """An account for somebody else. Without a password its owner gets a link to set one."""

    model_config = ConfigDict(extra="forbid")

    email: Address
    full_name: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    role: Annotated[str, StringConstraints(min_length=1, max_length=64)] = "user"
    password: Secret | None = None
    phone: Annotated[str, StringConstraints(min_length=3, max_length=32)] | None = None
    organization: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None


@dataclass(frozen=True, slots=True)
class Created:
    id: UUID

    @classmethod
    def of(cls, user: User) -> "Created":
        return cls(user.id)


@router.get("/me")
async def read_me(actor: Actor, database: Database) -> UserView:
    """The caller's own account."""
    return await user_view(database, actor.id, actor)


@router.put("/me/password")
async def change_own_password(body: PasswordBody, actor: Actor, ports: IdentityPorts) -> None:
    """Change the caller's password. The other sessions end."""
    await change_password(ChangePassword(body.current_password, body.new_password, by=actor), ports)


@router.get(listing=USERS)
async def list_users(asked: ListRequest, actor: Actor, database: Database) -> Page[UserView]:
    """All accounts, for those with `users.read`."""
    actor.require(IdentityPermission.READ_USERS)
    return await USERS.page(database, asked)


@router.post(status=201, view=Created.of, location="/api/v1/users/{id}", idempotent=True)
async def create(body: UserBody, actor: Actor, ports: IdentityPorts) -> User:
    """Make an account for somebody else. Only super admins make admins."""
    return await create_user(CreateUser(**body.model_dump(), by=actor), ports)


@router.get("/{user_id}")
async def read(user_id: UUID, actor: Actor, database: Database) -> UserView:
    """One account: one's own, or any with `users.read`."""
    return await user_view(database, user_id, actor)


@router.delete("/{user_id}")
async def delete(user_id: UUID, actor: Actor, ports: IdentityPorts) -> None:
    """Delete an account. Its address is free at once; it can be restored."""
    await delete_user(DeleteUser(user_id, by=actor), ports)


@router.post("/{user_id}/restore", view=UserView.of)
async def restore(user_id: UUID, actor: Actor, ports: IdentityPorts) -> User:
    """Bring a deleted account back, unless its address was taken meanwhile."""
    return await restore_user(RestoreUser(user_id, by=actor), ports)


@router.put("/{user_id}/password")
async def set_others_password(
    user_id: UUID, body: NewPasswordBody, actor: Actor, ports: IdentityPorts
) -> None:
    """Set the password of a lower account, where the settings allow it. Its owner must change it."""
    await set_password(SetPassword(user_id, body.new_password, by=actor), ports)


@router.post("/{user_id}/password-reset", status=202)
async def send_reset(user_id: UUID, actor: Actor, ports: IdentityPorts) -> Accepted:
    """Have a reset link sent to the owner of a lower account."""
    await start_password_reset(StartPasswordReset(user_id, by=actor), ports)
    return Accepted("A mail with a link is on its way to the owner of the account.")


@router.put("/{user_id}/roles/{role}")
async def grant(user_id: UUID, role: str, actor: Actor, ports: IdentityPorts) -> None:
    """Give an account a role that ranks below one's own."""
    await grant_role(GrantRole(user_id, role, by=actor), ports)


@router.delete("/{user_id}/roles/{role}")
async def revoke(user_id: UUID, role: str, actor: Actor, ports: IdentityPorts) -> None:
    """Take a role from an account: its holder becomes a plain user."""
    await revoke_role(RevokeRole(user_id, role, by=actor), ports)


@router.put("/{user_id}/activation")
async def activate(user_id: UUID, actor: Actor, ports: IdentityPorts) -> None:
    """Let an account be used."""
    await activate_user(ActivateUser(user_id, by=actor), ports)


@router.delete("/{user_id}/activation")
async def deactivate(user_id: UUID, actor: Actor, ports: IdentityPorts) -> None:
    """Keep an account from being used. Its sessions end at once."""
    await deactivate_user(DeactivateUser(user_id, by=actor), ports)
