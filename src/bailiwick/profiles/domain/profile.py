"""A profile: one for each account, with a username that nobody else has, whatever the case."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NewType, Self
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import available_timezones

from bailiwick.kernel.domain import Aggregate, Conflict, Invalid
from bailiwick.profiles.contract import ProfileCreated, UsernameChanged

ProfileId = NewType("ProfileId", UUID)

SHORTEST_USERNAME, LONGEST_USERNAME = 3, 64
LONGEST_DISPLAY_NAME = 100
LONGEST_BIO = 1000
LONGEST_URL = 2048
LONGEST_LOCALE = 35

RESERVED = frozenset({
    "abuse", "account", "accounts", "admin", "administrator", "all", "anonymous", "api", "auth", "billing",
    "bot", "contact", "everyone", "guest", "help", "hostmaster", "info", "legal", "login", "logout", "mail",
    "me", "moderator", "nobody", "none", "noreply", "null", "official", "owner", "postmaster", "privacy",
    "profile", "profiles", "register", "root", "sales", "security", "settings", "signin", "signup", "staff",
    "status", "superadmin", "superuser", "support", "sysadmin", "system", "team", "undefined", "user",
    "username", "users", "webmaster", "www",
})  # fmt: skip
"""Names that seem to speak for the house, or that other software takes for something else."""

# Names of this machine and of nowhere are no names of places.
TIME_ZONES = frozenset(available_timezones() - {"localtime", "Factory"})

_USERNAME = re.compile(r"[A-Za-z0-9._-]+")
_SEPARATORS = re.compile(r"[._-]")
# BCP 47 (RFC 5646, 2.1), without the few irregular tags that were registered before it.
_LOCALE = re.compile(
    r"(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})"
    r"(?:-[a-z]{4})?"
    r"(?:-(?:[a-z]{2}|\d{3}))?"
    r"(?:-(?:[a-z0-9]{5,8}|\d[a-z0-9]{3}))*"
    r"(?:-[0-9a-wyz](?:-[a-z0-9]{2,8})+)*"
    r"(?:-x(?:-[a-z0-9]{1,8})+)?",
    re.IGNORECASE | re.ASCII,
)
# What RFC 3986 has in no URL; browsers repair some of it into another address.
_NOT_IN_A_URL = re.compile(r'[\s\\<>"{}|^`]')


class UsernameReserved(Invalid):
    """Nobody may have this username, in any case or punctuation."""


class UsernameTaken(Conflict):
    """Somebody else has this username, perhaps in another case."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """What identity says about the owner: a copy, so that reading a profile asks nobody."""

    email: str
    full_name: str
    email_verified: bool = False

    @property
    def first_name(self) -> str:
        """The first word of the full name, else the local part of the email."""
        words = self.full_name.split()
        return words[0] if words else self.email.partition("@")[0]


@dataclass(frozen=True, kw_only=True)
class Username:
    """A username as its owner writes it, and the key by which all its spellings are one."""

    name: str
    key: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Raises Invalid for what cannot be a username, UsernameReserved for what nobody may have."""
        if not SHORTEST_USERNAME <= len(text) <= LONGEST_USERNAME:
            allowed = f"{SHORTEST_USERNAME} to {LONGEST_USERNAME}"
            raise Invalid(f"a username has {allowed} characters", field="username")
        key = text.casefold()
        letters = _SEPARATORS.sub("", key)
        if not _USERNAME.fullmatch(text) or not letters:
            raise Invalid("a username has letters or digits, with `.`, `_` and `-`", field="username")
        if letters in RESERVED:
            raise UsernameReserved("this username is reserved", field="username")
        return cls(name=text, key=key)


@dataclass(frozen=True, kw_only=True)
class ProfileDetails:
    """What the owner says of themselves. `display_name` is None where the account's name will do."""

    display_name: str | None = None
    bio: str | None = None
    picture_url: str | None = None
    locale: str = "en"
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        if self.display_name is not None and not _is_name(self.display_name):
            allowed = f"1 to {LONGEST_DISPLAY_NAME} printable characters"
            raise Invalid(f"a display name has {allowed}", field="display_name")
        if self.bio is not None and len(self.bio) > LONGEST_BIO:
            raise Invalid(f"a bio has at most {LONGEST_BIO} characters", field="bio")
        if self.picture_url is not None and not _is_web_address(self.picture_url):
            allowed = f"an http or https URL of at most {LONGEST_URL} characters"
            raise Invalid(f"a picture is named by {allowed}", field="picture_url")
        if len(self.locale) > LONGEST_LOCALE or not _LOCALE.fullmatch(self.locale):
            raise Invalid("a locale is a language tag such as `en` or `pt-BR`", field="locale")
        if self.time_zone not in TIME_ZONES:
            raise Invalid("a time zone has an IANA name such as `Africa/Windhoek`", field="time_zone")


def _is_name(text: str) -> bool:
    return 1 <= len(text.strip()) <= len(text) <= LONGEST_DISPLAY_NAME and text.isprintable()


def _is_web_address(text: str) -> bool:
    """Whether it has the form of one; nobody looks whether something is there."""
    if len(text) > LONGEST_URL or not text.isprintable() or _NOT_IN_A_URL.search(text):
        return False
    try:
        parts = urlsplit(text)
        # Reading the port is what checks it.
        named = parts.hostname is not None and parts.port != 0
    except ValueError:
        return False
    return named and parts.scheme in ("http", "https") and "@" not in parts.netloc


@dataclass(eq=False, kw_only=True)
class Profile(Aggregate):
    """How one person presents themselves.

    `shown_name` and `profile_completion` (0 to 100, 20 for each of five parts) follow from the rest;
    they are stored so that lists can show and sort them.
    """

    id: ProfileId
    user_id: UUID
    username: Username | None = None
    account: Account
    details: ProfileDetails
    shown_name: str
    profile_completion: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None

    @classmethod
    def create(cls, id: ProfileId, user_id: UUID, account: Account, now: datetime) -> Self:
        profile = cls(
            id=id,
            user_id=user_id,
            account=account,
            details=ProfileDetails(),
            shown_name="",
            profile_completion=0,
            created_at=now,
            updated_at=now,
        )
        profile._take_over(account, profile.details, now)
        profile._record(ProfileCreated(occurred_at=now, profile_id=id, user_id=user_id))
        return profile

    def change(self, changes: Mapping[str, object], now: datetime) -> None:
        """Take over the named details. Raises Invalid where the result makes no sense."""
        changed = replace(self.details, **changes)  # type: ignore[arg-type]  # names and types come from the body
        if changed != self.details:
            self._take_over(self.account, changed, now)

    def choose_username(self, username: Username, now: datetime) -> None:
        """Take a username that is free, or write the present one in another case."""
        if username != self.username:
            self._rename(username, now)

    def hear(self, account: Account, now: datetime) -> None:
        """Take over what identity says now. A proved address stays proved until it is another one."""
        same = account.email == self.account.email
        proved = account.email_verified or (same and self.account.email_verified)
        heard = replace(account, email_verified=proved)
        if heard != self.account:
            self._take_over(heard, self.details, now)

    def delete(self, now: datetime) -> None:
        """Put the profile away with its account; anybody may take its username from now on."""
        if self.deleted_at is None:
            self.deleted_at = self.updated_at = now

    def restore(self, now: datetime, *, username_is_free: bool) -> None:
        """Bring a deleted profile back, without its username where that was taken meanwhile."""
        if self.deleted_at is None:
            return
        self.deleted_at, self.updated_at = None, now
        if self.username is not None and not username_is_free:
            self._rename(None, now)

    def _rename(self, username: Username | None, now: datetime) -> None:
        old, self.username, self.updated_at = self.username, username, now
        renamed = UsernameChanged(
            occurred_at=now,
            profile_id=self.id,
            user_id=self.user_id,
            old=old.name if old else None,
            new=username.name if username else None,
        )
        self._record(renamed)

    def _take_over(self, account: Account, details: ProfileDetails, now: datetime) -> None:
        self.account, self.details, self.updated_at = account, details, now
        self.shown_name = details.display_name or account.first_name
        parts = (
            account.email,
            account.full_name,
            account.email_verified,
            details.picture_url,
            (details.bio or "").strip(),
        )
        self.profile_completion = 20 * sum(map(bool, parts))
