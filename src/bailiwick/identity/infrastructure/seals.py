"""Refresh tokens and links: derived from a stored seed and a key that is not in the database."""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from hashlib import sha256
from struct import Struct
from uuid import UUID

from bailiwick.identity.application.ports import Sealed, TokenKind
from bailiwick.identity.infrastructure.key_ring import KeyRing

FORM = Struct(">BB16sI32s")
"""Version, kind, id, generation, proof: 54 bytes, so that base64 leaves no spare bits to play with."""
VERSION = 1
KINDS = {TokenKind.REFRESH: 1, TokenKind.RESET: 2, TokenKind.VERIFY: 3}
LENGTH = FORM.size * 4 // 3
SEED_BYTES = 32


class HmacSeals:
    """Seals by HMAC-SHA256. Without the key a copy of the database opens nothing; without the seed, the
    key alone does not either."""

    def __init__(self, ring: KeyRing) -> None:
        self._keys = ring.keys("seals")

    def new_seed(self) -> str:
        return secrets.token_hex(SEED_BYTES)

    def seal(self, kind: TokenKind, id: UUID, seed: str, generation: int = 0) -> str:
        proof = _proof(self._keys[0], kind, id, generation, seed)
        return urlsafe_b64encode(FORM.pack(VERSION, KINDS[kind], id.bytes, generation, proof)).decode()

    def read(self, kind: TokenKind, token: str) -> Sealed | None:
        if len(token) != LENGTH or not token.isascii():
            return None
        try:
            form = urlsafe_b64decode(token)
        except Error:
            return None
        if len(form) != FORM.size or urlsafe_b64encode(form).decode() != token:
            return None
        version, number, id, generation, proof = FORM.unpack(form)
        if version != VERSION or number != KINDS[kind]:
            return None
        return Sealed(kind, UUID(bytes=id), generation, proof)

    def genuine(self, sealed: Sealed, seed: str) -> bool:
        return any(
            hmac.compare_digest(sealed.proof, _proof(key, sealed.kind, sealed.id, sealed.generation, seed))
            for key in self._keys
        )


def _proof(key: bytes, kind: TokenKind, id: UUID, generation: int, seed: str) -> bytes:
    text = FORM.pack(VERSION, KINDS[kind], id.bytes, generation, bytes(32)) + bytes.fromhex(seed)
    return hmac.digest(key, text, sha256)
