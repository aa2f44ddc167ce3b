"""Access tokens: JWTs (RFC 9068) signed with Ed25519, and the public keys by which others verify them."""

import json
import re
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from bailiwick.identity.domain.role import Role
from bailiwick.identity.domain.session import SessionId
from bailiwick.identity.domain.user import User
from bailiwick.identity.infrastructure.key_ring import KeyRing
from bailiwick.kernel.application import Actor, Unauthenticated
from bailiwick.kernel.http.authentication import VerifiedToken

ALGORITHM = "Ed25519"
LONGEST = 8192
CLOCK_SKEW = 30
SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}")
CLAIMS: dict[str, type] = {
    "iss": str,
    "aud": str,
    "sub": str,
    "sid": str,
    "role": str,
    "scope": str,
    "jti": str,
    "stamp": int,
    "iat": int,
    "exp": int,
}


@dataclass(frozen=True)
class SigningKey:
    """A key pair and the one header that tokens signed with it have."""

    private: Ed25519PrivateKey = field(repr=False)
    pair: OKPKey = field(repr=False)
    kid: str
    header: dict[str, str]
    written: str
    """The header as it stands in a token."""

    @classmethod
    def of(cls, secret: bytes) -> "SigningKey":
        private = Ed25519PrivateKey.from_private_bytes(secret)
        pair = OKPKey.import_key(private)
        kid = pair.thumbprint()
        header = _header(kid)
        return cls(private, pair, kid, header, _encoded(header))

    def sign(self, claims: dict[str, Any]) -> str:
        """The claims as a JWS in its compact form (RFC 7515, section 7.1).

        Written by hand because header and algorithm never vary: a third of the time of the general way.
        """
        signed = f"{self.written}.{_encoded(claims)}"
        return f"{signed}.{_base64(self.private.sign(signed.encode()))}"

    def published(self) -> dict[str, Any]:
        public = self.pair.as_dict(private=False)
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": public["x"],
            "kid": self.kid,
            "use": "sig",
            "alg": ALGORITHM,
        }


class JwtAccessTokens:
    """Issues tokens with the current key."""

    def __init__(
        self, ring: KeyRing, *, issuer: str, audience: str = "bailiwick", seconds: int = 900
    ) -> None:
        self._keys = [SigningKey.of(secret) for secret in ring.keys("access")]
        self.issuer, self._audience, self._seconds = issuer, audience, seconds

    @property
    def seconds(self) -> int:
        return self._seconds

    @property
    def public_keys(self) -> tuple[str, ...]:
        """The current key and those that still verify, as `TokenVerifier` takes them."""
        return tuple(key.published()["x"] for key in self._keys)

    def issue(self, user: User, role: Role, session_id: SessionId, now: datetime) -> str:
        issued_at = int(now.timestamp())
        claims = {
            "iss": self.issuer,
            "aud": self._audience,
            "sub": str(user.id),
            "sid": str(session_id),
            "role": role.name,
            "scope": " ".join(role.permissions),
            "stamp": user.stamp,
            "iat": issued_at,
            "exp": issued_at + self._seconds,
            "jti": uuid4().hex,
        }
        return self._keys[0].sign(claims)

    def key_set(self) -> dict[str, Any]:
        """The JSON Web Key Set: the current public key and those that still verify."""
        return {"keys": [key.published() for key in self._keys]}


class TokenVerifier:
    """Accepts what JwtAccessTokens issues with the private halves of the trusted keys, and nothing else."""

    def __init__(
        self,
        public_keys: Sequence[str] = (),
        *,
        issuer: str = "",
        audience: str = "bailiwick",
        now: Callable[[], float] = time.time,
    ) -> None:
        self._audience, self._now = audience, now
        self._trusted: tuple[Sequence[str], str] = ((), "")
        self._keys: dict[str, OKPKey] = {}
        self.trust(public_keys, issuer)

    def trust(self, public_keys: Sequence[str], issuer: str) -> bool:
        """Accept tokens of `issuer` signed with one of these keys and no others. Whether that is a change."""
        if self._trusted == (public_keys, issuer):
            return False
        pairs = [OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": x}) for x in public_keys]
        # Headers are compared as they are written: no algorithm, key or extension that a token names
        # is ever looked at.
        self._keys = {_encoded(_header(pair.thumbprint())): pair for pair in pairs}
        self._trusted = (public_keys, issuer)
        return True

    def verify(self, token: str) -> VerifiedToken:
        """Who the token speaks for. Raises Unauthenticated."""
        if len(token) > LONGEST or not SHAPE.fullmatch(token):
            raise _invalid()
        key = self._keys.get(token.partition(".")[0])
        if key is None:
            raise _invalid()
        try:
            payload = jws.deserialize_compact(token, key, algorithms=[ALGORITHM]).payload
            claims = json.loads(payload, object_pairs_hook=_unambiguous, parse_constant=_refuse)
            return self._verified(claims)
        except (JoseError, ValueError) as error:
            raise _invalid() from error

    def _verified(self, claims: object) -> VerifiedToken:
        """Raises ValueError for claims that we would not have written, Unauthenticated for old ones."""
        if not isinstance(claims, dict) or claims.keys() != CLAIMS.keys():
            raise ValueError("claims are missing or unknown")
        if any(type(claims[name]) is not kind for name, kind in CLAIMS.items()):
            raise ValueError("a claim has the wrong type")
        if claims["iss"] != self._trusted[1] or claims["aud"] != self._audience:
            raise ValueError("the token is from or for somebody else")
        now = self._now()
        if claims["iat"] > now + CLOCK_SKEW:
            raise ValueError("the token is from the future")
        if claims["exp"] <= now:
            raise Unauthenticated("the access token has expired; refresh it")
        actor = Actor(
            id=UUID(claims["sub"]),
            role=claims["role"],
            permissions=frozenset(claims["scope"].split()),
            session_id=UUID(claims["sid"]),
        )
        return VerifiedToken(actor, claims["stamp"], float(claims["exp"]))


def _header(kid: str) -> dict[str, str]:
    return {"alg": ALGORITHM, "typ": "at+jwt", "kid": kid}


def _encoded(content: dict[str, Any]) -> str:
    return _base64(orjson.dumps(content))


def _base64(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _invalid() -> Unauthenticated:
    return Unauthenticated("the access token is not valid; sign in again")


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    claims = dict(pairs)
    if len(claims) != len(pairs):
        raise ValueError("a claim is there twice")
    return claims


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")
