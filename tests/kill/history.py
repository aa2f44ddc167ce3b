"""What clients asked and were told: an append-only log, and the history that is read back from it."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DEFINITE = range(200, 500)
"""Answers after which a client knows where it stands. Anything else, or none, is indeterminate."""


READING = ("read", "look")
"""Kinds that change nothing."""


@dataclass
class Answer:
    """One try: its status (0: none came, or not in time), what came, and after how many seconds."""

    status: int
    body: str
    seconds: float
    at: float

    @property
    def is_definite(self) -> bool:
        return self.status in DEFINITE

    @property
    def acknowledges(self) -> bool:
        return self.status in range(200, 300)

    @property
    def data(self) -> Any:
        return json.loads(self.body)["data"] if self.body else None


@dataclass
class Asked:
    """One request that somebody wanted carried out, and every answer to it. `about` says what it changes.

    `at` is when it was first sent, by the clock of the machine.
    """

    number: int
    kind: str
    key: str
    about: str
    answers: list[Answer] = field(default_factory=list)
    at: float = 0.0

    @property
    def last(self) -> Answer:
        return self.answers[-1] if self.answers else Answer(0, "", 0.0, 0.0)

    @property
    def succeeded(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.acknowledges]

    @property
    def was_indeterminate(self) -> bool:
        return any(not answer.is_definite for answer in self.answers)


class Log:
    """Written before a request leaves and when its answer comes: no memory of ours survives our own death."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a")
        self.count = 0

    def intend(self, kind: str, key: str, about: str = "") -> int:
        self.count += 1
        self._write({"asked": self.count, "kind": kind, "key": key, "about": about, "at": time.time()})
        return self.count

    def answered(self, number: int, status: int, body: str, seconds: float) -> None:
        self._write({"answer": number, "status": status, "body": body, "seconds": seconds, "at": time.time()})

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


@dataclass
class History:
    """Everything that was asked, in its order."""

    asked: list[Asked]

    @classmethod
    def read(cls, path: Path) -> "History":
        asked: dict[int, Asked] = {}
        for line in map(json.loads, path.read_text().splitlines()):
            if "asked" in line:
                number, kind, key, about = line["asked"], line["kind"], line["key"], line["about"]
                asked[number] = Asked(number, kind, key, about, at=line["at"])
            else:
                answer = Answer(line["status"], line["body"], line["seconds"], line["at"])
                asked[line["answer"]].answers.append(answer)
        return cls(list(asked.values()))

    def of(self, *kinds: str) -> Iterator[Asked]:
        return (asked for asked in self.asked if asked.kind in kinds)

    @property
    def answers(self) -> list[Answer]:
        return [answer for asked in self.asked for answer in asked.answers]

    @property
    def acknowledged(self) -> list[Asked]:
        """What was carried out, as far as the client was told; reading is no change."""
        return [asked for asked in self.asked if asked.kind not in READING and asked.succeeded]

    @property
    def indeterminate(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.was_indeterminate]
