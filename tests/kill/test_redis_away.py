"""Valkey is paused, emptied, killed: what needs no shared count stays right, what needs it is refused."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import redis

from bailiwick.kernel.testing import valkey_server
from tests.acceptance.people import Person, answers, joined, post, refused_everywhere
from tests.kill.depth import KILLS, times
from tests.kill.running import Mortal, mortal

SLOWEST_READS = 1.5  # seconds more than usual, while it is found out that nobody answers


class Valkey:
    """A server of this test's own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = redis.Redis.from_url(url)
        self._process = int(self.client.info("server")["process_id"])

    def signal(self, number: signal.Signals) -> None:
        os.kill(self._process, number)


Fault = Callable[[Valkey], object]


FAULTS: dict[str, Fault] = {
    "emptied": lambda valkey: valkey.client.flushall(),
    "paused": lambda valkey: valkey.signal(signal.SIGSTOP),  # accepts connections, and answers nothing
    "killed": lambda valkey: valkey.signal(signal.SIGKILL),
}


@pytest.fixture
def valkey_to_kill(monkeypatch: pytest.MonkeyPatch) -> Iterator[Valkey]:
    """One that may be killed, whatever the environment names."""
    monkeypatch.delenv("REDIS_URL", raising=False)
    with valkey_server() as url:
        valkey = Valkey(url)
        yield valkey
        valkey.client.close()


def wrong_under(fault: Fault, server: Mortal, valkey: Valkey, ended: Person) -> list[str]:
    """What is wrong while Valkey has this fault. `ended` is somebody whose session ended before."""
    wrong = []
    ada, bob = joined(server.server), joined(server.server)
    key = {"Idempotency-Key": uuid4().hex}
    made = ada.ask("POST", "/tasks", json={"title": "Once"}, headers=key)
    started = time.monotonic()
    answers(ada)
    usual = time.monotonic() - started
    fault(valkey)
    started = time.monotonic()
    if bob.ask("POST", "/auth/logout").status_code not in (200, 204):
        wrong.append("somebody cannot sign out")
    revoked = time.monotonic()
    reads = answers(ada)
    took = time.monotonic() - started
    if set(reads) != {200} or took > SLOWEST_READS + 3 * usual:
        wrong.append(f"reads were answered {set(reads)} within {took:.1f} s, before in {usual:.1f}")
    if ada.ask("POST", "/tasks", json={"title": "Once"}, headers=key).content != made.content:
        wrong.append("a repeated request was not answered as the first")
    if fault is not FAULTS["emptied"]:
        guess = {"email": ada.email, "password": "wrong"}
        if post(server.server, "/auth/login", guess).status_code != 503:
            wrong.append("a password could be tried although nobody counts")
    if not refused_everywhere(bob, revoked) or not refused_everywhere(ended, 0.0):
        wrong.append("a session that ended is accepted")
    return wrong


def judged(
    database_url: str, directory: Path, valkey: Valkey, faults: list[str], plant: str = ""
) -> list[str]:
    wrong = []
    shared = {"REDIS_URL": valkey.url, "BAILIWICK_LIMITS__ENABLED": "true"}
    with mortal(database_url, directory, plant, **shared) as server:
        ended = joined(server.server)
        ended.ask("POST", "/auth/logout")
        for fault in faults:
            found = wrong_under(FAULTS[fault], server, valkey, ended)
            wrong += [f"{fault}: {each}" for each in found]
            if fault == "paused":
                valkey.signal(signal.SIGCONT)
                time.sleep(1.1)  # so long the server does not ask again
    return wrong


def test_without_redis_nothing_that_was_decided_changes(
    postgresql_url: str, valkey_to_kill: Valkey, tmp_path: Path
) -> None:
    faults = [*["paused", *["emptied", "paused"] * times(0, 10)], "killed"]
    assert judged(postgresql_url, tmp_path, valkey_to_kill, faults) == []


if KILLS:

    def test_a_server_that_trusts_tokens_is_found_out(
        postgresql_url: str, valkey_to_kill: Valkey, tmp_path: Path
    ) -> None:
        found = judged(postgresql_url, tmp_path, valkey_to_kill, ["emptied"], "trusts_tokens")
        assert found == ["emptied: a session that ended is accepted"]
