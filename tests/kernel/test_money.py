"""Money is exact: nothing is lost, nothing is rounded, currencies do not mix."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.kernel.money import EXPONENTS, CurrencyMismatch, InvalidAmount, Money, UnknownCurrency

amounts = st.integers(-(10**15), 10**15)
currencies = st.sampled_from(sorted(EXPONENTS))


@given(amounts, currencies)
def test_the_way_to_decimal_and_back_loses_nothing(amount: int, currency: str) -> None:
    assert Money.of(Money(amount, currency).decimal, currency) == Money(amount, currency)


@given(amounts, st.lists(st.integers(0, 100), min_size=1, max_size=10).filter(any))
def test_a_split_adds_up_and_no_part_is_off_by_a_whole_unit(amount: int, weights: list[int]) -> None:
    parts = Money(amount, "NAD").split(weights)
    assert sum(part.amount for part in parts) == amount
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part.amount * sum(weights) - amount * weight) < sum(weights)


@pytest.mark.parametrize(
    ("currency", "text"), [("NAD", "10.50 NAD"), ("JPY", "1050 JPY"), ("KWD", "1.050 KWD")]
)
def test_each_currency_has_its_own_decimal_places(currency: str, text: str) -> None:
    assert str(Money(1050, currency)) == text


def test_currencies_do_not_mix() -> None:
    with pytest.raises(CurrencyMismatch):
        Money(1, "NAD") + Money(1, "ZAR")
    with pytest.raises(CurrencyMismatch):
        assert Money(1, "NAD") < Money(2, "ZAR")


@pytest.mark.parametrize("amount", [1.0, True, 2**63, "1"])
def test_an_amount_is_an_integer_that_fits(amount: object) -> None:
    with pytest.raises(InvalidAmount):
        Money(amount, "NAD")  # type: ignore[arg-type]  # that is the point


def test_more_places_than_the_currency_has_are_refused() -> None:
    with pytest.raises(InvalidAmount):
        Money.of(Decimal("0.001"), "NAD")
    with pytest.raises(InvalidAmount):
        Money.of(Decimal("NaN"), "NAD")


def test_only_currencies_of_the_standard_count() -> None:
    with pytest.raises(UnknownCurrency):
        Money(1, "XXX")
