"""Pairs of slices, one on each server in alternating order, and what their ratios say."""

import random
import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

RESAMPLES = 4000


@dataclass(frozen=True, slots=True)
class Slice:
    """What one server did in one slice. `cpu_us` is its own time for one request, in microseconds."""

    rate: float
    cpu_us: float
    busy: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A median of ratios, with the interval in which it lies with 95 % confidence."""

    median: float
    low: float
    high: float

    def contains(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the first server did against the second. Above 1 the first is better, in both ratios."""

    name: str
    meaning: str
    first: tuple[Slice, ...]
    second: tuple[Slice, ...]

    @property
    def rate(self) -> Estimate:
        return estimate([a.rate / b.rate for a, b in zip(self.first, self.second, strict=True)])

    @property
    def cpu(self) -> Estimate:
        return estimate([b.cpu_us / a.cpu_us for a, b in zip(self.first, self.second, strict=True)])


Measure = Callable[[], Awaitable[Slice]]


def estimate(ratios: Sequence[float], seed: int = 1) -> Estimate:
    """The median of the ratios, and the middle 95 % of the medians of their resamples (bootstrap)."""
    dice = random.Random(seed)
    medians = sorted(statistics.median(dice.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES))
    edge = int(RESAMPLES * 0.025)
    return Estimate(statistics.median(ratios), medians[edge], medians[-edge - 1])


def is_void(same_against_itself: Comparison) -> bool:
    """Whether something besides the servers made a difference: one against itself must come out as 1."""
    return not same_against_itself.rate.contains(1.0)


async def compare(
    name: str,
    meaning: str,
    first: Measure,
    second: Measure,
    *,
    pairs: int,
    after_each: Callable[[int], None] = lambda done: None,
) -> Comparison:
    """Measure both so many times, each of them first in every other pair."""
    found: tuple[list[Slice], list[Slice]] = ([], [])
    for pair in range(pairs):
        for which in (0, 1) if pair % 2 == 0 else (1, 0):
            found[which].append(await (first, second)[which]())
        after_each(pair + 1)
    return Comparison(name, meaning, tuple(found[0]), tuple(found[1]))


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which so many percent lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
