"""The command `bailiwick map`."""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

map_app = typer.Typer(
    rich_markup_mode=None,
    help="Show the contexts, who hears of whose events, who asks whom, and what each of them owns.",
    invoke_without_command=True,
)
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="File to write: .svg, .png or .dot; or the text of the other options."
    ),
]


def _load(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(import_module(f"bailiwick.tooling.{module}"), name)


def _atlas(revision: str | None = None) -> Any:
    """The map of the project of this folder, as it is or as it was at a revision."""
    project = _load("project:Project").find()
    files = _load("map.sources:files_of")(project, revision) if revision else None
    return _load("map.reading:atlas_of")(project, files)


def _before(named: str) -> Any:
    """The map that was kept in a file of that name, or that of a revision of git."""
    file = Path(named)
    return _load("map.atlas:Atlas").of(_load("map.sources:saved")(file)) if file.is_file() else _atlas(named)


@map_app.callback()
def show(
    context: typer.Context,
    output: Output = None,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="As Mermaid, for Markdown.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines, and to compare with later.")] = False,
    diff: Annotated[
        str | None,
        typer.Option(help="What changed since a revision of git, such as HEAD, or a map kept as JSON."),
    ] = None,
) -> None:
    """Show the contexts, who hears of whose events, who asks whom, and what each of them owns.

    Examples: bailiwick map, bailiwick map -o map.svg, bailiwick map --diff main,
    bailiwick map explain orders payments
    """
    if context.invoked_subcommand:
        return
    if as_json + mermaid + (diff is not None) > 1:
        raise typer.BadParameter("Ask for one of --json, --mermaid and --diff at a time.")
    atlas, before = _atlas(), _before(diff) if diff else None
    if as_json:
        text: str = _load("map.words:as_json")(atlas)
    elif mermaid:
        text = _load("map.mermaid:as_mermaid")(atlas)
    elif output:
        _load("map.drawing:draw")(atlas, output, before)
        return
    else:
        text = (
            _load("map.words:differences")(atlas, before, diff)
            if before
            else _load("map.words:outline")(atlas)
        )
    if output:
        output.write_text(f"{text}\n")
    else:
        typer.echo(text)


@map_app.command()
def explain(
    one: Annotated[str, typer.Argument(help="A context.", show_default=False)],
    other: Annotated[str, typer.Argument(help="Another one.", show_default=False)],
) -> None:
    """Say why two contexts are joined: what crosses, where, and what would break without it.

    Example: bailiwick map explain orders payments
    """
    typer.echo(_load("map.explaining:explain")(_atlas(), one, other))
