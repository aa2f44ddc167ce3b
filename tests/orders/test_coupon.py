"""What a coupon takes off, and how its uses are counted."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.kernel.domain import Invalid
from bailiwick.kernel.money import Money
from bailiwick.orders.domain.coupon import (
    Coupon,
    CouponId,
    CouponNotValid,
    CouponUsedUp,
    RedemptionId,
    Terms,
    code_of,
)

NOON = datetime(2031, 1, 1, 12, tzinfo=UTC)
ADA = UUID(int=1)


def coupon(**terms: Any) -> Coupon:
    return Coupon.issue(CouponId(uuid4()), "tea-time", Terms(**terms), NOON)


amounts = st.integers(0, 10**12)


@given(amounts, st.integers(1, 100))
def test_so_many_percent_of_the_goods_are_taken_off(worth: int, percent: int) -> None:
    discount = coupon(percent=percent).discount_on(Money(worth, "NAD"), NOON).amount
    assert 0 <= discount <= worth
    assert 0 <= worth * percent - discount * 100 < 100


@given(amounts, st.integers(1, 10**12))
def test_an_amount_is_taken_off_as_far_as_the_goods_are_worth_it(worth: int, off: int) -> None:
    found = coupon(off=Money(off, "NAD")).discount_on(Money(worth, "NAD"), NOON)
    assert found.amount == min(worth, off)


def test_a_use_that_is_given_back_can_be_used_again() -> None:
    once, goods = coupon(percent=10, most_uses=1), Money(100, "NAD")
    used = once.redeem(RedemptionId(uuid4()), uuid4(), ADA, NOON)
    assert (once.used, used.once_for) == (1, ADA)
    with pytest.raises(CouponUsedUp):
        once.discount_on(goods, NOON)
    once.take_back(used, NOON)
    assert (once.used, used.once_for, used.given_back_at) == (0, None, NOON)
    assert once.discount_on(goods, NOON) == Money(10, "NAD")


def test_a_coupon_that_may_be_repeated_bars_nobody() -> None:
    used = coupon(percent=10, once_per_customer=False).redeem(RedemptionId(uuid4()), uuid4(), ADA, NOON)
    assert used.once_for is None


def test_a_coupon_is_valid_from_its_start_to_its_end() -> None:
    hour, goods = timedelta(hours=1), Money(100, "NAD")
    limited = coupon(percent=10, valid_from=NOON, valid_until=NOON + hour)
    assert limited.discount_on(goods, NOON).amount == 10
    for at in (NOON - hour, NOON + hour):
        with pytest.raises(CouponNotValid):
            limited.discount_on(goods, at)
    limited.change({"valid_until": None})
    assert limited.discount_on(goods, NOON + hour).amount == 10


@pytest.mark.parametrize(
    "terms",
    [
        {},
        {"percent": 0},
        {"percent": 101},
        {"percent": 1, "off": Money(1, "NAD")},
        {"off": Money(0, "NAD")},
        {"percent": 1, "most_uses": -1},
    ],
)
def test_terms_that_make_no_sense_are_refused(terms: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        Terms(**terms)


@pytest.mark.parametrize("text", ["", "ab", "-abc", "a b c", "x" * 41, "übung"])
def test_a_code_is_made_of_letters_digits_and_hyphens(text: str) -> None:
    with pytest.raises(Invalid):
        code_of(text)
    assert code_of(" tea-4-two ") == "TEA-4-TWO"
