"""The command that writes the reference. Each page is loaded only when it runs."""

from importlib import import_module
from typing import Annotated, Any

import typer


def reference(
    context: typer.Context,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 where a page is not up to date.")
    ] = False,
) -> None:
    """Write the pages of docs/ that come from the code: settings, problems, events, permissions, API …

    Example: bailiwick reference --check
    """
    project: Any = import_module("bailiwick.tooling.project").Project.find()
    pages = import_module("bailiwick.tooling.reference.pages")
    settings = import_module("bailiwick.kernel.settings").Settings.load()
    written = pages.pages(settings, context.find_root().command, is_product=project.is_product)
    stale = pages.stale(project.root, written)
    for path, text in stale.items():
        if not check:
            (project.root / path).parent.mkdir(parents=True, exist_ok=True)
            (project.root / path).write_text(text)
        typer.echo(f"{path} is not up to date" if check else f"{path} written")
    if not stale:
        typer.echo("The reference is up to date.")
    elif check:
        typer.echo("Write it: bailiwick reference", err=True)
        raise typer.Exit(1)
