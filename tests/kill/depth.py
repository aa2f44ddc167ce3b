"""How long this directory's tests go on: a short while, or as long as the environment says."""

import os

KILLS = int(os.environ.get("BAILIWICK_KILLS", "0"))
"""Kills of each kind that a long run makes; 0 is the short form."""


def times(short: int, long: int | None = None) -> int:
    """`short` in the short form; in a long run `long`, or as many kills as were asked for."""
    return short if not KILLS else long or KILLS
