"""The pages about payments, goods and orders say what the code says: states, steps, routes, refusals."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta

import pytest

from bailiwick.backend import Backend
from bailiwick.catalog.domain.stock import EFFECTS
from bailiwick.kernel.http import catalogue
from bailiwick.kernel.http.routing import Operation
from bailiwick.kernel.settings import Settings
from bailiwick.orders.application.processes import placement
from bailiwick.orders.domain.order import BY_CUSTOMER, BY_SHOP, MOVES, NOT_PAID_IN_TIME
from bailiwick.payments.domain.wallet import HouseAccount
from tests.docs.pages import ROOT, blocks

API, PAYMENTS, ORDERS, SPLIT = (
    (ROOT / "docs" / name).read_text()
    for name in ("api.md", "payments.md", "orders.md", "guides/split-a-context-out.md")
)
SHOP = ("payments", "catalog", "orders")
CODES = {entry.code for entry in catalogue.entries(Settings().contexts)}


def operations() -> Iterator[Operation]:
    for module in Backend.build(Settings()).modules:
        for router in module.routers:
            if router.context in SHOP:
                yield from router.operations


OPERATIONS = [*operations()]


def rows(page: str, heading: str, table: int = 1) -> list[list[str]]:
    """The cells of a table below a heading, without its own head."""
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)[table - 1]
    return [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in found.splitlines()[2:]]


def words(cells: Iterable[str]) -> list[str]:
    """What stands between backticks."""
    return [word for cell in cells for word in re.findall(r"`([^`]+)`", cell)]


def drawn(picture: str) -> dict[str, set[str]]:
    """Where the picture of states has an order go, and from where."""
    moves: dict[str, set[str]] = {}
    for before, after in re.findall(r"^ +(\w+) --> (\w+)$", picture, re.MULTILINE):
        moves.setdefault(before, set()).add(after)
    return moves


def test_the_picture_of_an_order_is_its_machine_of_states() -> None:
    [picture] = blocks(ROOT / "docs/orders.md", "mermaid")
    real = {before.value: {each.value for each in after} for before, after in MOVES.items() if after}
    assert drawn(picture) == real
    assert drawn(picture.replace("paid --> refunded", "paid --> placed")) != real


def test_the_steps_of_placing_an_order_are_those_of_the_process() -> None:
    steps = placement(timedelta(minutes=Settings().orders.payment_minutes)).steps
    assert words(row[0] for row in rows(ORDERS, "Placing an order")) == [step.name for step in steps]


def test_an_order_ends_for_the_reasons_that_the_page_names() -> None:
    named = set(words(row[1] for row in rows(ORDERS, "Placing an order", table=2)))
    own = {reason.code for reason in (BY_CUSTOMER, BY_SHOP, NOT_PAID_IN_TIME)}
    assert own < named
    assert named - own <= CODES


def test_each_movement_changes_the_stock_as_the_page_says() -> None:
    signs = {"": {0}, "+": {1}, "−": {-1}, "+ or −": {1}}
    table = rows(ORDERS, "Stock and reservations")
    assert words(row[0] for row in table) == [move.value for move in EFFECTS]
    for (_, on_hand, reserved, _), (first, second) in zip(table, EFFECTS.values(), strict=True):
        assert first in signs[on_hand]
        assert second in signs[reserved]


def test_the_refusals_of_payments_exist() -> None:
    named = words(row[0] for row in rows(PAYMENTS, "What is refused"))
    assert len(named) > 8
    assert set(named) <= CODES


def test_the_wallets_of_the_house_are_named() -> None:
    sentence = PAYMENTS.partition("The house has wallets")[2].partition("They may")[0]
    assert words([sentence]) == [account.value for account in HouseAccount]


def listed(page: str) -> list[str]:
    """The routes in the first columns of the tables."""
    cells = re.findall(r"^\| (`.+?`) \|", page.partition("## The shop")[2], re.MULTILINE)
    return sorted(words(cells))


def test_every_route_of_the_shop_is_listed_once() -> None:
    real = sorted(f"{each.method} {each.path.removeprefix('/api/v1')}" for each in OPERATIONS)
    assert listed(API) == real
    assert listed(API.replace("`GET /stock`", "`GET /stocks`")) != real


def test_what_needs_a_key_is_what_the_page_says() -> None:
    free = [each.path for each in OPERATIONS if each.method == "POST" and each.idempotent != "required"]
    assert sorted(free) == ["/api/v1/products/{product_id}/restore", "/api/v1/transfers/dry-run"]
    assert "but `POST /products/{product_id}/restore`, which may have one" in API
    assert "and `POST /transfers/dry-run`, which moves nothing" in API


def carriers(table: Sequence[Sequence[str]]) -> Mapping[str, str]:
    """Which context each path leads to, by the table of the guide."""
    return {path: word for row in table for word in words(row[:1]) for path in words(row[2:3])}


def misled(table: Sequence[Sequence[str]]) -> list[str]:
    """Routes that no path of the table leads to, or one leads to the wrong process."""
    known = carriers(table)
    return [
        each.path
        for each in OPERATIONS
        if known.get("/" + each.path.removeprefix("/api/v1/").partition("/")[0]) != each.context
    ]


def test_the_shop_apart_gets_its_own_paths() -> None:
    table = rows(SPLIT, "The shop apart")
    assert misled(table) == []
    assert misled([[*row[:2], row[2].replace("`/holds`", "")] for row in table]) != []


@pytest.mark.parametrize("context", SHOP)
def test_the_guide_says_whom_each_part_asks(context: str) -> None:
    [asked] = [words(row[1:2]) for row in rows(SPLIT, "The shop apart") if words(row[:1]) == [context]]
    assert asked == ["identity", *(["catalog", "payments"] if context == "orders" else [])]
