"""Where the reviewed table of who may do what lies."""

from pathlib import Path

FILE = Path(__file__).with_name("policy.md")
