"""Loads what a tool needs when its command runs, and says what to install where that is missing."""

from importlib import import_module
from typing import Any

OPTIONAL = frozenset({"grimp", "importlinter", "jinja2", "libcst", "ruff", "squawk", "tomlkit", "yaml"})


class ToolingMissing(Exception):
    """A tool's own dependency is not installed. The text says how to get it."""


def load(target: str) -> Any:
    """What `module:name` names. Raises ToolingMissing."""
    module, _, name = target.partition(":")
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in OPTIONAL:
            raise
        raise ToolingMissing(
            f"This command needs the package {error.name}, which is not installed.\n"
            "Install the tools: pip install 'bailiwick[tooling]'"
        ) from None
