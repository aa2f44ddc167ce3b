"""Hashing: ours, those of older systems, and what happens when too many want one."""

import asyncio
import threading

import bcrypt
import pytest
from argon2 import PasswordHasher

from bailiwick.identity.infrastructure.foreign_hashes import check_for
from bailiwick.identity.infrastructure.passwords import Argon2Passwords, HashingSettings
from bailiwick.kernel.application import Unavailable

CHEAP = HashingSettings(memory_kib=8192, passes=1, wait_seconds=30)
LONG = "swordfish-is-long"

FOREIGN = {
    "bcrypt, of its authors": ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    "bcrypt, beyond 72 bytes": (
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored",
        "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
    ),
    "bcrypt, of PHP": ("U*U", "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    "bcrypt, in Django": ("U*U", "bcrypt$$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    "bcrypt over SHA-256, in Django": (
        LONG,
        "bcrypt_sha256$$2b$05$./hKj/Q.sG.ZsC462BHOKuSr4GfZLYb8LPJ0e.jvTm89oh3BrcqYO",
    ),
    "PBKDF2, in Django": (
        "lètmein",
        "pbkdf2_sha256$30000$seasalt$VrX+V8drCGo68wlvy6rfu8i1d1pfkdeXA4LJkRGJodY=",
    ),
    "PBKDF2, RFC 7914 in the form of passlib": (
        "passwd",
        "$pbkdf2-sha256$1$c2FsdA$VawEblbjCJ/sFpHCJUS2BflBhSFt3gRl5oudV8INrLw",
    ),
    "PBKDF2, RFC 6070 in the form of passlib": (
        "password",
        "$pbkdf2$4096$c2FsdA$SwB5AbdlSJq.rUnZJvch0GWkKcE",
    ),
    "PBKDF2, in werkzeug": (
        LONG,
        "pbkdf2:sha256:50000$OnTASXoVjZsCv6rG$ecfcc03638b0da37c7b163c60845f59a03761087aa32f70404f635ac921534e6",
    ),
    "scrypt, in werkzeug": (
        LONG,
        "scrypt:32768:8:1$JEbg4W4yJIPcQGLY$5a75e94a530872de38f737d06b5f5de9c5e0104f80dbbe140b1deb758d5bc695"
        "a4b562b047245a792871ee569769c167467b6698a2c7cb5ec53d864fcabb9605",
    ),
    "Argon2, in Django": (
        LONG,
        "argon2$argon2id$v=19$m=8192,t=1,p=1$y3p+pz8tcYgmb1wpsAQxXQ$B+7RXGqwSkNFGSRcyRg3dmLI7SNwXCdvGNSFhVsXioY",
    ),
}

TOO_DEAR = {
    "bcrypt": "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "PBKDF2": "pbkdf2_sha256$99999999$seasalt$VrX+V8drCGo68wlvy6rfu8i1d1pfkdeXA4LJkRGJodY=",
    "scrypt": f"scrypt:{2**22}:8:1$salt${'ab' * 64}",
    "scrypt, not a power of two": f"scrypt:30000:8:1$salt${'ab' * 64}",
    "Argon2": "$argon2id$v=19$m=9999999,t=1,p=1$y3p+pz8tcYgmb1wpsAQxXQ$B+7RXGqwSkNFGSRcyRg3dmLI7SNwXCdvGN",
    "unknown": "$6$rounds=5000$salt$hash",
    "empty": "",
    "plain text": "swordfish",
    "endless": "scrypt:2:1:1$s$" + "ab" * 10_000,
}


@pytest.mark.parametrize("kind", FOREIGN)
async def test_a_hash_of_another_system_is_understood_and_wants_an_upgrade(kind: str) -> None:
    password, hash = FOREIGN[kind]
    passwords = Argon2Passwords(CHEAP)
    assert passwords.understands(hash)
    assert await passwords.verify(password, hash)
    assert not await passwords.verify(password[:-30] + "x", hash)
    assert passwords.needs_upgrade(hash)
    upgraded = await passwords.hash(password)
    assert await passwords.verify(password, upgraded)
    assert not passwords.needs_upgrade(upgraded)


@pytest.mark.parametrize("kind", TOO_DEAR)
async def test_a_hash_that_is_unknown_or_costs_too_much_is_not_imported_and_never_right(kind: str) -> None:
    passwords = Argon2Passwords(CHEAP)
    assert not passwords.understands(TOO_DEAR[kind])
    assert not await passwords.verify("swordfish", TOO_DEAR[kind])


@pytest.mark.parametrize("length", [72, 73, 128])
async def test_bcrypt_looks_at_72_bytes_and_ours_at_all(length: int) -> None:
    password = "x" * length
    foreign = bcrypt.hashpw(password[:72].encode(), bcrypt.gensalt(4)).decode()
    passwords = Argon2Passwords(CHEAP)
    assert await passwords.verify(password, foreign)
    ours = await passwords.hash(password)
    assert not await passwords.verify(password + "y", ours)
    assert not await passwords.verify(password[:-1], ours)


async def test_the_default_is_argon2id_with_19_mib_2_passes_and_1_lane() -> None:
    hash = await Argon2Passwords(HashingSettings()).hash(LONG)
    assert hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_a_weaker_hash_of_ours_is_upgraded_too() -> None:
    weak = PasswordHasher(1, 1024, 1).hash(LONG)
    passwords = Argon2Passwords(CHEAP)
    assert await passwords.verify(LONG, weak)
    assert passwords.needs_upgrade(weak)


async def test_no_two_hashes_of_one_password_are_equal() -> None:
    passwords = Argon2Passwords(CHEAP)
    assert await passwords.hash(LONG) != await passwords.hash(LONG)


async def test_a_password_is_the_same_however_its_accents_are_typed() -> None:
    passwords = Argon2Passwords(CHEAP)
    assert await passwords.verify("grüner-kaktus", await passwords.hash("gru\u0308ner-kaktus"))


@pytest.mark.parametrize("password", ["", "\0", f"{LONG}\0", f"{LONG}\0more", "x" * 1_000_000, "\ud800"])
async def test_odd_passwords_are_wrong_and_nothing_breaks(password: str) -> None:
    passwords = Argon2Passwords(CHEAP)
    for hash in (await passwords.hash(LONG), bcrypt.hashpw(LONG.encode(), bcrypt.gensalt(4)).decode()):
        assert not await passwords.verify(password, hash)


async def test_nobodys_password_is_never_right() -> None:
    assert not await Argon2Passwords(CHEAP).verify(LONG, None)


async def test_a_used_password_is_found_among_many() -> None:
    passwords = Argon2Passwords(CHEAP)
    hashes = [await passwords.hash("another"), FOREIGN["PBKDF2, in werkzeug"][1]]
    assert await passwords.matches_any(LONG, hashes)
    assert not await passwords.matches_any("never used", hashes)
    assert not await passwords.matches_any(LONG, [])


async def test_with_a_pepper_a_hash_is_worth_nothing_without_it() -> None:
    peppered = Argon2Passwords(HashingSettings(8192, 1, pepper="a pepper that is long enough 12345678"))
    hash = await peppered.hash(LONG)
    assert await peppered.verify(LONG, hash)
    assert not peppered.needs_upgrade(hash)
    assert not await Argon2Passwords(CHEAP).verify(LONG, hash)
    other = Argon2Passwords(HashingSettings(8192, 1, pepper="another pepper that is long enough 123"))
    assert not await other.verify(LONG, hash)


async def test_hashes_from_before_the_pepper_hold_and_want_an_upgrade() -> None:
    plain = await Argon2Passwords(CHEAP).hash("grüner-kaktus")
    peppered = Argon2Passwords(HashingSettings(8192, 1, pepper="a pepper that is long enough 12345678"))
    assert await peppered.verify("gru\u0308ner-kaktus", plain)
    assert peppered.needs_upgrade(plain)


async def test_who_waits_too_long_for_a_hash_is_told_to_come_back() -> None:
    passwords = Argon2Passwords(HashingSettings(8192, 1, workers=1, wait_seconds=0.05))
    release = threading.Event()
    busy = asyncio.create_task(passwords._off_the_loop(release.wait))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as refusal:
        await passwords.hash(LONG)
    assert refusal.value.retry_after >= 1
    release.set()
    await busy
    assert await passwords.hash(LONG)


async def test_who_gives_up_does_not_free_a_thread_that_still_works() -> None:
    passwords = Argon2Passwords(HashingSettings(8192, 1, workers=1, wait_seconds=0.05))
    release = threading.Event()
    busy = asyncio.create_task(passwords._off_the_loop(release.wait))
    await asyncio.sleep(0)
    busy.cancel()
    with pytest.raises(asyncio.CancelledError):
        await busy
    with pytest.raises(Unavailable):
        await passwords.hash(LONG)
    release.set()


async def test_the_event_loop_runs_on_while_a_password_is_hashed() -> None:
    passwords = Argon2Passwords(CHEAP)
    release = threading.Event()
    busy = asyncio.create_task(passwords._off_the_loop(release.wait))
    await asyncio.sleep(0)
    assert not busy.done()
    release.set()
    assert await busy


def test_a_settings_line_shows_no_pepper() -> None:
    assert "hot" not in repr(HashingSettings(pepper="hot"))


def test_no_form_of_hash_is_read_as_another() -> None:
    assert all(check_for(hash) is not None for _, hash in FOREIGN.values())
    assert all(check_for(f" {hash}") is None for _, hash in FOREIGN.values())
