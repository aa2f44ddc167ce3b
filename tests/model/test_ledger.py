"""Whatever people, operators and the shop do with money, each answer and balance is what was foreseen."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from bailiwick.kernel.money import Money
from bailiwick.payments.domain.hold import Hold, HoldStatus
from bailiwick.payments.domain.terms import Fees, InsufficientBalance
from bailiwick.payments.domain.wallet import Wallet
from tests.model.application import opened
from tests.model.ledger import SETTINGS, Ledger
from tests.model.steps import driven, found_out

SEQUENCES = 50


def test_the_ledger_does_what_a_plain_ledger_foresees(database_url: str) -> None:
    with opened(database_url, SETTINGS) as desk:
        driven(lambda steps: Ledger(desk, steps), SEQUENCES)


def a_cent_too_much(self: Fees, amount: Money) -> Money:
    share = -(-amount.amount * self.basis_points // 10_000)
    return Money(share + self.fixed, amount.currency)


def keeps_what_is_out_of_time(self: Hold, payer: Wallet, now: datetime) -> None:
    self._end(HoldStatus.EXPIRED, 0, now)


def forgets_what_was_refunded(self: Hold, amount: Money) -> None:
    assert amount.amount <= self.captured


def spends_what_is_held(self: Wallet, money: Money) -> None:
    if self.rules.overdraft is not None and money.amount > self.posted + self.rules.overdraft:
        raise InsufficientBalance("there is too little in the wallet", available=self.posted)


PLANTS: list[tuple[Any, str, Callable[..., Any]]] = [
    (Fees, "on", a_cent_too_much),
    (Hold, "expire", keeps_what_is_out_of_time),
    (Hold, "refund", forgets_what_was_refunded),
    (Wallet, "_must_have", spends_what_is_held),
]


@pytest.mark.parametrize(("kind", "name", "defect"), PLANTS, ids=[plant[2].__name__ for plant in PLANTS])
def test_a_ledger_with_this_defect_is_found_out(
    kind: Any, name: str, defect: Callable[..., Any], sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kind, name, defect)
    with opened(sqlite_url, SETTINGS) as desk:
        found_out(lambda steps: Ledger(desk, steps), 20 * SEQUENCES)
