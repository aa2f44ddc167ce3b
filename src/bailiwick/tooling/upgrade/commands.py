"""The command `bailiwick upgrade`."""

from typing import Annotated

import typer

from bailiwick.tooling.loading import load


def upgrade(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the changes, make none.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also where git could not undo it.")] = False,
) -> None:
    """Bring this project's code to the version of Bailiwick that is installed.

    Example: bailiwick upgrade --dry-run
    """
    typer.echo(load("bailiwick.tooling.upgrade.upgrading:upgrade")(dry_run=dry_run, force=force))
