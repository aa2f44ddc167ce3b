"""What a seal covers: a row of the audit trail in one canonical form, and all seals before it."""

import hashlib
from collections.abc import Mapping
from datetime import UTC
from typing import Any

import orjson

from bailiwick.kernel.messaging.tables import audit

GENESIS = "0" * 64
"""Stands before the first seal."""

COVERED = [str(column.name) for column in audit.c if column.name != "details"]


def details_digest(details: Mapping[str, Any] | None) -> str | None:
    """SHA-256, in hex, of what can be erased. Its salt keeps the digest from telling what was there."""
    return None if details is None else hashlib.sha256(_json(details)).hexdigest()


def digest(previous: str, row: Mapping[str, Any], of_details: str | None) -> str:
    """SHA-256, in hex, of the digest before, the row without its details, and the digest of those."""
    told = {name: row[name] for name in COVERED}
    told["at"] = row["at"].astimezone(UTC).isoformat(timespec="microseconds")
    for name in ("id", "actor_id", "subject_id"):
        told[name] = None if row[name] is None else str(row[name])
    return hashlib.sha256(previous.encode() + _json(told) + (of_details or "").encode()).hexdigest()


def _json(value: object) -> bytes:
    return orjson.dumps(_canonical(value), option=orjson.OPT_SORT_KEYS)


def _canonical(value: Any) -> Any:
    """PostgreSQL gives 1e3 back as 1000 and -0.0 as 0: a whole number is written as one."""
    kind = type(value)
    if kind is dict:
        return {name: _canonical(inner) for name, inner in value.items()}
    if kind is list or kind is tuple:
        return [_canonical(inner) for inner in value]
    if kind is float:
        whole = value.is_integer() and -(2**63) <= value < 2**64
        return int(value) if whole else value
    return value
