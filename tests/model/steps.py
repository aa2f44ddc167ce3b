"""How far a state machine was driven, and how it is driven: a short while, or as long as is asked for."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.acceptance.depth import DEPTH

FEWEST = 10
"""Steps to which a failure shrinks. What gives people their money at the beginning does not count."""


@dataclass
class Steps:
    """`sequences` were begun; `current` is how many steps the last of them made; `met` what came of which."""

    sequences: int = 0
    total: int = 0
    current: int = 0
    met: Counter[str] = field(default_factory=Counter)

    def begin(self) -> None:
        self.sequences, self.current = self.sequences + 1, 0

    def step(self) -> None:
        self.current, self.total = self.current + 1, self.total + 1

    def __str__(self) -> str:
        return json.dumps({"sequences": self.sequences, "steps": self.total, **dict(self.met.most_common())})


def driven(
    machine: Callable[[Steps], RuleBasedStateMachine], sequences: int, *, into: Steps | None = None
) -> None:
    """Drive it through so many sequences, times the depth. Raises what it finds, in the fewest steps."""
    steps = into or Steps()
    shrinks = DEPTH > 1 or into is None
    kept: dict[str, Any] = {"database": None, "deadline": None, "print_blob": False}
    how = settings(
        max_examples=sequences * DEPTH,
        stateful_step_count=50 if DEPTH > 1 else 25,
        derandomize=DEPTH == 1,
        phases=(Phase.generate, Phase.shrink) if shrinks else (Phase.generate,),
        suppress_health_check=[*HealthCheck],
        report_multiple_bugs=False,
        **kept,
    )
    try:
        # It says that it takes a class, and takes whatever makes a machine.
        run_state_machine_as_test(lambda: machine(steps), settings=how)  # type: ignore[arg-type]
    finally:
        print(steps)


def found_out(machine: Callable[[Steps], RuleBasedStateMachine], sequences: int) -> None:
    """Drive a machine of which something is wrong until it says so. A long run shrinks what it has found."""
    steps = Steps()
    with pytest.raises(AssertionError):
        driven(machine, sequences, into=steps)
    assert steps.current <= FEWEST or DEPTH == 1
