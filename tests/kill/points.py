"""Where the processes die that are killed at a failpoint: each name in the code belongs to one scene."""

from tests.style.rules import failpoint_names
from tests.style.source import repository

NAMES = failpoint_names(repository())

SERVED = ("database.", "refusals.", "unit_of_work.")
"""Met by a server under requests: test_failpoint_kills.py."""

LABOURED = (
    "cleaning.",
    "erasure.",
    "group.",
    "inbox.",
    "lease.",
    "locks.",
    "operations.",
    "process.",
    "readers.",
    "schedule.",
    "sealing.",
    "worker.claimed",
    "worker.handled",
)
"""Met by workers under a load of every kind: test_failpoint_labour.py."""

ELSEWHERE = {
    "celery.": "needs Celery and Redis; its workers are killed by tests/kernel/test_celery.py",
    "dispatcher.": "needs Celery and Redis; its workers are killed by tests/kernel/test_celery.py",
    "worker.taken": "only Celery hands work over by its id: tests/kernel/test_celery.py",
    "jetstream.": "needs a broker; killed at these points by tests/kernel/test_transports_killed.py",
    "streams.": "needs a broker; killed at these points by tests/kernel/test_transports_killed.py",
    "transport.": "needs a broker; killed at these points by tests/kernel/test_transports_killed.py",
}
"""Not met by either, and why."""


def met_by(scene: tuple[str, ...]) -> list[str]:
    return [name for name in NAMES if name.startswith(scene)]


def without_scene(names: list[str]) -> list[str]:
    """Those that no scene comes to."""
    return [name for name in names if not name.startswith((*SERVED, *LABOURED, *ELSEWHERE))]


def without_name(names: list[str]) -> list[str]:
    """Beginnings that no name has any more."""
    known = (*SERVED, *LABOURED, *ELSEWHERE)
    return [beginning for beginning in known if not any(name.startswith(beginning) for name in names)]
