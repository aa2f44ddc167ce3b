"""Password hashes that other systems made: verified as they were made, never made here."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable

import bcrypt
from argon2 import Type
from argon2.exceptions import VerificationError
from argon2.low_level import verify_secret

Check = Callable[[bytes], bool]
"""Whether a password, in UTF-8, has the hash."""

# A hash from outside says how much work it takes: more than this is no hash but an attack.
MOST_BCRYPT_ROUNDS = 15
MOST_PBKDF2_ITERATIONS = 5_000_000
MOST_SCRYPT_BYTES = 256 * 1024 * 1024
MOST_SCRYPT_LANES = 16
MOST_ARGON2_KIB = 1024 * 1024
MOST_ARGON2_PASSES = 20
MOST_ARGON2_LANES = 16
LONGEST_HASH = 512

BCRYPT = re.compile(r"(?:bcrypt\$)?(\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53})")
DJANGO_BCRYPT_SHA256 = re.compile(r"bcrypt_sha256\$(\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53})")
DJANGO_PBKDF2 = re.compile(r"pbkdf2_(sha1|sha256)\$(\d{1,8})\$([^$]+)\$([A-Za-z0-9+/]+=*)")
PASSLIB_PBKDF2 = re.compile(r"\$pbkdf2(?:-(sha256|sha512))?\$(\d{1,8})\$([A-Za-z0-9./]*)\$([A-Za-z0-9./]+)")
WERKZEUG_PBKDF2 = re.compile(r"pbkdf2:(sha1|sha256|sha512)(?::(\d{1,8}))?\$([^$]+)\$([0-9a-f]+)")
WERKZEUG_SCRYPT = re.compile(r"scrypt:(\d{1,8}):(\d{1,3}):(\d{1,3})\$([^$]+)\$([0-9a-f]+)")
ARGON2 = re.compile(
    r"(?:argon2)?(\$argon2(id|i|d)\$v=\d+\$m=(\d{1,8}),t=(\d{1,4}),p=(\d{1,3})\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+)"
)


def check_for(stored: str) -> Check | None:
    """How to check a password against the stored hash; None where nobody here knows or it costs too much."""
    if len(stored) > LONGEST_HASH:
        return None
    for form, reader in _FORMS.items():
        if found := form.fullmatch(stored):
            return reader(found)
    return None


def _bcrypt(found: re.Match[str]) -> Check | None:
    # The original looks at 72 bytes and says nothing about the rest; the library raises instead.
    return _bcrypt_check(found, lambda password: password[:72])


def _bcrypt_sha256(found: re.Match[str]) -> Check | None:
    return _bcrypt_check(found, lambda password: hashlib.sha256(password).hexdigest().encode())


def _bcrypt_check(found: re.Match[str], prepare: Callable[[bytes], bytes]) -> Check | None:
    hash, rounds = found[1].encode(), int(found[2])
    if rounds > MOST_BCRYPT_ROUNDS:
        return None

    def check(password: bytes) -> bool:
        try:
            return bcrypt.checkpw(prepare(password), hash)
        except ValueError:
            return False

    return check


def _django_pbkdf2(found: re.Match[str]) -> Check | None:
    return _pbkdf2(found[1], int(found[2]), found[3].encode(), base64.b64decode(found[4]))


def _passlib_pbkdf2(found: re.Match[str]) -> Check | None:
    return _pbkdf2(found[1] or "sha1", int(found[2]), _adapted(found[3]), _adapted(found[4]))


def _werkzeug_pbkdf2(found: re.Match[str]) -> Check | None:
    return _pbkdf2(found[1], int(found[2] or 150_000), found[3].encode(), bytes.fromhex(found[4]))


def _pbkdf2(digest: str, iterations: int, salt: bytes, expected: bytes) -> Check | None:
    if not 1 <= iterations <= MOST_PBKDF2_ITERATIONS:
        return None

    def check(password: bytes) -> bool:
        made = hashlib.pbkdf2_hmac(digest, password, salt, iterations, len(expected))
        return hmac.compare_digest(made, expected)

    return check


def _werkzeug_scrypt(found: re.Match[str]) -> Check | None:
    n, r, p = int(found[1]), int(found[2]), int(found[3])
    salt, expected = found[4].encode(), bytes.fromhex(found[5])
    if n < 2 or n & (n - 1) or r < 1 or 128 * n * r > MOST_SCRYPT_BYTES or not 1 <= p <= MOST_SCRYPT_LANES:
        return None

    def check(password: bytes) -> bool:
        made = hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=132 * n * r * p, dklen=len(expected))
        return hmac.compare_digest(made, expected)

    return check


def _argon2(found: re.Match[str]) -> Check | None:
    hash = found[1].encode()
    kind = {"id": Type.ID, "i": Type.I, "d": Type.D}[found[2]]
    kib, passes, lanes = int(found[3]), int(found[4]), int(found[5])
    if kib > MOST_ARGON2_KIB or passes > MOST_ARGON2_PASSES or lanes > MOST_ARGON2_LANES:
        return None

    def check(password: bytes) -> bool:
        try:
            return verify_secret(hash, password, kind)
        except VerificationError:
            return False

    return check


def _adapted(text: str) -> bytes:
    """Passlib's base64: a dot for the plus, no padding."""
    return base64.b64decode(text.replace(".", "+") + "=" * (-len(text) % 4))


_FORMS: dict[re.Pattern[str], Callable[[re.Match[str]], Check | None]] = {
    BCRYPT: _bcrypt,
    DJANGO_BCRYPT_SHA256: _bcrypt_sha256,
    DJANGO_PBKDF2: _django_pbkdf2,
    PASSLIB_PBKDF2: _passlib_pbkdf2,
    WERKZEUG_PBKDF2: _werkzeug_pbkdf2,
    WERKZEUG_SCRYPT: _werkzeug_scrypt,
    ARGON2: _argon2,
}
