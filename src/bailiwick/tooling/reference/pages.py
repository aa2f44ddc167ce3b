"""Which pages there are, and which of them are not what the code says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bailiwick.backend import Backend
from bailiwick.kernel.http import catalogue
from bailiwick.kernel.settings import Settings, reference
from bailiwick.tooling.reference import command_line, events, operations, permissions, public_api


def pages(settings: Settings, command: Any, *, is_product: bool = False) -> dict[str, str]:
    """The path of each page, from the root of the project, and its text.

    `settings` name the contexts, `command` is the whole command line. What projects may rely on is a page
    of Bailiwick's own documents alone.
    """
    backend = Backend.build(settings)
    return {
        "docs/settings.md": reference(),
        "docs/problems.md": catalogue.as_markdown(catalogue.entries(settings.contexts)),
        "docs/reference/events.md": events.page(backend),
        "docs/reference/permissions.md": permissions.page(backend),
        "docs/reference/commands.md": command_line.page(command),
        "docs/reference/operations.md": operations.page(backend),
    } | ({"docs/reference/public-api.md": public_api.page()} if is_product else {})


def stale(root: Path, written: Mapping[str, str]) -> dict[str, str]:
    """Those pages that are missing below `root` or say something else there."""
    return {
        path: text
        for path, text in written.items()
        if not (root / path).is_file() or (root / path).read_text() != text
    }
