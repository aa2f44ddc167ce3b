"""What `bailiwick ledger prove` does, and what it says."""

import time
from collections.abc import Callable

from bailiwick.kernel.application import Clock
from bailiwick.kernel.database.connections import Database
from bailiwick.payments.infrastructure.proof import Prover, Report

Say = Callable[[str], object]

SAY_EVERY = 2.0  # seconds


async def proved(database: Database, clock: Clock, say: Say, remark: Say, *, full: bool) -> bool:
    """Prove the books and say what was found; `remark` tells how far it is. Returns whether they hold."""
    said = time.monotonic()

    def progress(done: int, all: int) -> None:
        nonlocal said
        if time.monotonic() - said > SAY_EVERY:
            said = time.monotonic()
            remark(f"{done} of {all} journals, {100 * done // all} % …")

    report = await Prover(database, clock).prove(full=full, progress=progress)
    for line in _lines(report):
        say(line)
    return not report.damaged


def _lines(report: Report) -> list[str]:
    position, digest = report.head
    since = f" since position {report.since}" if report.since else ""
    looked = [
        f"Looked at{since}: {_count(report.journals, 'journal')} with "
        f"{_count(report.entries, 'entry', 'entries')}, {_count(report.wallets, 'wallet')}, "
        f"{_count(report.open_holds, 'open hold')}, in {report.seconds:.1f} s.",
        f"Head: {position} {digest}",
    ]
    if not report.damaged:
        return ["OK: the books hold.", *looked]
    rest = report.damaged - len(report.damages)
    more = [f"  and {rest} more"] if rest else []
    places = _count(report.damaged, "place")
    return [f"DAMAGED in {places}:", *(f"  {damage}" for damage in report.damages), *more, *looked]


def _count(number: int, one: str, several: str | None = None) -> str:
    return f"1 {one}" if number == 1 else f"{number} {several or one + 's'}"
