"""What the ratios of pairs say, on made-up slices."""

from itertools import cycle

import pytest

from bench.pairs import Comparison, Slice, compare, estimate, is_void, percentile


def slices(*rates: float) -> tuple[Slice, ...]:
    return tuple(Slice(rate=rate, cpu_us=1e6 / rate, busy=1.0) for rate in rates)


def comparison(first: tuple[Slice, ...], second: tuple[Slice, ...]) -> Comparison:
    return Comparison("A/A", "", first, second)


def test_the_interval_holds_the_median_and_narrows_around_equal_ratios() -> None:
    spread, equal = estimate([0.8, 0.9, 1.0, 1.1, 1.2]), estimate([0.5] * 12)
    assert spread.low <= spread.median == 1.0 <= spread.high
    assert (equal.low, equal.median, equal.high) == (0.5, 0.5, 0.5)


def test_both_ratios_are_above_one_for_the_better_server() -> None:
    found = comparison(slices(2000, 2200, 2100), slices(1000, 1100, 1050))
    assert found.rate.median == pytest.approx(2.0)
    assert found.cpu.median == pytest.approx(2.0)


def test_a_drift_of_the_whole_machine_does_not_show_in_the_ratio() -> None:
    found = comparison(slices(1000, 800, 500, 250), slices(2000, 1600, 1000, 500))
    assert (found.rate.low, found.rate.high) == (0.5, 0.5)


def test_a_session_in_which_one_server_differs_from_itself_is_void() -> None:
    steady = slices(1000, 1010, 990, 1005, 995, 1000)
    assert not is_void(comparison(steady, steady[::-1]))
    assert is_void(comparison(slices(*(each.rate * 0.9 for each in steady)), steady))


async def test_each_server_is_measured_first_in_every_other_pair() -> None:
    order: list[str] = []
    rates = cycle([1000.0])

    async def first() -> Slice:
        order.append("first")
        return slices(next(rates))[0]

    async def second() -> Slice:
        order.append("second")
        return slices(next(rates))[0]

    await compare("W", "", first, second, pairs=2)
    assert order == ["first", "second", "second", "first"]


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile([float(value) for value in range(100)], 99) == 99.0
