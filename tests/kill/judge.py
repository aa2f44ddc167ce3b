"""Judges a history by what the database holds. Each check gives one sentence for each thing that is wrong."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from tests.kill.history import Asked, History
from tests.kill.stored import Stored

Check = Callable[[History, Stored], Iterator[str]]

EXPECTED = {*range(200, 300), 0, 409, 412, 503}
"""What a client may be told while processes die. 0: it was told nothing."""


def all_is_answered(history: History, stored: Stored) -> Iterator[str]:
    """Every request came to a definite end, by trying again."""
    for asked in history.asked:
        if not asked.last.is_definite:
            yield f"{asked.kind} {asked.number} came to no end"


def nothing_breaks_otherwise(history: History, stored: Stored) -> Iterator[str]:
    """No answer but success, 503, and what trying again explains."""
    for asked in history.asked:
        for answer in asked.answers:
            if answer.status not in EXPECTED:
                yield f"{asked.kind} {asked.number} was answered {answer.status}: {answer.body[:200]}"
        if asked.last.status in (409, 412) and not asked.was_indeterminate:
            yield f"{asked.kind} {asked.number} was refused as a repetition, and was none"


def what_was_acknowledged_is_stored(history: History, stored: Stored) -> Iterator[str]:
    """Tasks and accounts that a client was told of exist."""
    ids = {task.id for task in stored.tasks}
    for asked in history.of("create"):
        for answer in asked.succeeded:
            if answer.data["id"] not in ids:
                yield f"task {answer.data['id']} was acknowledged and is lost"
    for asked in history.of("register"):
        if asked.succeeded and asked.key not in stored.users:
            yield f"account {asked.key} was acknowledged and is lost"


def what_was_changed_stays_changed(history: History, stored: Stored) -> Iterator[str]:
    """The last acknowledged title is the title; what was completed is so; each change counted once."""
    changes: dict[str, list[Asked]] = defaultdict(list)
    for asked in history.of("change", "complete"):
        if asked.succeeded:
            changes[asked.about].append(asked)
    for task in stored.tasks:
        done = changes[task.id]
        titles = [task.title, *(asked.key for asked in done if asked.kind == "change")]
        if task.title != titles[-1]:
            yield f"task {task.id} has the title {task.title}, not {titles[-1]}"
        if task.status != "completed" and any(asked.kind == "complete" for asked in done):
            yield f"task {task.id} was completed and is {task.status}"
        if task.version != 1 + len(done):
            yield f"task {task.id} has version {task.version} after {len(done)} changes"


def each_request_had_one_effect(history: History, stored: Stored) -> Iterator[str]:
    """One task for each key, one account and one profile for each registration, and none unasked for."""
    wanted = {asked.key for asked in history.of("create")}
    made = Counter(task.description for task in stored.tasks)
    for key, count in made.items():
        if count != 1 or key not in wanted:
            yield f"the request {key} made {count} tasks"
    for asked in history.of("register"):
        users = stored.users.get(asked.key, [])
        profiles = [stored.profiles.get(user, 0) for user in users]
        if profiles != [1]:
            yield f"{asked.key} has {len(users)} accounts with {profiles} profiles"


def repeated_answers_are_equal(history: History, stored: Stored) -> Iterator[str]:
    """To one key there is one answer, byte for byte, and it is the one that is stored."""
    for asked in history.of("create"):
        bodies = {answer.body.encode() for answer in asked.succeeded}
        if bodies and bodies != set(stored.answers.get(asked.key, [])):
            yield f"the key {asked.key} was answered in {len(bodies)} ways, or not as stored"
        if len(stored.answers.get(asked.key, [])) > 1:
            yield f"the key {asked.key} has several answers stored"


def facts_follow_changes(history: History, stored: Stored) -> Iterator[str]:
    """Each task has the events of its life, one for each version, each once."""
    lives: dict[str, Counter[str]] = defaultdict(lambda: Counter({"tasks.TaskCreated": 1}))
    for asked in history.of("change", "complete"):
        if asked.succeeded:
            lives[asked.about]["tasks.TaskChanged" if asked.kind == "change" else "tasks.TaskMoved"] += 1
    for task in stored.tasks:
        facts = stored.facts.get(task.id, [])
        if Counter(kind for _, kind in facts) != lives[task.id]:
            yield f"task {task.id} has the facts {facts}, not {dict(lives[task.id])}"
        if [version for version, _ in facts] != list(range(1, task.version + 1)):
            yield f"task {task.id} at version {task.version} has facts at other versions: {facts}"


def lineages_are_unbroken(history: History, stored: Stored) -> Iterator[str]:
    """A refresh token has one successor, each use counted once, and no session ended over it."""
    used: dict[str, set[str]] = defaultdict(set)
    for asked in history.of("refresh"):
        successors = {answer.data["refresh_token"] for answer in asked.succeeded}
        if len(successors) != 1:
            yield f"a token of session {asked.about} has {len(successors)} successors"
        used[asked.about].add(asked.key)
    for id, tokens in used.items():
        session = stored.sessions.get(id)
        if session is None or session.ended or session.generation != len(tokens):
            yield f"session {id} is {session} after {len(tokens)} tokens were used"


def the_trail_is_whole(history: History, stored: Stored) -> Iterator[str]:
    """The audit trail tells once of each version of a task, every row of it is sealed, and the seals fit."""
    for task in stored.tasks:
        told = stored.audited.get(task.id, [])
        if told != list(range(1, task.version + 1)):
            yield f"of task {task.id} at version {task.version} the trail tells {told}"
    if stored.unsealed:
        yield f"{stored.unsealed} rows have no seal"
    yield from stored.damages


CHECKS: list[Check] = [
    all_is_answered,
    nothing_breaks_otherwise,
    what_was_acknowledged_is_stored,
    what_was_changed_stays_changed,
    each_request_had_one_effect,
    repeated_answers_are_equal,
    facts_follow_changes,
    lineages_are_unbroken,
    the_trail_is_whole,
]


def violations(history: History, stored: Stored) -> list[str]:
    return [f"{check.__name__}: {wrong}" for check in CHECKS for wrong in check(history, stored)]


def summary(history: History, wrong: list[str], **counts: object) -> str:
    """One line for the report: how much was tried, and what its being without fault proves (3/N)."""
    done, doubtful = len(history.acknowledged), len(history.indeterminate)
    slowest = max((answer.seconds for answer in history.answers), default=0.0)
    said = {
        **counts,
        "acknowledged": done,
        "indeterminate": doubtful,
        "violations": len(wrong),
        "bound": f"{3 / max(done, 1):.1e}",
        "slowest": f"{slowest:.2f} s",
    }
    return json.dumps(said)
