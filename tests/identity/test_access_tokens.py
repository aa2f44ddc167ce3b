"""Access tokens: issued, verified, published, and forged in every way we know."""

import base64
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OctKey, OKPKey

from bailiwick.identity.application.ports import TokenKind
from bailiwick.identity.domain.role import Role
from bailiwick.identity.domain.session import SessionId
from bailiwick.identity.infrastructure.key_ring import KeyRing
from bailiwick.identity.infrastructure.seals import HmacSeals
from bailiwick.identity.infrastructure.tokens import JwtAccessTokens, SigningKey, TokenVerifier
from bailiwick.kernel.application import Unauthenticated
from tests.identity.people import a_user

SECRET = "a secret key that is long enough 1234"
ISSUER = "https://app.example.com"
RING = KeyRing(SECRET)
KEY = SigningKey.of(RING.keys("access")[0])
STRANGER = SigningKey.of(b"s" * 32)
USER = a_user("staff")
SESSION = SessionId(UUID("018f0000-0000-7000-8000-00000000000a"))
STAFF = Role("staff", 60, ("users.read", "tasks.read"))
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TOKENS = JwtAccessTokens(RING, issuer=ISSUER)
TOKEN = TOKENS.issue(USER, STAFF, SESSION, NOW)
HEAD, BODY, SIGNATURE = TOKEN.split(".")
VERIFIER = TokenVerifier(TOKENS.public_keys, issuer=ISSUER, now=NOW.timestamp)

Claims = dict[str, Any]


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


CLAIMS: Claims = json.loads(decoded(BODY))


def signed(head: object = KEY.header, body: object = CLAIMS, key: OKPKey = KEY.pair) -> str:
    """A token with a signature that holds, whatever it says. Bytes are taken as they are."""
    parts = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in (head, body))
    text = ".".join(encoded(part) for part in parts)
    private = key.private_key
    assert isinstance(private, Ed25519PrivateKey)
    return f"{text}.{encoded(private.sign(text.encode()))}"


def with_header(**extra: object) -> str:
    return signed({**KEY.header, **extra})


def with_claims(**extra: object) -> str:
    return signed(body={**CLAIMS, **extra})


def without(claim: str) -> str:
    return signed(body={name: value for name, value in CLAIMS.items() if name != claim})


def hmac_with_the_public_key() -> str:
    public = OctKey.import_key(str(KEY.pair.as_dict(private=False)["x"]))
    return jws.serialize_compact(
        {**KEY.header, "alg": "HS256"}, json.dumps(CLAIMS), public, algorithms=["HS256"]
    )


FORGERIES: dict[str, Callable[[], str]] = {
    "algorithm none": lambda: f"{encoded(json.dumps({**KEY.header, 'alg': 'none'}).encode())}.{BODY}.",
    "algorithm None, signature kept": lambda: with_header(alg="None"),
    "the public key as an HMAC secret": hmac_with_the_public_key,
    "the old name of the algorithm": lambda: with_header(alg="EdDSA"),
    "another algorithm": lambda: with_header(alg="ES256"),
    "no algorithm": lambda: signed({"typ": "at+jwt", "kid": KEY.kid}),
    "no key id": lambda: signed({"alg": "Ed25519", "typ": "at+jwt"}),
    "an unknown key id": lambda: with_header(kid="nobody"),
    "a path as key id": lambda: with_header(kid="../../../../dev/null"),
    "a query as key id": lambda: with_header(kid="x' UNION SELECT 'key' --"),
    "a number as key id": lambda: with_header(kid=7),
    "our key id, a stranger's key": lambda: signed(key=STRANGER.pair),
    "a stranger's key that the header brings": lambda: signed(
        {**KEY.header, "jwk": STRANGER.pair.as_dict(private=False)}, key=STRANGER.pair
    ),
    "a stranger's key by reference": lambda: signed(
        {**KEY.header, "jku": "https://evil.example/jwks.json"}, key=STRANGER.pair
    ),
    "a stranger's certificate by reference": lambda: signed(
        {**KEY.header, "x5u": "https://evil.example/cert.pem"}, key=STRANGER.pair
    ),
    "a certificate in the header": lambda: with_header(x5c=["MIIB"]),
    "a critical extension": lambda: with_header(crit=["exp"], exp=1),
    "an empty list of critical extensions": lambda: with_header(crit=[]),
    "an unencoded payload": lambda: with_header(crit=["b64"], b64=False),
    "b64 that is not critical": lambda: with_header(b64=True),
    "a type for identity tokens": lambda: with_header(typ="JWT"),
    "another spelling of the type": lambda: with_header(typ="application/at+jwt"),
    "no type": lambda: signed({"alg": "Ed25519", "kid": KEY.kid}),
    "an unknown header": lambda: with_header(extra="x"),
    "a nested token": lambda: with_header(cty="JWT"),
    "an algorithm named twice": lambda: signed(
        b'{"alg":"none","alg":"Ed25519","typ":"at+jwt","kid":"%b"}' % KEY.kid.encode()
    ),
    "a header that is no object": lambda: signed([KEY.header]),
    "an encrypted token": lambda: ".".join([encoded(b'{"alg":"dir","enc":"A256GCM"}'), "", "AA", "AA", "AA"]),
    "no signature": lambda: f"{HEAD}.{BODY}.",
    "no signature and no dot": lambda: f"{HEAD}.{BODY}",
    "a signature of zeros": lambda: f"{HEAD}.{BODY}.{encoded(bytes(64))}",
    "a signature of the neutral point": lambda: f"{HEAD}.{BODY}.{encoded(bytes([1]) + bytes(63))}",
    "half a signature": lambda: f"{HEAD}.{BODY}.{SIGNATURE[:43]}",
    "a longer signature": lambda: f"{TOKEN}AA",
    "a padded signature": lambda: f"{TOKEN}==",
    "spare bits in the signature": lambda: TOKEN[:-1] + chr(ord(TOKEN[-1]) + 1),
    "the signature of another token": lambda: f"{HEAD}.{BODY}.{with_claims(stamp=2).rpartition('.')[2]}",
    "another body": lambda: (
        f"{HEAD}.{encoded(json.dumps({**CLAIMS, 'role': 'super_admin'}).encode())}.{SIGNATURE}"
    ),
    "another issuer": lambda: with_claims(iss="https://evil.example"),
    "no issuer": lambda: without("iss"),
    "another audience": lambda: with_claims(aud="billing"),
    "several audiences": lambda: with_claims(aud=["bailiwick", "billing"]),
    "expired": lambda: with_claims(exp=int(NOW.timestamp())),
    "no expiry": lambda: without("exp"),
    "an expiry in words": lambda: with_claims(exp="never"),
    "an expiry that is no number": lambda: with_claims(exp=float("nan")),
    "an endless expiry": lambda: with_claims(exp=float("inf")),
    "from the future": lambda: with_claims(iat=int(NOW.timestamp()) + 3600),
    "not valid yet": lambda: with_claims(nbf=int(NOW.timestamp()) + 3600),
    "an unknown claim": lambda: with_claims(admin=True),
    "nobody": lambda: without("sub"),
    "a subject that is no id": lambda: with_claims(sub="admin"),
    "no session": lambda: with_claims(sid=None),
    "true as a stamp": lambda: with_claims(stamp=True),
    "a list as the scope": lambda: with_claims(scope=["*"]),
    "a claim given twice": lambda: signed(
        body=json.dumps(CLAIMS).replace('"role": "staff"', '"role": "staff", "role": "super_admin"').encode()
    ),
    "claims that are no object": lambda: signed(body=[CLAIMS]),
    "claims that are no JSON": lambda: signed(body=b"\xff\xfe"),
    "deeply nested claims": lambda: signed(body=b"[" * 2_000 + b"]" * 2_000),
    "a number with 10,000 digits": lambda: signed(body=b'{"exp":' + b"9" * 5_000 + b"}"),
    "huge": lambda: with_claims(scope="x" * 100_000),
    "a refresh token": lambda: HmacSeals(RING).seal(TokenKind.REFRESH, SESSION, "ab" * 32),
    "white space around": lambda: f" {TOKEN}",
    "a line break at the end": lambda: f"{TOKEN}\n",
    "nothing": lambda: "",
    "three dots": lambda: "...",
    "no ASCII": lambda: "é.é.é",
    "a NUL": lambda: f"{HEAD}.{BODY}\0.{SIGNATURE}",
}


def test_a_token_says_who_acts_with_which_rights_in_which_session() -> None:
    verified = VERIFIER.verify(TOKEN)
    assert verified.actor.id == USER.id
    assert verified.actor.role == "staff"
    assert verified.actor.permissions == {"users.read", "tasks.read"}
    assert verified.actor.session_id == SESSION
    assert verified.stamp == USER.stamp
    assert verified.expires_at == NOW.timestamp() + 900


def test_a_token_names_its_algorithm_type_and_key_in_the_header() -> None:
    assert json.loads(decoded(HEAD)) == {"alg": "Ed25519", "typ": "at+jwt", "kid": KEY.kid}
    assert CLAIMS["exp"] - CLAIMS["iat"] == TOKENS.seconds == 900


def test_what_the_forger_builds_on_is_good() -> None:
    assert VERIFIER.verify(signed(json.loads(decoded(HEAD)) and decoded(HEAD))).actor.id == USER.id
    assert VERIFIER.verify(signed(decoded(HEAD), {**CLAIMS, "stamp": 9})).stamp == 9


@pytest.mark.parametrize("kind", FORGERIES)
def test_no_forged_token_is_accepted(kind: str) -> None:
    forged = FORGERIES[kind]()
    with pytest.raises(Unauthenticated):
        VERIFIER.verify(forged)


def test_at_least_24_kinds_of_forgery_are_tried() -> None:
    assert len(FORGERIES) >= 24
    assert len({forge() for forge in FORGERIES.values()}) == len(FORGERIES)


def test_refusing_a_forged_token_costs_less_than_a_millisecond() -> None:
    for kind, forge in FORGERIES.items():
        forged, spent = forge(), []
        for _ in range(5):
            began = time.process_time()
            with pytest.raises(Unauthenticated):
                VERIFIER.verify(forged)
            spent.append(time.process_time() - began)
        assert min(spent) < 0.001, kind


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from("ABab01-_."))
def test_no_character_of_a_token_can_be_changed(place: int, character: str) -> None:
    forged = TOKEN[:place] + character + TOKEN[place + 1 :]
    if forged != TOKEN:
        with pytest.raises(Unauthenticated):
            VERIFIER.verify(forged)


def test_a_token_is_refused_from_its_last_second_on() -> None:
    at = {"seconds": NOW.timestamp() + 899}
    verifier = TokenVerifier(TOKENS.public_keys, issuer=ISSUER, now=lambda: at["seconds"])
    verifier.verify(TOKEN)
    at["seconds"] += 1
    with pytest.raises(Unauthenticated, match="expired"):
        verifier.verify(TOKEN)


def test_after_a_change_of_the_secret_key_old_tokens_hold_and_new_ones_have_the_new_key() -> None:
    ring = KeyRing("another secret key that is long too", [SECRET])
    verifier = TokenVerifier(
        JwtAccessTokens(ring, issuer=ISSUER).public_keys, issuer=ISSUER, now=NOW.timestamp
    )
    new = JwtAccessTokens(ring, issuer=ISSUER).issue(USER, STAFF, SESSION, NOW)
    assert verifier.verify(TOKEN).actor == verifier.verify(new).actor
    assert json.loads(decoded(new.split(".")[0]))["kid"] != KEY.kid
    with pytest.raises(Unauthenticated):
        VERIFIER.verify(new)


def test_a_withdrawn_key_is_refused() -> None:
    others = JwtAccessTokens(KeyRing("another secret key that is long too"), issuer=ISSUER).public_keys
    verifier = TokenVerifier(others, issuer=ISSUER, now=NOW.timestamp)
    with pytest.raises(Unauthenticated):
        verifier.verify(TOKEN)


def test_the_published_keys_verify_a_token_and_hold_nothing_private() -> None:
    keys = JwtAccessTokens(KeyRing("another secret key that is long too", [SECRET]), issuer=ISSUER).key_set()[
        "keys"
    ]
    assert len(keys) == 2
    for key in keys:
        assert key.keys() == {"kty", "crv", "x", "kid", "use", "alg"}
    (ours,) = (key for key in keys if key["kid"] == KEY.kid)
    public = OKPKey.import_key(ours)
    assert jws.deserialize_compact(TOKEN, public, algorithms=["Ed25519"]).payload == decoded(BODY)
    assert public.thumbprint() == ours["kid"]
