"""The command `bailiwick promote`: a context that has outgrown the flat shape."""

from typing import Annotated

import typer

from bailiwick.tooling.loading import load


def promote(
    context: Annotated[str, typer.Argument(help="A flat context of this project.", show_default=False)],
) -> None:
    """Bring a flat context into the full shape. What it does stays the same.

    Example: bailiwick promote notes
    """
    typer.echo(load("bailiwick.tooling.edit.promote:promote")(context))
