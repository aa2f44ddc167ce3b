"""Each check of the books sees its own defect in a planted history, and none in a sound one."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kill.auditors import CHECKS, OF_A_BANK, findings
from tests.kill.history import History, Log
from tests.kill.treasury import Hold, Journal, Order, Purse, Treasury

ADA, BOB, CASH, SALES = "ada", "bob", "cash", "sales"
RAND, IN, OUT = "rand of ada", "exchange nad", "exchange zar"
SOUND = [
    ("deposit", "k1", {ADA: 5_000}, [(201, {"id": "j1"})]),
    ("transfer", "k2", {ADA: -100, BOB: 100}, [(0, None), (201, {"id": "j2"}), (201, {"id": "j2"})]),
    ("transfer", "k3", {BOB: -900, ADA: 900}, [(409, {"code": "insufficient_balance"})]),
    ("convert", "k4", {ADA: -50, RAND: 50}, [(201, {"id": "j3"})]),
    ("look", "", "ada herself", [(200, [[ADA, 4_850], [RAND, 50]])]),
]
WITH_GOODS = [
    ("receive", "", 10, [(201, {})]),
    ("hold", "k5", "", [(201, {"id": "h1"})]),
    ("capture", "k6", ["h1", 30], [(0, None), (200, {"id": "h1"})]),
    ("hold", "k7", "", [(201, {"id": "h2"})]),
    ("void", "k8", ["h2", 0], [(200, {"id": "h2"})]),
    ("order", "k9", 1, [(201, {"id": "o1"})]),
    ("order", "k10", 2, [(503, None), (201, {"id": "o2"})]),
    ("cancel", "k11", "o2", [(200, {"id": "o2"})]),
]
Plant = Callable[[Log, Treasury], object]


def body(answer: object) -> str:
    if isinstance(answer, list):
        return json.dumps({"data": [{"id": id, "posted": {"amount": amount}} for id, amount in answer]})
    if isinstance(answer, dict) and "code" in answer:
        return json.dumps(answer)
    return json.dumps({"data": answer}) if answer is not None else ""


def tell(log: Log, kind: str, key: str, about: object, answers: list[tuple[int, object]]) -> None:
    number = log.intend(kind, key, about if isinstance(about, str) else json.dumps(about))
    for status, answer in answers:
        log.answered(number, status, body(answer), 0.1)


def booked(id: str, kind: str, key: str, *legs: tuple[str, int], hold: str | None = None) -> Journal:
    return Journal(
        id, kind, key, hold, [(wallet, "ZAR" if wallet in (RAND, OUT) else "NAD", n) for wallet, n in legs]
    )


def a_bank() -> Treasury:
    return Treasury(
        purses={
            ADA: Purse(4_850),
            BOB: Purse(100),
            RAND: Purse(50),
            CASH: Purse(-5_000, overdraft=None),
            IN: Purse(50, overdraft=None),
            OUT: Purse(-50, overdraft=None),
        },
        journals=[
            booked("j1", "deposit", "k1", (CASH, -5_000), (ADA, 5_000)),
            booked("j2", "transfer", "k2", (ADA, -100), (BOB, 100)),
            booked("j3", "conversion", "k4", (ADA, -50), (IN, 50), (OUT, -50), (RAND, 50)),
        ],
    )


def a_shop() -> Treasury:
    shop = a_bank()
    shop.journals += [
        booked("j4", "capture", "", (ADA, -30), (BOB, 30), hold="h1"),
        booked("j5", "capture", "", (ADA, -1_000), (SALES, 1_000), hold="h3"),
    ]
    shop.purses |= {ADA: Purse(3_820), BOB: Purse(130), SALES: Purse(1_000, overdraft=None)}
    shop.holds = [
        Hold("h1", ADA, "k5", 40, 30, 0, "captured"),
        Hold("h2", ADA, "k7", 40, 0, 0, "voided"),
        Hold("h3", ADA, "Order A", 1_000, 1_000, 0, "captured"),
        Hold("h4", ADA, "Order B", 2_000, 0, 0, "voided"),
    ]
    shop.orders = [Order("o1", "A", "k9", "paid", 1), Order("o2", "B", "k10", "cancelled", 2)]
    shop.stock = (9, 0)
    return shop


def happened(path: Path, plant: Plant, *, shop: bool) -> tuple[History, Treasury]:
    log, treasury = Log(path), a_shop() if shop else a_bank()
    for kind, key, about, answers in [*SOUND, *(WITH_GOODS if shop else [])]:
        tell(log, kind, key, about, answers)  # type: ignore[arg-type]  # a table of everything
    plant(log, treasury)
    log.close()
    return History.read(path), treasury


def also(kind: str, key: str, about: object, *answers: tuple[int, object]) -> Plant:
    return lambda log, treasury: tell(log, kind, key, about, [*answers])


def and_then(*plants: Plant) -> Plant:
    return lambda log, treasury: [plant(log, treasury) for plant in plants]


def lost(id: str) -> Plant:
    def plant(log: Log, treasury: Treasury) -> None:
        treasury.journals = [journal for journal in treasury.journals if journal.id != id]

    return plant


def doubled(id: str) -> Plant:
    def plant(log: Log, treasury: Treasury) -> None:
        [first] = [journal for journal in treasury.journals if journal.id == id]
        treasury.journals.append(replace(first, id=f"{id} again"))

    return plant


def journal(*args: object, **kwargs: object) -> Plant:
    return lambda log, treasury: treasury.journals.append(booked(*args, **kwargs))  # type: ignore[arg-type]


def purse(name: str, **changes: int) -> Plant:
    return lambda log, treasury: vars(treasury.purses[name]).update(changes)


def hold(number: int, **changes: object) -> Plant:
    return lambda log, treasury: vars(treasury.holds[number]).update(changes)


def order(number: int, **changes: object) -> Plant:
    return lambda log, treasury: vars(treasury.orders[number]).update(changes)


def overdrawn(log: Log, treasury: Treasury) -> None:
    """Bob had paid 900 of his 100 before more came in, so that in the end nothing is missing."""
    tell(log, "transfer", "k12", {BOB: -900, ADA: 900}, [(201, {"id": "j6"})])
    tell(log, "deposit", "k13", {BOB: 1_000}, [(201, {"id": "j7"})])


PLANTS: dict[str, list[Plant]] = {
    "all_came_to_an_end": [
        also("transfer", "k12", {}, (0, None)),
        also("transfer", "k12", {}, (500, None), (409, {"code": "insufficient_balance"})),
        also("transfer", "k12", {}, (409, {"code": "who_knows"})),
        lambda log, treasury: setattr(treasury, "stuck", 1),
    ],
    "each_payment_is_booked_once": [
        lost("j2"),
        doubled("j2"),
        doubled("j1"),
        journal("j6", "deposit", "k12", (CASH, -1), (BOB, 1)),
        journal("j6", "transfer", "k3", (BOB, -900), (ADA, 900)),
        lambda log, treasury: setattr(treasury.journals[1], "id", "another"),
        lambda log, treasury: setattr(treasury.journals[1], "legs", [(ADA, "NAD", -1), (BOB, "NAD", 1)]),
    ],
    "a_key_has_one_answer": [
        lambda log, treasury: log.answered(2, 201, body({"id": "j9"}), 0.1),
        lambda log, treasury: log.answered(2, 409, body({"code": "insufficient_balance"}), 0.1),
    ],
    "the_books_balance": [
        purse(ADA, posted=5_000),
        purse(BOB, held=7),
        lambda log, treasury: treasury.journals[0].legs.append((BOB, "NAD", 1)),
        lambda log, treasury: treasury.journals[2].legs.pop(),
        and_then(journal("j6", "refund", "", (BOB, -900), (CASH, 900)), purse(BOB, posted=-800)),
        lambda log, treasury: treasury.damages.append("journal j1: it was altered"),
    ],
    "nobody_spends_what_is_not_there": [overdrawn],
    "what_was_read_can_be": [
        also("look", "", "", (200, [[BOB, 1_000]])),
        also("look", "", "", (200, [[ADA, 5_000]])),
        also("look", "", "ada herself", (200, [[ADA, 4_850], [RAND, 0]])),
    ],
    "holds_end_once": [
        also("hold", "k12", "", (201, {"id": "h9"})),
        lambda log, treasury: treasury.holds.append(Hold("h9", ADA, "k5", 40, 0, 0, "voided")),
        hold(0, captured=40),
        hold(1, status="expired"),
        journal("j6", "capture", "", (ADA, -30), (BOB, 30), hold="h1"),
    ],
    "each_order_is_placed_once": [
        lambda log, treasury: treasury.orders.append(Order("o3", "C", "k9", "cancelled", 1)),
        lambda log, treasury: treasury.orders.append(Order("o3", "C", "k12", "cancelled", 1)),
        lambda log, treasury: treasury.orders.pop(),
        also("cancel", "k12", "o1", (200, {"id": "o1"})),
    ],
    "orders_end_well": [
        order(0, status="placed"),
        order(1, status="paid"),
        hold(2, refunded=1_000),
        hold(3, status="open"),
    ],
    "goods_leave_with_orders": [
        lambda log, treasury: setattr(treasury, "stock", (8, 0)),
        lambda log, treasury: setattr(treasury, "stock", (9, 2)),
    ],
}
BANKING = [check.__name__ for check in OF_A_BANK if check not in CHECKS]
ALL = [*dict.fromkeys([*CHECKS, *OF_A_BANK])]


@pytest.mark.parametrize(("checks", "shop"), [(CHECKS, True), (OF_A_BANK, False)], ids=["shop", "bank"])
def test_a_sound_history_has_no_violation(checks: list[object], shop: bool, tmp_path: Path) -> None:
    assert findings(*happened(tmp_path / "log", lambda log, treasury: None, shop=shop), checks) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("check", "plant"),
    [
        pytest.param(check, plant, id=f"{check}-{n}")
        for check, plants in PLANTS.items()
        for n, plant in enumerate(plants, 1)
    ],
)
def test_a_planted_defect_is_seen_by_its_check(check: str, plant: Plant, tmp_path: Path) -> None:
    found = findings(*happened(tmp_path / "log", plant, shop=check not in BANKING), ALL)
    assert any(wrong.startswith(f"{check}:") for wrong in found), found


def test_every_check_has_a_planted_defect() -> None:
    assert {check.__name__ for check in ALL} == {*PLANTS}
