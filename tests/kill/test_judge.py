"""Each check sees its own defect in a planted history, and none in a sound one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kill.history import History, Log
from tests.kill.judge import CHECKS, violations
from tests.kill.stored import Session, Stored, Task

TASK, USER, SESSION = "018f0000-0000-7000-8000-000000000001", "user-1", "session-1"
Plant = Callable[[Log, Stored], object]


def body(**data: object) -> str:
    return json.dumps({"data": data})


def happened(path: Path, plant: Plant) -> tuple[History, Stored]:
    """A short life in which answers were lost, and what `plant` makes of it."""
    log = Log(path)
    for kind, key, about, answers in (
        ("register", "ada@example.com", "", [(0, ""), (409, "")]),
        ("create", "key-1", "", [(0, ""), (201, body(id=TASK)), (201, body(id=TASK))]),
        ("change", "second title", TASK, [(503, ""), (200, body(title="second title"))]),
        ("complete", TASK, TASK, [(200, body(id=TASK))]),
        ("refresh", "token-0", SESSION, [(0, ""), (200, body(refresh_token="token-1"))]),
    ):
        number = log.intend(kind, key, about)
        for status, text in answers:
            log.answered(number, status, text, 0.1)
    stored = Stored(
        tasks=[Task(TASK, "second title", "key-1", "completed", 3)],
        users={"ada@example.com": [USER]},
        profiles={USER: 1},
        sessions={SESSION: Session(1, ended=False)},
        answers={"key-1": [body(id=TASK).encode()]},
        facts={TASK: [(1, "tasks.TaskCreated"), (2, "tasks.TaskChanged"), (3, "tasks.TaskMoved")]},
        audited={TASK: [1, 2, 3]},
    )
    plant(log, stored)
    log.close()
    return History.read(path), stored


def also(kind: str, key: str, about: str, *answers: tuple[int, str]) -> Plant:
    def plant(log: Log, stored: Stored) -> None:
        number = log.intend(kind, key, about)
        for status, text in answers:
            log.answered(number, status, text, 0.1)

    return plant


OTHER = "018f0000-0000-7000-8000-000000000002"
PLANTS: dict[str, list[Plant]] = {
    "all_is_answered": [also("read", "", "", (0, "")), also("read", "", ""), also("read", "", "", (503, ""))],
    "nothing_breaks_otherwise": [
        also("read", "", "", (500, "a mistake"), (200, body())),
        also("change", "third title", TASK, (412, "")),
    ],
    "what_was_acknowledged_is_stored": [
        lambda log, stored: stored.tasks.clear(),
        also("create", "key-2", "", (201, body(id=OTHER))),
        also("register", "bob@example.com", "", (201, body())),
    ],
    "what_was_changed_stays_changed": [
        also("change", "third title", TASK, (200, body())),
        lambda log, stored: setattr(stored.tasks[0], "status", "pending"),
        lambda log, stored: setattr(stored.tasks[0], "version", 4),
    ],
    "each_request_had_one_effect": [
        lambda log, stored: stored.tasks.append(Task(OTHER, "twice", "key-1", "pending", 1)),
        lambda log, stored: stored.tasks.append(Task(OTHER, "unasked", "key-9", "pending", 1)),
        lambda log, stored: stored.users["ada@example.com"].append("user-2"),
        lambda log, stored: stored.profiles.clear(),
        lambda log, stored: stored.profiles.update({USER: 2}),
    ],
    "repeated_answers_are_equal": [
        lambda log, stored: log.answered(2, 201, body(id=OTHER), 0.1),
        lambda log, stored: stored.answers.clear(),
        lambda log, stored: stored.answers["key-1"].append(b"another"),
    ],
    "facts_follow_changes": [
        lambda log, stored: stored.facts.clear(),
        lambda log, stored: stored.facts[TASK].pop(),
        lambda log, stored: stored.facts[TASK].append((3, "tasks.TaskMoved")),
        lambda log, stored: stored.facts[TASK].reverse(),
        lambda log, stored: stored.facts[TASK].pop(1),
    ],
    "lineages_are_unbroken": [
        lambda log, stored: log.answered(5, 200, body(refresh_token="token-2"), 0.1),
        lambda log, stored: setattr(stored.sessions[SESSION], "generation", 2),
        lambda log, stored: setattr(stored.sessions[SESSION], "ended", True),
        also("refresh", "token-1", SESSION, (0, ""), (401, "")),
    ],
    "the_trail_is_whole": [
        lambda log, stored: stored.audited.clear(),
        lambda log, stored: stored.audited[TASK].pop(),
        lambda log, stored: stored.audited[TASK].insert(1, 2),
        lambda log, stored: setattr(stored, "unsealed", 1),
        lambda log, stored: stored.damages.append("position 3: the row was altered"),
    ],
}


def test_a_sound_history_has_no_violation(tmp_path: Path) -> None:
    assert violations(*happened(tmp_path / "log", lambda log, stored: None)) == []


@pytest.mark.parametrize(
    ("check", "plant"),
    [
        pytest.param(check, plant, id=f"{check}-{n}")
        for check, plants in PLANTS.items()
        for n, plant in enumerate(plants, 1)
    ],
)
def test_a_planted_defect_is_seen_by_its_check(check: str, plant: Plant, tmp_path: Path) -> None:
    found = violations(*happened(tmp_path / "log", plant))
    assert any(wrong.startswith(f"{check}:") for wrong in found), found


def test_every_check_has_a_planted_defect() -> None:
    assert [check.__name__ for check in CHECKS] == list(PLANTS)
