"""What an order costs: every cent has its place, and each piece can be given back for what it cost."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.catalog.contract import Line, Offer
from bailiwick.kernel.money import Money
from bailiwick.kernel.settings.sections import Orders
from bailiwick.orders.domain.bill import (
    Bill,
    NothingWanted,
    NotSold,
    OrderLine,
    added_up,
    at_the_prices_of_now,
    shared_out,
)
from bailiwick.orders.domain.cart import Address
from bailiwick.orders.infrastructure.rules import SettingsTaxAndShipping

HOME = Address(recipient="Ada Lovelace", street="1 Acacia Road", city="Windhoek", country="NA")
NOTHING = Money(0, "NAD")


def goods(prices: list[tuple[int, int]]) -> tuple[OrderLine, ...]:
    """Lines of (price of a piece, pieces)."""
    wanted = [Line(f"SKU-{at}", pieces) for at, (_, pieces) in enumerate(prices)]
    offers = {
        line.sku: Offer(line.sku, UUID(int=1), "A thing", Money(price, "NAD"))
        for line, (price, _) in zip(wanted, prices, strict=True)
    }
    return at_the_prices_of_now(wanted, offers, "NAD")


prices = st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 1000)), min_size=1, max_size=12)


@st.composite
def bills(draw: st.DrawFn) -> tuple[Bill, int, int, int]:
    """A bill, with the discount, the shipping and the tax that it was made from."""
    lines = goods(draw(prices))
    subtotal = sum(line.goods.amount for line in lines)
    discount, shipping = draw(st.integers(0, subtotal)), draw(st.integers(0, 10**5))
    tax = draw(st.integers(0, subtotal - discount + shipping))
    bill = Bill.of(lines, Money(discount, "NAD"), Money(shipping, "NAD"), Money(tax, "NAD"))
    return bill, discount, shipping, tax


@given(bills())
def test_nothing_of_a_bill_gets_lost_between_its_lines(made: tuple[Bill, int, int, int]) -> None:
    bill, discount, shipping, tax = made
    assert (bill.discount.amount, bill.shipping.amount, bill.tax.amount) == (discount, shipping, tax)
    assert bill.total == bill.subtotal - bill.discount + bill.shipping + bill.tax
    lines = added_up([line.total for line in bill.lines], "NAD")
    assert bill.total == lines + bill.shipping + bill.shipping_tax
    for line in bill.lines:
        assert NOTHING <= line.discount <= line.goods
        assert line.tax >= NOTHING


@given(bills(), st.data())
def test_the_pieces_of_a_line_are_worth_its_total_in_whatever_portions(
    made: tuple[Bill, int, int, int], data: st.DataObject
) -> None:
    line = made[0].lines[0]
    given_back, paid = 0, 0
    while given_back < line.quantity:
        portion = data.draw(st.integers(1, line.quantity - given_back))
        worth = line.worth(portion, given_back)
        assert worth.amount >= 0
        given_back, paid = given_back + portion, paid + worth.amount
    assert paid == line.total.amount


def careless(amount: Money, worths: list[Money]) -> list[Money]:
    """The planted defect: each share rounded by itself."""
    total = sum(worth.amount for worth in worths)
    return [Money(round(amount.amount * worth.amount / total), amount.currency) for worth in worths]


def test_a_share_that_is_rounded_by_itself_loses_a_cent() -> None:
    worths = [Money(1, "NAD")] * 3
    assert sum(part.amount for part in shared_out(Money(100, "NAD"), worths)) == 100
    assert sum(part.amount for part in careless(Money(100, "NAD"), worths)) == 99


def test_what_is_not_sold_is_named() -> None:
    with pytest.raises(NotSold) as refused:
        at_the_prices_of_now([Line("A", 1), Line("B", 1)], {}, "NAD")
    assert refused.value.extra == {"skus": ["A", "B"]}
    with pytest.raises(NothingWanted):
        at_the_prices_of_now([], {}, "NAD")


@pytest.mark.parametrize(("net", "tax"), [(0, 0), (3, 0), (4, 1), (110, 17), (10**15, 15 * 10**13)])
def test_half_a_cent_of_tax_is_rounded_up(net: int, tax: int) -> None:
    rules = SettingsTaxAndShipping(Orders(tax_basis_points=1500))
    assert rules.tax(Money(net, "NAD"), HOME) == Money(tax, "NAD")


@pytest.mark.parametrize(("worth", "shipping"), [(0, 500), (9_999, 500), (10_000, 0)])
def test_goods_worth_enough_are_shipped_for_nothing(worth: int, shipping: int) -> None:
    rules = SettingsTaxAndShipping(Orders(shipping=500, free_shipping_from=10_000))
    assert rules.shipping(Money(worth, "NAD"), HOME) == Money(shipping, "NAD")
