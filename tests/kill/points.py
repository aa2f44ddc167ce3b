"""Where the processes die that are killed at a failpoint: each name in the code belongs to one scene."""

from bailiwick.tooling.check.style.failpoints import failpoint_names
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
    "tickets.",
    "worker.claimed",
    "worker.handled",
)
"""Met by workers under a load of every kind: test_failpoint_labour.py."""

_CELERY = "needs Celery; tests/kernel/test_celery.py kills its workers, though not at each of these points"
_BROKER = "needs a broker; tests/kernel/test_transports_killed.py kills it and its readers, not at each point"
ELSEWHERE = {
    "celery.": _CELERY,
    "dispatcher.": _CELERY,
    "worker.taken": _CELERY,
    "jetstream.": _BROKER,
    "streams.": _BROKER,
    "transport.": _BROKER,
    "proof.": "tests/payments/test_prove_ledger.py kills provers there; these workers have no wallets",
    "hints.": "a hint says only that there is news; whoever misses it finds the news in the database",
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
