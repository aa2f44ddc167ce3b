"""The tests of the shop fail where the shop is wrong."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from bailiwick.kernel.testing import free_port
from tests.acceptance import test_shop, test_shop_keys, test_shop_races
from tests.acceptance.server import Server, command
from tests.style.source import ROOT

CONTEXTS = "tests.acceptance.planted,identity,profiles,tasks,payments,catalog,orders"
FINDS: dict[str, list[tuple[Callable[[Server], object], str]]] = {
    "spends_what_it_has_seen": [
        (partial(test_shop_races.test_of_200_spends_of_one_whole_balance_one_succeeds, round=0), "'201': "),
        (partial(test_shop_races.test_a_coupon_for_one_use_is_used_by_one_of_30, round=0), "'201': "),
    ],
    "keeps_goods": [
        (test_shop.test_who_has_too_little_money_is_told_so_and_the_goods_are_free_again, r"\(3, 1\)")
    ],
    "forgets_keys": [
        (
            partial(
                test_shop_keys.test_what_is_sent_again_with_its_key_is_answered_again_and_done_once, path=path
            ),
            r'"id":',
        )
        for path in ("/transfers", "/orders", "/products/{product_id}/stock-movements")
    ],
}
"""The tests that find each defect, and what they say then."""


@contextmanager
def sabotaged(database_url: str, plant: str) -> Iterator[Server]:
    """A server with a defect; its database has none."""
    made = command(database_url, "migrate", "up")
    assert made.returncode == 0, made.stderr
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    changes = {"BAILIWICK_CONTEXTS": CONTEXTS, "PYTHONPATH": path, "PLANT": plant}
    server = Server(database_url, free_port(), changes)
    try:
        server.await_ready()
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize("plant", FINDS)
def test_a_planted_defect_is_found(postgresql_url: str, plant: str) -> None:
    with sabotaged(postgresql_url, plant) as server:
        for find, says in FINDS[plant]:
            with pytest.raises(AssertionError, match=says):
                find(server)
