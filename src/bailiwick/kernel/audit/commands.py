"""`bailiwick audit`: what an operator asks of the audit trail. Each command loads only what it needs."""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

audit = typer.Typer(
    rich_markup_mode=None,
    help="Verify the audit trail, or erase what is personal in it.",
    no_args_is_help=True,
)

PROGRESS_EVERY = 100_000


@audit.command()
def verify(
    anchor: Annotated[
        Path | None,
        typer.Option(help="File of earlier heads, kept elsewhere: compared, and the new head is added."),
    ] = None,
) -> None:
    """Recompute the chain over the audit trail and say what does not fit. Exit code 1 if anything does not.

    Example: bailiwick audit verify --anchor /mnt/elsewhere/audit.anchor
    """
    anchors = _anchors(anchor)
    verification = import_module("bailiwick.kernel.audit.verification")
    report = _run(lambda database: verification.verify(database, anchors, _tell))
    _show(report)
    if report.damaged:
        raise typer.Exit(1)
    position, digest = report.head
    if anchor and position and position not in anchors:
        with anchor.open("a") as file:
            file.write(f"{position} {digest}\n")


@audit.command()
def erase(
    actor: Annotated[UUID | None, typer.Option(metavar="ID", help="Of what this account did.")] = None,
    subject: Annotated[UUID | None, typer.Option(metavar="ID", help="Of what was done to this.")] = None,
    older_than: Annotated[
        int | None, typer.Option(min=0, metavar="DAYS", help="Of everything before.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase addresses, devices and values for ever. Who did what to what stays, and the chain still holds.

    Example: bailiwick audit erase --actor 0190a5c2-6f3e-7c1a-9d52-3f1b8e7a4c60
    """
    if actor is None and subject is None and older_than is None:
        raise typer.BadParameter("say whose: --actor ID, --subject ID or --older-than DAYS")
    if not yes:
        typer.confirm("Erase these details for ever?", abort=True)
    before = None if older_than is None else datetime.now(UTC) - timedelta(days=older_than)
    erasure = import_module("bailiwick.kernel.audit.erasure")
    done = _run(
        lambda database: erasure.erase_details(database, actor_id=actor, subject_id=subject, before=before)
    )
    typer.echo(f"{_rows(done)} lost {'its' if done == 1 else 'their'} details.")


def _run(work: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
    """Do something with the database that the settings name."""
    settings = import_module("bailiwick.kernel.settings").Settings.load()
    database = import_module("bailiwick.backend").open_database(settings)

    async def run() -> Any:
        await database.open()
        try:
            return await work(database)
        finally:
            await database.close()

    return import_module("asyncio").run(run())


def _anchors(file: Path | None) -> dict[int, str]:
    if file is None or not file.exists():
        return {}
    try:
        lines = [line.split() for line in file.read_text().splitlines() if line.strip()]
        return {int(position): digest for position, digest in lines}
    except ValueError:
        raise typer.BadParameter(f"{file} is no file of heads: a position and a digest per line") from None


def _tell(walked: int) -> None:
    if walked % PROGRESS_EVERY == 0:
        typer.echo(f"{walked} rows …", err=True)


def _show(report: Any) -> None:
    if report.damaged:
        typer.secho(f"DAMAGED in {report.damaged} places:", fg=typer.colors.RED)
        for damage in report.damages:
            typer.echo(f"  {damage}")
    else:
        typer.echo(f"OK: {_rows(report.sealed)} sealed and intact.")
    if report.erased:
        typer.echo(f"Erased details: {_rows(report.erased)}.")
    if report.unsealed:
        typer.echo(f"Not sealed yet: {_rows(report.unsealed)}, the oldest of {report.oldest_unsealed}.")
    position, digest = report.head
    typer.echo(f"Head: {position} {digest}")


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"
