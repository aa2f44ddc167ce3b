"""How often a password may be guessed: attempts are counted before the password is looked at."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from math import ceil
from typing import Self

from bailiwick.kernel.application import TooMany


@dataclass(frozen=True)
class Bucket:
    """Attempts that are counted together: those on one account from strangers, or from one known device.

    Strangers fill a bucket of their own, so they cannot lock out an owner whose device signed in before.
    Both parts are digests: what people type by mistake is not stored.
    """

    account: str
    device: str = ""

    @classmethod
    def sign_in(cls, email_key: str, known_device: str | None = None) -> Self:
        return cls(account_of(email_key), _digest(known_device) if known_device else "")

    @classmethod
    def letters(cls, email_key: str) -> Self:
        """Mails that anybody can have sent to one address."""
        return cls(_digest(f"letters\n{email_key}"))


def account_of(email_key: str) -> str:
    """The name under which the attempts on one account are counted, whoever makes them."""
    return _digest(f"sign-in\n{email_key}")


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True)
class Attempt:
    """What a bucket holds with this attempt in it.

    `count` is since the window began, `total` counts the admitted ones since the last success.
    """

    count: int
    total: int
    resets_at: datetime

    def wait(self, now: datetime) -> int:
        """Whole seconds until the next window, at least 1."""
        return max(1, ceil((self.resets_at - now).total_seconds()))


@dataclass(frozen=True)
class SignInGuard:
    """At most `limit` guesses per `window` and `total` in a row; a success or a reset starts afresh."""

    limit: int = 10
    window: timedelta = timedelta(minutes=15)
    total: int = 100

    def admit(self, attempt: Attempt, now: datetime) -> None:
        """Raise TooMany unless this attempt's password may be looked at."""
        if attempt.count > self.limit or attempt.total > self.total:
            raise TooMany(
                "too many sign-in attempts: wait, or reset the password", retry_after=attempt.wait(now)
            )


@dataclass(frozen=True)
class LetterLimit:
    """At most `limit` mails per `window` that anybody can have sent to one address."""

    limit: int = 5
    window: timedelta = timedelta(hours=1)

    def exceeded(self, attempt: Attempt) -> bool:
        return attempt.count > self.limit
