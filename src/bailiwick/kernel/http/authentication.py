"""Who asks: access tokens verified once, remembered until they expire, dropped when they are revoked."""

import time
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from bailiwick.kernel.application import Actor, Unauthenticated, Unavailable

MOST_REMEMBERED = 20_000
BLIND_SECONDS = 5.0
NO_STAMP = (0, 0.0)


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What a good access token says. `expires_at` is a POSIX time; `stamp` is the account's security
    stamp when the token was made: a higher one since then means that the token no longer counts."""

    actor: Actor
    stamp: int
    expires_at: float


class Over(StrEnum):
    """Why a token that was good no longer counts."""

    TOKEN_EXPIRED = "token_expired"
    SESSION_ENDED = "session_ended"
    ACCOUNT_CHANGED = "account_changed"


REFUSALS = {
    Over.TOKEN_EXPIRED: "the access token has expired; refresh it",
    Over.SESSION_ENDED: "the access token was revoked; sign in or refresh",
    Over.ACCOUNT_CHANGED: "the access token was revoked; sign in or refresh",
}

Verify = Callable[[str], VerifiedToken]
"""Raises Unauthenticated for anything but a token of ours that holds now."""


class Authentication:
    """The tokens and revocations that one worker knows. No query on the hot path.

    Somebody must call `learn`, before the first request and then at least every second, with what was
    revoked lately: where nobody did for 5 s, requests are refused as Unavailable rather than trusted.
    """

    def __init__(self, verify: Verify, now: Callable[[], float] = time.time) -> None:
        self._verify, self._now = verify, now
        self._known: dict[str, VerifiedToken] = {}
        self._ended: dict[UUID, float] = {}
        self._stamps: dict[UUID, tuple[int, float]] = {}
        self._learned_at = float("-inf")

    def actor(self, authorization: str) -> Actor:
        """The actor behind an `Authorization` header. Raises Unauthenticated or Unavailable."""
        return self.verified(authorization).actor

    def verified(self, authorization: str) -> VerifiedToken:
        """The token in an `Authorization` header. Raises Unauthenticated or Unavailable."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("send the access token as `Authorization: Bearer …`")
        if self.blind:
            raise Unavailable("revocations are not known at the moment")
        known = self._known.get(token)
        if known is None:
            known = self._verify(token)
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[token] = known
        over = self.over(known)
        if over is not None:
            if over is Over.TOKEN_EXPIRED:
                del self._known[token]
            raise Unauthenticated(REFUSALS[over])
        return known

    @property
    def blind(self) -> bool:
        """Whether nobody has told of revocations lately, so that no token can be trusted."""
        return self._now() - self._learned_at > BLIND_SECONDS

    def over(self, token: VerifiedToken) -> Over | None:
        """Why a token no longer counts, as far as is known here; None where it does."""
        actor = token.actor
        if token.expires_at <= self._now():
            return Over.TOKEN_EXPIRED
        if actor.session_id in self._ended:
            return Over.SESSION_ENDED
        if self._stamps.get(actor.id, NO_STAMP)[0] > token.stamp:
            return Over.ACCOUNT_CHANGED
        return None

    def forget(self) -> None:
        """Verify every token anew: the keys that count are others now."""
        self._known.clear()

    def learn(self, ended: Set[UUID], stamps: Mapping[UUID, int], keep_seconds: float) -> None:
        """Take in sessions that ended and stamps that rose, and forget what no token can still name."""
        now = self._now()
        self._learned_at = now
        for session_id in ended:
            self._ended.setdefault(session_id, now + keep_seconds)
        for user_id, stamp in stamps.items():
            self._stamps[user_id] = (stamp, now + keep_seconds)
        if len(self._ended) + len(self._stamps) > MOST_REMEMBERED:
            self._ended = {key: until for key, until in self._ended.items() if until > now}
            self._stamps = {key: known for key, known in self._stamps.items() if known[1] > now}
