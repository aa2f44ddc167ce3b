"""Versions of Bailiwick, in their order."""

import re
from importlib.metadata import version


def number(version: str) -> tuple[int, int, int]:
    """`0.2.0` to compare by; what follows, such as `rc1`, does not count. Raises ValueError."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    if found is None:
        raise ValueError(f"{version!r} is not a version: it looks like 0.2.0")
    major, minor, patch = found.groups("0")
    return int(major), int(minor), int(patch)


def installed() -> str:
    return version("bailiwick")
