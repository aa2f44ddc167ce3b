"""Keys for different purposes, derived from the one secret of the settings and from its predecessors."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


@dataclass(frozen=True)
class KeyRing:
    """`secret_key` makes new tokens; those made with `previous` keys still count."""

    secret_key: str = field(repr=False)
    previous: Sequence[str] = field(default=(), repr=False)

    def keys(self, purpose: str) -> list[bytes]:
        """32 bytes for each secret, the current one first."""
        return [_derived(secret, purpose) for secret in (self.secret_key, *self.previous)]


def _derived(secret: str, purpose: str) -> bytes:
    info = f"bailiwick/identity/{purpose}/v1".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret.encode())
