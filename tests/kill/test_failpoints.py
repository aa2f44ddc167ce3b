"""Failpoints do what the variable says, cost nothing without it, and production refuses it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bailiwick.kernel.failpoints import VARIABLE, armed, reached
from tests.acceptance.server import command


def test_a_point_costs_next_to_nothing_where_none_is_set() -> None:
    rounds = []
    for _ in range(5):  # whatever else the machine does costs more in some of them, and never less
        started = time.perf_counter()
        for _ in range(100_000):
            reached("database.before_commit")
        rounds.append(time.perf_counter() - started)
    assert min(rounds) < 0.1  # 1 µs each would be too much; it is about 0.03


def test_a_process_kills_itself_at_its_third_hit_and_counts_until_then(tmp_path: Path) -> None:
    hits = tmp_path / "hits"
    loop = (
        "from bailiwick.kernel.failpoints import reached\nfor _ in range(9): reached('a.b'); reached('c.d')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", loop],
        env=os.environ | {VARIABLE: f"*=count:{hits}; c.d=kill@3"},
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    assert hits.read_text().split() == ["a.b", "c.d"] * 3


def test_a_point_waits_with_a_probability(tmp_path: Path) -> None:
    act = armed("a.*=sleep:0.001@0.5")
    waits = []
    for _ in range(200):
        started = time.perf_counter()
        act("a.b")
        waits.append(time.perf_counter() - started > 0.001)
    assert 50 < sum(waits) < 150
    act("b.a")


@pytest.mark.parametrize("text", ["a", "a=die", "a=kill:3", "a=sleep", "a=count", "=kill", "a=kill@often"])
def test_what_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not name=kill|could not convert"):
        armed(text)


def test_production_refuses_failpoints_and_development_does_not(sqlite_url: str) -> None:
    assert command(sqlite_url, "settings", **{VARIABLE: "a.b=kill"}).returncode == 0
    refused = command(sqlite_url, "settings", **{VARIABLE: "a.b=kill", "BAILIWICK_PROFILE": "production"})
    assert refused.returncode != 0
    assert VARIABLE in refused.stderr
