"""How long a refused sign-in takes says nothing about whether the account exists."""

import dataclasses
import time
from collections.abc import Callable
from itertools import product

import pytest
from uuid_utils.compat import uuid7

from bailiwick.identity.application.ports import IdentityPorts
from bailiwick.identity.infrastructure.passwords import Argon2Passwords, HashingSettings
from bailiwick.kernel.module import Module
from tests.acceptance.depth import DEPTH
from tests.policy.scene import Stage, staged

SAMPLES = 60 * DEPTH
SAME = (0.25, 0.75)
"""The probability that a known account takes longer than an unknown one, where nothing can be told: 0.5. With
60 samples it leaves these bounds by chance once in half a million runs."""


class HastyPasswords(Argon2Passwords):
    """Does no work where there is no account."""

    async def verify(self, password: str, hash: str | None) -> bool:
        return False if hash is None else await super().verify(password, hash)


def in_haste(modules: tuple[Module, ...]) -> tuple[Module, ...]:
    identity, *others = modules
    [ports] = [each for each in identity.provides if isinstance(each, IdentityPorts)]
    hasty = dataclasses.replace(ports, passwords=HastyPasswords(HashingSettings(8192, 1)))
    provides = tuple(hasty if each is ports else each for each in identity.provides)
    return (dataclasses.replace(identity, provides=provides), *others)


async def seconds(stage: Stage, path: str, body: dict[str, object]) -> float:
    scene = await stage.scene(None, "-")
    if body["email"] is None:
        body = body | {"email": scene.caller.email.address}
    started = time.perf_counter()
    answer = await scene.ask("POST", path, body)
    took = time.perf_counter() - started
    assert answer.status_code in (401, 202)
    return took


def longer(first: list[float], second: list[float]) -> float:
    """How probable it is that one of `first` is longer than one of `second` (the area under the ROC)."""
    pairs = list(product(first, second))
    return sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs)


async def told_apart(stage: Stage, path: str, **fields: object) -> float:
    known, unknown = [], []
    for _ in range(SAMPLES):
        known.append(await seconds(stage, path, {"email": None, **fields}))
        unknown.append(await seconds(stage, path, {"email": f"{uuid7().hex}@example.com", **fields}))
    return longer(known[2:], unknown[2:])


@pytest.mark.parametrize(
    ("path", "fields"),
    [("/api/v1/auth/login", {"password": "certainly not this one"}), ("/api/v1/auth/password/forgot", {})],
)
async def test_an_unknown_email_takes_as_long_as_a_known_one(
    sqlite_url: str, path: str, fields: dict[str, object]
) -> None:
    async with staged(sqlite_url) as stage:
        assert SAME[0] < await told_apart(stage, path, **fields) < SAME[1]


async def test_an_answer_without_the_work_is_noticed(sqlite_url: str) -> None:
    change: Callable[[tuple[Module, ...]], tuple[Module, ...]] = in_haste
    async with staged(sqlite_url, change) as stage:
        assert await told_apart(stage, "/api/v1/auth/login", password="certainly not this one") > 0.95
