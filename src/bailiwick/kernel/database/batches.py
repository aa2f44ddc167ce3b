"""Any number of rows in statements of few shapes, so that the database has planned each of them before."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, bindparam


def batch_size(waiting: int, most: int) -> int:
    """How many of those that wait, at least one, to write at once: a power of two."""
    return 1 << (min(waiting, most).bit_length() - 1)


def room_for(count: int) -> int:
    """How many values, at least one, a statement for so many takes: a power of two."""
    return 1 << max(0, count - 1).bit_length()


def one_of(column: ColumnElement[Any], most: int) -> ColumnElement[bool]:
    """Whether it is one of the values that `these` gives: one statement for any number of them."""
    return column.in_([bindparam(f"key{i}", type_=column.type) for i in range(most)])


def these(values: Sequence[Any], most: int) -> dict[str, Any]:
    """The parameters of `one_of`, from one value up to `most`; the last one stands for those that lack."""
    filled = [*values, *[values[-1]] * (most - len(values))]
    return {f"key{i}": value for i, value in zip(range(most), filled, strict=True)}
