"""Why two contexts are joined, in both directions, with what would break without it."""

from pathlib import Path

import pytest

from bailiwick.tooling.map.atlas import Atlas, NoSuchMap
from bailiwick.tooling.map.explaining import explain
from bailiwick.tooling.map.reading import atlas_of
from bailiwick.tooling.project import Project
from tests.tooling.map.projects import write


@pytest.fixture
def atlas(tmp_path: Path) -> Atlas:
    return atlas_of(write(tmp_path))


BOTH_WAYS = """\
letters asks invoices
  invoices.Invoices.open_amount: How much a customer has to pay.
    remind  src/acme/letters/module.py:11

letters hears of what happens in invoices
  invoices.InvoiceSent: An invoice is on its way.
    letters.reminder.InvoiceSent  src/acme/letters/module.py:18

If it were cut
  remind in letters would have nobody to ask
  letters.reminder.InvoiceSent would never be called
  1 file of letters would not import:
    src/acme/letters/module.py"""


def test_both_directions_are_told_whichever_is_named_first(atlas: Atlas) -> None:
    assert explain(atlas, "letters", "invoices") == BOTH_WAYS
    assert explain(atlas, "invoices", "letters") == BOTH_WAYS


def test_names_that_are_only_used_are_told_with_their_files(atlas: Atlas) -> None:
    told = explain(atlas, "letters", "orders")
    assert (
        "letters uses names of orders's contract\n  orders.OrderStatus  in 1 file: src/acme/letters/" in told
    )


def test_what_nobody_asks_of_a_contract_is_named() -> None:
    told = explain(atlas_of(Project.find()), "identity", "profiles")
    assert "not asked of profiles.ProfileDirectory: display_names" in told


def test_the_orders_of_a_shop_say_what_they_need_of_payments() -> None:
    told = explain(atlas_of(Project.find()), "orders", "payments")
    asked = ("hold_money", "give_money_back", "take_money", "return_money")
    assert all(f"    {each}  src/bailiwick/orders/application/processes.py:" in told for each in asked)
    assert "hold_money, give_money_back, take_money and return_money in orders would have nobody" in told


def test_where_nothing_crosses_the_neighbours_are_named(atlas: Atlas) -> None:
    told = explain(atlas, "identity", "letters")
    assert told.startswith("Nothing crosses between identity and letters")
    assert told.endswith("identity is joined with no other context.")
    assert explain(atlas, "letters", "identity").endswith("letters is joined with invoices and orders.")


def test_a_context_may_hear_of_its_own_events(atlas: Atlas) -> None:
    assert "orders.placement.OrderCancelled" in explain(atlas, "orders", "orders")
    assert explain(atlas, "invoices", "invoices") == "invoices hears of none of its own events."


def test_an_unknown_context_is_refused_with_those_that_there_are(atlas: Atlas) -> None:
    with pytest.raises(NoSuchMap, match=r"no context tasks; there are identity, invoices, letters, orders"):
        explain(atlas, "orders", "tasks")
