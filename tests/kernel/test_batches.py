"""Any number of rows is written and asked for by few statements."""

import pytest

from bailiwick.kernel.database.batches import batch_size, these


def test_a_batch_is_the_greatest_power_of_two_that_waits_and_is_allowed() -> None:
    assert [batch_size(waiting, 32) for waiting in (1, 2, 3, 31, 32, 33, 1000)] == [1, 2, 2, 16, 32, 32, 32]


def test_fewer_values_are_filled_up_and_more_are_refused() -> None:
    assert these(["a", "b"], 4) == {"key0": "a", "key1": "b", "key2": "b", "key3": "b"}
    with pytest.raises(ValueError, match="longer"):
        these(["a", "b"], 1)
