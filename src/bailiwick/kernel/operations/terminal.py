"""What operators see in a terminal: tables of at most 100 columns, and JSON for machines."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from textwrap import fill
from typing import Any

import orjson

from bailiwick.kernel.encoding import plain
from bailiwick.kernel.operations.lists import WholeWorkView, WorkView
from bailiwick.kernel.operations.processes import ProcessView, WholeProcessView
from bailiwick.kernel.operations.queues import QueueView
from bailiwick.kernel.operations.why import Explanation

WIDTH = 100
NOTHING = "There is nothing."


def as_json(found: object) -> str:
    options = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z
    return orjson.dumps(found, default=plain, option=options).decode()


def work_table(items: Sequence[WorkView]) -> str:
    """Ids by their last 8 digits, which tell more of them apart than the first do."""
    if not items:
        return NOTHING
    rows = [("ID", "STATE", "QUEUE", "NAME", "TRIES", "WHEN (UTC)")]
    for each in items:
        at = each.finished_at or each.due_at
        when = f"{at:%m-%d %H:%M:%S}" if at else ""
        row = (each.id.hex[-8:], str(each.state), each.queue, each.name, str(each.attempts), when)
        rows.append(row)
    lines = _table(rows, (8, 9, 18, 36, 5, 14))
    notes = [[each.error] if each.error else [] for each in items]
    return _with_notes(lines, notes)


def process_table(items: Sequence[ProcessView]) -> str:
    """As `work_table`; below each what fails now, or why it is taken back."""
    if not items:
        return NOTHING
    rows = [("ID", "STATUS", "NAME", "KEY", "STEP", "CHANGED (UTC)")]
    for each in items:
        when = f"{each.changed_at:%m-%d %H:%M:%S}"
        rows.append((each.id.hex[-8:], str(each.status), each.name, each.key[-8:], each.step or "", when))
    notes = [[text for text in (each.last_error, each.reason) if text] for each in items]
    return _with_notes(_table(rows, (8, 12, 26, 8, 24, 14)), notes)


def one_by_one(item: WholeWorkView | WholeProcessView) -> str:
    known = {name: value for name, value in asdict(item).items() if value is not None}
    return "\n".join(f"{name:15}{_told(value)}" for name, value in known.items())


def explanation(told: Explanation) -> str:
    about = f"{told.name} in the queue {told.queue} is {told.state}."
    lines = [fill(each.sentence, WIDTH, initial_indent="- ", subsequent_indent="  ") for each in told.reasons]
    return "\n".join([f"{told.id}: {about}", *lines])


def queue_table(found: Sequence[QueueView]) -> str:
    if not found:
        return NOTHING
    rows = [("QUEUE", "WAITING", "RUNNING", "RETRYING", "DEAD", "OLDEST")]
    for each in found:
        waiting, running, retrying, dead = map(str, (each.waiting, each.running, each.retrying, each.dead))
        rows.append((each.queue, waiting, running, retrying, dead, _age(each.oldest_due_at)))
    return _with_notes(_table(rows, (24, 9, 9, 9, 9, 12)), [_notes(each) for each in found])


def _notes(queue: QueueView) -> list[str]:
    stop = queue.paused
    return [
        *([f"paused by {stop.by} at {_told(stop.at)}: {stop.reason}"] if stop is not None else []),
        *(
            f"no worker knows {each.reader} (last seen at {_told(each.seen_at)})"
            for each in queue.readers
            if not each.handled
        ),
    ]


def _with_notes(lines: Sequence[str], notes: Sequence[Sequence[str]]) -> str:
    """Below each line but the first, what there is to say about it."""
    [head, *rest] = lines
    shown = [head]
    for line, below in zip(rest, notes, strict=True):
        shown += [line, *(_cut(f"  {note}", WIDTH) for note in below)]
    return "\n".join(shown)


def _table(rows: Iterable[Sequence[str]], widths: Sequence[int]) -> list[str]:
    return [
        " ".join(f"{_cut(cell, width):{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _cut(text: str, width: int) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text.split("\n"))
    return line if len(line) <= width else f"{line[: width - 1]}…"


def _age(since: datetime | None) -> str:
    if since is None:
        return ""
    seconds = max(0, int((datetime.now(UTC) - since).total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _told(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return as_json(value) if isinstance(value, dict | list) else str(value)
