"""Named points at which a test kills, delays or counts this process: nothing, unless it was started for that.

`BAILIWICK_FAILPOINTS="relay.claimed=kill@0.05;database.*=sleep:0.2@3;*=count:/tmp/hits"`: a name or a
pattern, what happens, and when: with a probability (it has a point), at the n-th hit, or always. Names
are `<unit>.<moment>`. Production refuses the variable.
"""

import os
import random
import signal
import time
from collections.abc import Callable
from fnmatch import fnmatchcase
from itertools import count
from pathlib import Path

VARIABLE = "BAILIWICK_FAILPOINTS"

Reached = Callable[[str], None]


def _nothing(name: str) -> None: ...


def armed(text: str) -> Reached:
    """`reached` for a process started with this text. Raises ValueError where that makes no sense."""
    points = [_point(part.strip()) for part in text.split(";") if part.strip()]

    def reach(name: str) -> None:
        for point in points:
            point(name)

    return reach if points else _nothing


def _point(text: str) -> Reached:
    pattern, _, rest = text.partition("=")
    what, _, when = rest.partition("@")
    action, _, argument = what.partition(":")
    acts: dict[str, Reached] = {
        "kill": lambda _: os.kill(os.getpid(), signal.SIGKILL),
        "sleep": lambda _: time.sleep(float(argument)),
        "count": lambda name: _note(name, argument),
    }
    if not pattern or action not in acts or (action != "kill") != bool(argument):
        raise ValueError(f"{text!r} is not name=kill, name=sleep:seconds or name=count:file, and @when")
    chance, hits, wanted = float(when or 1), count(1), int(when) if when.isdigit() else 0

    def reach(name: str) -> None:
        if fnmatchcase(name, pattern) and (next(hits) == wanted if wanted else random.random() < chance):
            acts[action](name)

    return reach


def _note(name: str, path: str) -> None:
    with Path(path).open("ab", buffering=0) as file:
        file.write(f"{name}\n".encode())


reached = armed(os.environ.get(VARIABLE, ""))
