"""Defects by name. The variable PLANT says which one this process has."""

import os
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from bailiwick.catalog.application.questions import CatalogQuestions
from bailiwick.kernel.database.mapper import Limit
from bailiwick.kernel.http.idempotency import KeyMark
from bailiwick.kernel.module import Module, Platform


def module(platform: Platform) -> Module:
    async def plant() -> None:
        PLANTS[os.environ["PLANT"]]()

    return Module("planted", (), (), before=(plant,))


def spends_what_it_has_seen() -> None:
    """Whether there is enough is asked of what was read, and not of what is there when it is taken."""

    def nothing(self: Limit, added: Mapping[str, int]) -> int:
        return 0

    Limit.taken = nothing  # type: ignore[method-assign]


def keeps_goods() -> None:
    """What was reserved for an order that came to nothing stays reserved."""

    async def forget(self: CatalogQuestions, key: UUID) -> None:
        return

    CatalogQuestions.release = forget  # type: ignore[method-assign]


def forgets_keys() -> None:
    """No answer is kept beside its effect."""

    def nothing(self: KeyMark, result: object) -> list[Any]:
        return []

    KeyMark.writes = nothing  # type: ignore[method-assign]


PLANTS: dict[str, Callable[[], None]] = {
    "spends_what_it_has_seen": spends_what_it_has_seen,
    "keeps_goods": keeps_goods,
    "forgets_keys": forgets_keys,
}
