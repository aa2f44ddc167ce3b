"""Whatever customers and the shop do, orders, stock and money come to rest where it was foreseen."""

import pytest

from bailiwick.catalog.domain.reservation import Reservation
from bailiwick.orders.contract import OrderStatus
from bailiwick.orders.domain import order as domain
from bailiwick.orders.domain.refund import Account
from tests.model.application import opened
from tests.model.orders import SETTINGS, Ordering
from tests.model.steps import driven, found_out

SEQUENCES = 12


def found(url: str) -> None:
    with opened(url, orders=SETTINGS) as desk:
        found_out(lambda steps: Ordering(desk, steps), 20 * SEQUENCES)


def test_orders_and_stock_come_to_rest_where_it_was_foreseen(database_url: str) -> None:
    with opened(database_url, orders=SETTINGS) as desk:
        driven(lambda steps: Ordering(desk, steps), SEQUENCES)


def test_a_shop_that_cancels_what_was_delivered_is_found_out(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(domain.MOVES, OrderStatus.DELIVERED, (OrderStatus.REFUNDED, OrderStatus.CANCELLED))
    found(sqlite_url)


def test_a_shop_that_refunds_more_than_was_paid_is_found_out(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Account, "refundable", property(lambda self: self.bill.total))
    found(sqlite_url)


def test_a_warehouse_that_keeps_what_was_released_is_found_out(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reservation, "goods", property(lambda self: [] if self.ended_at else self.out))
    found(sqlite_url)
