"""Hashing passwords with Argon2id, off the event loop, and understanding what older systems hashed."""

import asyncio
import hmac
import os
import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TypeVar

from pwdlib.hashers.argon2 import Argon2Hasher

from bailiwick.identity.domain.password import ENDS, normalised
from bailiwick.identity.infrastructure.foreign_hashes import check_for
from bailiwick.kernel.application import Unavailable

Result = TypeVar("Result")

SHORTEST_CORE = 5
NICENESS = 10
LONGEST = 4096
"""Passwords beyond this many characters are wrong without being looked at; the policy allows far fewer."""


@dataclass(frozen=True)
class HashingSettings:
    """What one hash costs, how many are made at once, and how long a request waits for its turn.

    With a pepper a copy of the database is no use for guessing; without it no password works any more.
    """

    memory_kib: int = 19_456
    passes: int = 2
    lanes: int = 1
    workers: int = 2
    wait_seconds: float = 2.0
    pepper: str | None = field(default=None, repr=False)


class Argon2Passwords:
    """Our hashes are `$argon2id$…`, or `$pepper$<key>$argon2id$…` with a pepper, `key` saying which."""

    def __init__(self, settings: HashingSettings) -> None:
        self._argon2 = Argon2Hasher(settings.passes, settings.memory_kib, settings.lanes)
        self._pepper = settings.pepper.encode() if settings.pepper else None
        self._prefix = f"$pepper${_fingerprint(self._pepper)}" if self._pepper else ""
        self._pool = ThreadPoolExecutor(settings.workers, "password", _step_back)
        self._free = asyncio.Semaphore(settings.workers)
        self._wait = settings.wait_seconds
        self.busy = self.waiting = 0
        self._nobodys = self._hash(secrets.token_hex(16))

    async def hash(self, password: str) -> str:
        return await self._off_the_loop(lambda: self._hash(password))

    async def verify(self, password: str, hash: str | None) -> bool:
        right = await self._off_the_loop(lambda: self._verify(password, hash or self._nobodys))
        return right and hash is not None

    async def matches_any(self, password: str, hashes: Sequence[str]) -> bool:
        if not hashes:
            return False
        return await self._off_the_loop(lambda: any(self._verify(password, hash) for hash in hashes))

    def needs_upgrade(self, hash: str) -> bool:
        if not self._is_ours(hash):
            return True
        return self._argon2.check_needs_rehash(hash.removeprefix(self._prefix))

    def understands(self, hash: str) -> bool:
        return check_for(hash) is not None

    def close(self) -> None:
        """Let go of the threads; hashes under way are finished."""
        self._pool.shutdown(wait=False)

    def _is_ours(self, hash: str) -> bool:
        return hash.startswith(f"{self._prefix}$argon2id$")

    def _hash(self, password: str) -> str:
        return self._prefix + self._argon2.hash(self._peppered(password))

    def _verify(self, password: str, hash: str) -> bool:
        if len(password) > LONGEST or "\0" in password:
            password, hash = "", self._nobodys
        if self._is_ours(hash):
            return self._argon2.verify(self._peppered(password), hash.removeprefix(self._prefix))
        check = check_for(hash)
        # Other systems hashed what was typed, not its normal form.
        forms = dict.fromkeys((password, normalised(password)))
        return check is not None and any(check(form.encode("utf-8", "replace")) for form in forms)

    def _peppered(self, password: str) -> bytes:
        text = normalised(password).encode("utf-8", "replace")
        return hmac.digest(self._pepper, text, sha256).hex().encode() if self._pepper else text

    async def _off_the_loop(self, work: Callable[[], Result]) -> Result:
        self.waiting += 1
        try:
            async with asyncio.timeout(self._wait):
                await self._free.acquire()
        except TimeoutError as error:
            raise Unavailable("too many are signing in at the moment", retry_after=2) from error
        finally:
            self.waiting -= 1
        self.busy += 1
        job = asyncio.get_running_loop().run_in_executor(self._pool, work)
        # Not before the thread is done, even if whoever waits for it has gone.
        job.add_done_callback(self._release)
        return await asyncio.shield(job)

    def _release(self, job: object) -> None:
        self.busy -= 1
        self._free.release()


def _step_back() -> None:
    """Let the event loop go first: on Linux each thread has a priority of its own."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def _fingerprint(pepper: bytes) -> str:
    return hmac.digest(pepper, b"bailiwick/identity/pepper", sha256).hex()[:8]


@cache
def common_passwords() -> frozenset[str]:
    """What people choose most, case-folded: passwords, and words that become one with a digit or two."""
    text = files("bailiwick.identity.infrastructure").joinpath("common_passwords.txt").read_text("utf-8")
    listed = text.split()
    # What digits surround is found by what is between them, so that must be in the set as well.
    cores = (ENDS.sub("", each) for each in listed)
    return frozenset(listed).union(core for core in cores if len(core) >= SHORTEST_CORE)
