"""The commands `openapi`, `postman` and `client`: contracts for those who call the API."""

from pathlib import Path
from typing import Annotated, Any

import typer

from bailiwick.tooling.loading import load

Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="File to write.", show_default="standard output")
]
Folder = Annotated[Path, typer.Option("--output", "-o", help="Folder for the client.", show_default=False)]
Force = Annotated[bool, typer.Option("--force", help="Replace a client that was made here before.")]

client = typer.Typer(
    rich_markup_mode=None,
    help="Make a typed client of the API, in Python or TypeScript.",
    no_args_is_help=True,
)


def _contract(name: str) -> Any:
    return load(f"bailiwick.tooling.clients.contract:{name}")


def _write(text: str, output: Path | None) -> None:
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")


def openapi(
    output: Output = None,
    format: Annotated[
        str | None, typer.Option(help="json or yaml.", show_default="by the file's ending")
    ] = None,
) -> None:
    """Write the OpenAPI document of the enabled contexts, as JSON or YAML.

    Examples: bailiwick openapi -o openapi.json, bailiwick openapi --format yaml
    """
    known = _contract("Format")
    if format is not None and format not in list(known):
        raise typer.BadParameter(f"{format} is not known; there are json and yaml.", param_hint="--format")
    chosen = known(format) if format else _contract("format_of")(output)
    _write(_contract("written")(_contract("current")(), chosen), output)


def postman(output: Output = None) -> None:
    """Write a Postman collection: a folder for each context, and a request that signs in.

    Example: bailiwick postman -o bailiwick.postman_collection.json
    """
    made = load("bailiwick.tooling.clients.postman:collection")(_contract("current")())
    _write(_contract("written")(made, _contract("Format").JSON), output)


@client.command()
def python(
    output: Folder,
    package: Annotated[
        str | None, typer.Option(help="Name of its package.", show_default="that of the project, and _client")
    ] = None,
    force: Force = False,
) -> None:
    """Make a typed Python package that calls the API. Needs uv, which runs the generator.

    Example: bailiwick client python -o clients/python
    """
    generate = load("bailiwick.tooling.clients.python:generate")
    typer.echo(generate(_contract("current")(), output, package, force=force))


@client.command()
def typescript(output: Folder, force: Force = False) -> None:
    """Make a typed TypeScript client that calls the API. Needs node and npx, which runs the generator.

    Example: bailiwick client typescript -o web/src/api
    """
    generate = load("bailiwick.tooling.clients.typescript:generate")
    typer.echo(generate(_contract("current")(), output, force=force))
