"""What the use cases of identity need from outside."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, Self
from uuid import UUID

from bailiwick.identity.domain.consent import Consent, ConsentId
from bailiwick.identity.domain.link import Link, LinkId, LinkPurpose
from bailiwick.identity.domain.password import PasswordPolicy
from bailiwick.identity.domain.role import Role
from bailiwick.identity.domain.session import EndReason, Session, SessionId, SessionRules
from bailiwick.identity.domain.sign_in import Attempt, Bucket, LetterLimit, SignInGuard
from bailiwick.identity.domain.user import Email, User, UserId
from bailiwick.kernel.application import Clock, NewId, Repository, UnitOfWork
from bailiwick.kernel.domain import Invalid


class EmailInvalid(Invalid):
    """No address that mail can be sent to."""


class PhoneInvalid(Invalid):
    """No telephone number that can exist."""


class HashUnknown(Invalid):
    """A stored password hash of a kind that nobody here can verify."""


class RegistrationMode(StrEnum):
    """OPEN: the account works at once. VERIFIED: only after its address is proved, and nobody learns
    whether an address already has an account."""

    OPEN = "open"
    VERIFIED = "verified"


class TokenKind(StrEnum):
    """What a sealed token is for; a token of one kind is never taken for another."""

    REFRESH = "refresh"
    RESET = "reset"
    VERIFY = "verify"


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a token says of itself. Believe it only after `Seals.genuine`."""

    kind: TokenKind
    id: UUID
    generation: int
    proof: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """A mail in plain text."""

    to: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class IdentityRules:
    """The settings that decide how accounts behave.

    `public_url` is where people reach the product. `verified_sign_in` refuses to sign in who has not proved
    their address.
    """

    public_url: str
    product: str = "Bailiwick"
    registration: RegistrationMode = RegistrationMode.OPEN
    verified_sign_in: bool = False
    terms_edition: str = "1"
    passwords: PasswordPolicy = field(default_factory=PasswordPolicy)
    sessions: SessionRules = field(default_factory=SessionRules)
    sign_in: SignInGuard = field(default_factory=SignInGuard)
    letters: LetterLimit = field(default_factory=LetterLimit)
    reset_lifetime: timedelta = timedelta(seconds=3600)
    verify_lifetime: timedelta = timedelta(days=1)
    admins_set_passwords: bool = False


class Users(Repository[User, UserId], Protocol):
    async def live(self, id: UserId) -> User:
        """Load one that is not deleted. Raises NotFound, the same for deleted and for never there."""
        ...

    async def by_email(self, key: str) -> User | None:
        """The account with this address, if it is not deleted."""
        ...

    async def id_of(self, key: str) -> UserId | None:
        """The id of the account with this address, if it is not deleted."""
        ...

    async def with_role(self, role: str) -> bool:
        """Whether anybody who is not deleted holds the role."""
        ...

    async def note_login(self, id: UserId, now: datetime) -> None:
        """Write `last_login_at` down and leave `version` alone: sign-ins must not get in each other's way."""
        ...


class Sessions(Repository[Session, SessionId], Protocol):
    """Its set-based changes count up the `version` of every row they touch, so that a refresh which is
    under way notices."""

    async def owned(self, id: SessionId, user_id: UserId) -> Session:
        """Load one of this user's. Raises NotFound, the same for somebody else's and for none."""
        ...

    async def with_user(self, id: SessionId) -> tuple[Session, User] | None:
        """A session, ended or not, and the account it belongs to, in one round trip.

        The account is only to look at: what is changed about it is not stored.
        """
        ...

    async def knows_device(self, email_key: str, device_id: str) -> bool:
        """Whether this account ever had a session on the device, ended or not."""
        ...

    async def beyond(self, user_id: UserId, keep: int, now: datetime) -> list[Session]:
        """The living sessions of the user but for the `keep` that were used last."""
        ...

    async def end_all(
        self, user_id: UserId, reason: EndReason, now: datetime, *, except_: SessionId | None = None
    ) -> None:
        """End the user's sessions that have not ended, in one statement that joins the commit."""
        ...

    async def trust_all(self, user_id: UserId, stamp: int) -> None:
        """Give the user's sessions that have not ended the new stamp, in one statement of the commit."""
        ...


class Links(Repository[Link, LinkId], Protocol):
    async def find(self, id: LinkId) -> Link | None: ...

    async def kill_all(
        self,
        email_key: str,
        now: datetime,
        *,
        purpose: LinkPurpose | None = None,
        except_: LinkId | None = None,
    ) -> None:
        """Mark the unused links of an address as used, in one statement that joins the commit."""
        ...


class Roles(Protocol):
    async def named(self, name: str) -> Role:
        """Raises RoleUnknown. May be answered from memory: roles change rarely."""
        ...


class ForgottenAttempts(Protocol):
    async def forget(self, bucket: Bucket) -> None:
        """Empty one bucket, in the commit."""
        ...

    async def forget_account(self, account: str) -> None:
        """Empty all buckets of an account, in the commit."""
        ...


class IdentityUnitOfWork(UnitOfWork, Protocol):
    async def __aenter__(self) -> Self: ...

    @property
    def users(self) -> Users: ...

    @property
    def sessions(self) -> Sessions: ...

    @property
    def links(self) -> Links: ...

    @property
    def consents(self) -> Repository[Consent, ConsentId]: ...

    @property
    def roles(self) -> Roles: ...

    @property
    def attempts(self) -> ForgottenAttempts: ...


class Attempts(Protocol):
    async def reserve(self, bucket: Bucket, now: datetime, *, limit: int, window: timedelta) -> Attempt:
        """Count one more attempt and say what the bucket holds now: one atomic statement, committed at once.

        A new window starts where the old one is over. `total` grows only while `count` is within the limit.
        """
        ...


class Passwords(Protocol):
    """Slow on purpose, so never on the event loop. Raises Unavailable where too many wait already."""

    async def hash(self, password: str) -> str: ...

    async def verify(self, password: str, hash: str | None) -> bool:
        """Whether the password has this hash. None takes as long as any other and is never right."""
        ...

    async def matches_any(self, password: str, hashes: Sequence[str]) -> bool: ...

    def needs_upgrade(self, hash: str) -> bool:
        """Whether the hash is of an older kind or weaker than what `hash` makes now."""
        ...

    def understands(self, hash: str) -> bool:
        """Whether `verify` can work with a hash that another system made, at a bearable cost."""
        ...


class AccessTokens(Protocol):
    @property
    def seconds(self) -> int:
        """How long a token lives."""
        ...

    def issue(self, user: User, role: Role, session_id: SessionId, now: datetime) -> str: ...


class Seals(Protocol):
    """Tokens that are derived from a seed and a key, never stored."""

    def new_seed(self) -> str: ...

    def seal(self, kind: TokenKind, id: UUID, seed: str, generation: int = 0) -> str: ...

    def read(self, kind: TokenKind, token: str) -> Sealed | None:
        """What the token says, or None where it is not of this form and kind."""
        ...

    def genuine(self, sealed: Sealed, seed: str) -> bool:
        """Whether the token was made by us from this seed."""
        ...


class Contacts(Protocol):
    def email(self, text: str) -> Email:
        """Raises EmailInvalid."""
        ...

    def email_key(self, text: str) -> str:
        """The key of an address; of anything else a key that no account has. Never raises."""
        ...

    def phone(self, text: str) -> str:
        """The number as E.164. Raises PhoneInvalid."""
        ...


class Usernames(Protocol):
    async def check(self, username: str) -> None:
        """Raise what profiles raises for a username that is malformed or taken."""
        ...


class Mail(Protocol):
    async def send(self, message: Message) -> None:
        """Raises Unavailable where the mail server does not take it now."""
        ...


@dataclass(frozen=True)
class IdentityPorts:
    uow: Callable[[], IdentityUnitOfWork]
    clock: Clock
    new_id: NewId
    rules: IdentityRules
    passwords: Passwords
    attempts: Attempts
    access: AccessTokens
    seals: Seals
    contacts: Contacts
    usernames: Usernames
    mail: Mail
