"""The routes by which people get in, stay in and get out."""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo

from bailiwick.identity.application.credentials import (
    ForgetPassword,
    ResetPassword,
    forget_password,
    reset_password,
)
from bailiwick.identity.application.ports import IdentityPorts
from bailiwick.identity.application.registration import (
    Register,
    ResendVerification,
    VerifyEmail,
    register,
    resend_verification,
    verify_email,
)
from bailiwick.identity.application.sign_in import (
    EndSession,
    LogIn,
    LogOut,
    LogOutEverywhere,
    RefreshSession,
    SignedIn,
    end_session,
    log_in,
    log_out,
    log_out_everywhere,
    refresh_session,
)
from bailiwick.identity.domain.session import Device, SessionId
from bailiwick.identity.infrastructure.queries import SessionView, UserView, own_sessions
from bailiwick.identity.infrastructure.tokens import JwtAccessTokens
from bailiwick.kernel.application import Actor
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.http.requests import Client
from bailiwick.kernel.http.responses import Response, encode
from bailiwick.kernel.http.routing import Router

router = Router("identity", prefix="/api/v1/auth")
open_router = Router("identity", prefix="/api/v1/auth")
verified_router = Router("identity", prefix="/api/v1/auth")
root = Router("identity")

CREDENTIALS = "credentials"
SAME_ANSWER = "If the address can be used, a mail with the next step is on its way."

Address = Annotated[
    str, StringConstraints(min_length=3, max_length=254), Field(json_schema_extra={"format": "email"})
]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Token = Annotated[str, StringConstraints(min_length=1, max_length=512)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=128)]


def _same(confirmed: str | None, info: ValidationInfo) -> str | None:
    password = info.data.get("password", info.data.get("new_password"))
    if confirmed is not None and password is not None and confirmed != password:
        raise ValueError("the two passwords differ")
    return confirmed


Confirmation = Annotated[str | None, AfterValidator(_same)]
"""The password again, for clients that ask twice: checked where it is sent. Declare it after the password."""


class RegisterBody(BaseModel):
    """Somebody new. `accept_terms` must be true."""

    model_config = ConfigDict(extra="forbid")

    email: Address
    password: Secret
    full_name: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    accept_terms: Annotated[bool, Field(json_schema_extra={"const": True})]
    confirm_password: Confirmation = None
    username: Annotated[str, StringConstraints(min_length=3, max_length=64)] | None = None
    phone: Annotated[str, StringConstraints(min_length=3, max_length=32)] | None = None
    organization: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    device_id: Label | None = None
    device_name: Label | None = None


class LoginBody(BaseModel):
    """Without `remember_me` the session ends after 24 hours. A password that somebody else has set must be
    replaced in the same call: `new_password`."""

    model_config = ConfigDict(extra="forbid")

    email: Annotated[str, StringConstraints(max_length=320)]
    password: Annotated[str, StringConstraints(max_length=1024)]
    remember_me: bool = False
    device_id: Label | None = None
    device_name: Label | None = None
    new_password: Secret | None = None


class RefreshBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    refresh_token: Token
    device_id: Label | None = None


class ForgotBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: Annotated[str, StringConstraints(max_length=320)]


class ResetBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    token: Token
    new_password: Secret


class VerifyBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    token: Token


@dataclass(frozen=True, slots=True)
class SignedInView:
    """A session and the tokens to use it. `expires_in` is in seconds, for the access token."""

    user: UserView
    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int

    @classmethod
    def of(cls, signed_in: SignedIn) -> "SignedInView":
        return cls(
            user=UserView.of(signed_in.user),
            access_token=signed_in.access_token,
            refresh_token=signed_in.refresh_token,
            token_type="Bearer",  # noqa: S106  # the name of a scheme, no secret
            expires_in=signed_in.expires_in,
        )


@dataclass(frozen=True, slots=True)
class Accepted:
    """What happens next happens by mail."""

    message: str


def _device(client: Client, id: str | None = None, name: str | None = None) -> Device:
    return Device(id=id, name=name, user_agent=client.user_agent, address=client.address)


def _registration(body: RegisterBody, client: Client) -> Register:
    device = _device(client, body.device_id, body.device_name)
    return Register(
        device=device, **body.model_dump(exclude={"device_id", "device_name", "confirm_password"})
    )


@open_router.post("/register", status=201, public=True, limit=CREDENTIALS, view=SignedInView.of)
async def register_account(body: RegisterBody, client: Client, ports: IdentityPorts) -> Any:
    """Get an account and sign in with it."""
    return await register(_registration(body, client), ports)


@verified_router.post("/register", status=202, public=True, limit=CREDENTIALS)
async def request_account(body: RegisterBody, client: Client, ports: IdentityPorts) -> Accepted:
    """Ask for an account. The answer is the same whether or not the address has one."""
    await register(_registration(body, client), ports)
    return Accepted(SAME_ANSWER)


@router.post("/login", public=True, limit=CREDENTIALS, view=SignedInView.of)
async def login(body: LoginBody, client: Client, ports: IdentityPorts) -> SignedIn:
    """Sign in."""
    device = _device(client, body.device_id, body.device_name)
    command = LogIn(body.email, body.password, device, body.remember_me, body.new_password)
    return await log_in(command, ports)


@router.post("/refresh", public=True, limit=CREDENTIALS, view=SignedInView.of)
async def refresh(body: RefreshBody, client: Client, ports: IdentityPorts) -> SignedIn:
    """Exchange a refresh token for a new pair. A spent one ends the whole session."""
    return await refresh_session(RefreshSession(body.refresh_token, _device(client, body.device_id)), ports)


@router.post("/logout")
async def logout(actor: Actor, ports: IdentityPorts) -> None:
    """End the session in use."""
    await log_out(LogOut(by=actor), ports)


@router.post("/logout-all")
async def logout_all(actor: Actor, ports: IdentityPorts) -> None:
    """End every session of the caller."""
    await log_out_everywhere(LogOutEverywhere(by=actor), ports)


@router.get("/sessions")
async def list_sessions(actor: Actor, database: Database, ports: IdentityPorts) -> list[SessionView]:
    """The caller's last 100 sessions, and why those that ended did."""
    return await own_sessions(database, actor, ports.clock())


@router.delete("/sessions/{session_id}")
async def delete_session(session_id: UUID, actor: Actor, ports: IdentityPorts) -> None:
    """End one session of the caller."""
    await end_session(EndSession(SessionId(session_id), by=actor), ports)


@router.post("/password/forgot", status=202, public=True, limit=CREDENTIALS)
async def forgot_password(body: ForgotBody, ports: IdentityPorts) -> Accepted:
    """Have a reset link sent. The answer is the same whoever has the address."""
    await forget_password(ForgetPassword(body.email), ports)
    return Accepted(SAME_ANSWER)


@router.post("/password/reset", public=True, limit=CREDENTIALS)
async def set_forgotten_password(body: ResetBody, ports: IdentityPorts) -> None:
    """Set a new password with a reset link. Every session ends."""
    await reset_password(ResetPassword(body.token, body.new_password), ports)


@router.post("/email/verify", public=True, limit=CREDENTIALS)
async def confirm_email(body: VerifyBody, ports: IdentityPorts) -> None:
    """Prove an address with the link that was sent to it."""
    await verify_email(VerifyEmail(body.token), ports)


@router.post("/email/verify/resend", status=202)
async def resend_email(actor: Actor, ports: IdentityPorts) -> Accepted:
    """Have another verification link sent. Older ones stop working."""
    await resend_verification(ResendVerification(by=actor), ports)
    return Accepted(SAME_ANSWER)


@root.get("/.well-known/jwks.json", public=True, media_type="application/jwk-set+json")
async def key_set(tokens: JwtAccessTokens) -> Response:
    """The public keys of access tokens (RFC 7517)."""
    headers = [(b"content-type", b"application/jwk-set+json"), (b"cache-control", b"public, max-age=60")]
    return Response(200, encode(tokens.key_set()), headers, public=True)
