"""Each check of what was done sees its own defect, and none where all is well."""

from collections import Counter
from collections.abc import Callable

import pytest

from tests.kill.lives import Life, wrong_with
from tests.kill.reckoning import CHECKS, Done, Reckoning, Start, wrongs

Plant = Callable[[Reckoning], object]


def a_good_day() -> Reckoning:
    """Worker 1 died at 10 with a chore, which worker 2 has begun again, and done, at 30."""
    return Reckoning(
        promised=Counter({("first", "a/0"): 1, ("first", "a/1"): 1, ("chore", "b"): 1}),
        done=[Done("first", "a/0", 0, 0, 1), Done("first", "a/1", 1, 1, 2), Done("chore", "b", 0, 0, 2)],
        starts=[Start(9, 1, "chore", "b"), Start(9, 1, "first", "a/0"), Start(30, 2, "chore", "b")],
        kills={1: 10.0},
        lease=20.0,
        drained=21.0,
    )


PLANTS: dict[str, list[Plant]] = {
    "each_promise_is_kept_once": [
        lambda found: found.done.pop(),
        lambda found: found.done.append(Done("chore", "b", 0, 0, 1)),
        lambda found: found.done.append(Done("chore", "c", 0, 0, 1)),
    ],
    "what_has_one_key_is_done_in_its_order": [
        lambda found: found.done.append(Done("first", "a/2", 2, 1, 2)),
        lambda found: found.done.append(Done("first", "a/1", 1, 2, 2)),
    ],
    "the_dead_are_relieved": [
        lambda found: found.starts.pop(),
        lambda found: found.kills.update({1: -0.5}),
        lambda found: found.starts.append(Start(10, 1, "chore", "c")),
    ],
    "leases_are_short": [lambda found: setattr(found, "lease", 3600.0)],
    "nothing_is_left": [
        lambda found: setattr(found, "waiting", 1),
        lambda found: setattr(found, "drained", 31.0),
        lambda found: found.given_up.append("labour.first: TypeError"),
    ],
    "the_trail_is_whole": [
        lambda found: setattr(found, "unsealed", 1),
        lambda found: found.damages.append("position 3: the row was altered"),
    ],
}


def test_where_all_is_well_nothing_is_wrong_and_the_wait_is_measured() -> None:
    found = a_good_day()
    assert wrongs(found) == []
    assert found.interrupted == {("chore", "b", 1): 20.0}


@pytest.mark.parametrize(
    ("check", "plant"),
    [
        pytest.param(check, plant, id=f"{check}-{n}")
        for check, plants in PLANTS.items()
        for n, plant in enumerate(plants, 1)
    ],
)
def test_a_planted_defect_is_seen_by_its_check(check: str, plant: Plant) -> None:
    found = a_good_day()
    plant(found)
    assert any(wrong.startswith(f"{check}:") for wrong in wrongs(found)), wrongs(found)


def test_every_check_has_a_planted_defect() -> None:
    assert [check.__name__ for check in CHECKS] == list(PLANTS)


ALL = Counter(boards=1, money=1, announced=1)
DONE, BACK = Counter(built=1, completed=1), Counter(built=1, dismantled=1, compensated=1)


@pytest.mark.parametrize(
    "life",
    [
        Life("good", "completed", None, ALL, DONE),
        Life("good", "compensated", "timed_out", Counter(), Counter(compensated=1)),
        Life("refused", "compensated", "not_today", Counter(), BACK),
        Life("stuck", "stuck", "not_today", Counter(boards=1, money=1), Counter(built=1, dismantled=1)),
    ],
)
def test_an_errand_that_ended_well_is_not_found_fault_with(life: Life) -> None:
    assert wrong_with(life) == []


@pytest.mark.parametrize(
    "life",
    [
        Life("good"),
        Life("good", "running", None, ALL, DONE),
        Life("good", "compensated", "gave_up", Counter(), BACK),
        Life("good", "completed", None, Counter(boards=1, money=1), DONE),
        Life("good", "completed", None, ALL + Counter(money=1), DONE),
        Life("good", "completed", None, ALL, DONE + Counter(built=1)),
        Life("good", "completed", None, ALL, Counter(built=1)),
        Life("good", "completed", None, ALL, DONE + Counter(completed=1)),
        Life("refused", "completed", None, ALL, DONE),
        Life("refused", "compensated", "not_today", Counter(money=1), BACK),
        Life("refused", "compensated", "not_today", Counter(), Counter(built=1, compensated=1)),
        Life("stuck", "compensated", "not_today", Counter(), BACK),
    ],
)
def test_an_errand_that_ended_badly_is_found_fault_with(life: Life) -> None:
    assert wrong_with(life)


def test_what_was_mended_is_taken_back() -> None:
    assert wrong_with(Life("stuck", "compensated", "not_today", Counter(), BACK), mended=True) == []
    assert wrong_with(Life("stuck", "stuck", "not_today", Counter(boards=1), Counter()), mended=True)
