"""The command `bailiwick`: start it, migrate it, look after it. Each command loads only what it needs."""

import os
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from bailiwick import operations_cli
from bailiwick.kernel.audit.commands import audit
from bailiwick.tooling.check.commands import check
from bailiwick.tooling.clients import commands as clients
from bailiwick.tooling.edit.commands import promote
from bailiwick.tooling.generate.commands import new
from bailiwick.tooling.map.commands import map_app
from bailiwick.tooling.reference.commands import reference as write_reference
from bailiwick.tooling.upgrade.commands import upgrade

INTRODUCTION = """A business backend of working bounded contexts.

\b
  bailiwick run       prepares the database, adds a small demo, and serves
  bailiwick doctor    checks this installation and says what to do

Settings come from the environment, secret files and bailiwick.toml: see `bailiwick settings`.
"""

TOLD = frozenset({"CannotCopy", "CannotServe", "CeleryMissing", "NothingToHandle"})
"""Errors whose text says what to do."""


def _load(target: str) -> Any:
    """What `module:name` names. Imported only when a command runs, so that `--help` answers at once."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


class _Commands(TyperGroup):
    """Lists commands by what they are for, and turns what goes wrong into a message and an exit code."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        panels: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command: Any = self.get_command(ctx, name)
            row = (name, command.get_short_help_str(limit=100))
            panels.setdefault(command.rich_help_panel or "Commands", []).append(row)
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl(rows)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, TyperException, BrokenPipeError):
            raise
        except Exception as error:
            if os.environ.get("BAILIWICK_DEBUG", "").lower() in ("1", "true", "yes", "on"):
                raise
            message, code = _explained(error)
            typer.secho(message, err=True, fg=typer.colors.RED)
            raise typer.Exit(code) from None


def _explained(error: Exception) -> tuple[str, int]:
    """What happened and what to do, and the exit code: 2 for wrong settings, 1 for all else."""
    if isinstance(error, _load("bailiwick.kernel.settings:SettingsError")):
        return str(error), 2
    if isinstance(error, _load("bailiwick.kernel.domain:DomainError")):
        return str(error), 1
    kind = type(error)
    if kind.__name__ in TOLD or kind.__module__.startswith("bailiwick.tooling."):
        return str(error), 1
    text = _load("bailiwick.kernel.settings.forms:without_password")(str(error)) or "no details"
    if isinstance(error, OSError) or type(error).__module__.split(".")[0] in (
        "asyncpg",
        "sqlalchemy",
        "sqlite3",
    ):
        return (
            f"The database or a file cannot be used: {text}\nRun `bailiwick doctor`: it says what is wrong.",
            1,
        )
    hint = "Run `bailiwick doctor`, or repeat with BAILIWICK_DEBUG=true to see where it happened."
    return f"Unexpected: {type(error).__name__}: {text}\n{hint}", 1


app = typer.Typer(
    cls=_Commands,
    help=INTRODUCTION,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # Rich makes prettier boxes and takes 0.2 s to load
    context_settings={"help_option_names": ["-h", "--help"]},
)
migrate = typer.Typer(
    rich_markup_mode=None,
    help="Bring the database to the version of this code, or back.",
    no_args_is_help=True,
)
superuser = typer.Typer(
    rich_markup_mode=None, help="The account that may do everything.", no_args_is_help=True
)
app.add_typer(migrate, name="migrate", rich_help_panel="Look after it")
app.add_typer(superuser, name="superuser", rich_help_panel="Look after it")
app.add_typer(operations_cli.messages, name="messages", rich_help_panel="Look after it")
app.add_typer(operations_cli.jobs, name="jobs", rich_help_panel="Look after it")
app.add_typer(operations_cli.processes, name="processes", rich_help_panel="Look after it")
app.add_typer(operations_cli.stock, name="stock", rich_help_panel="Look after it")
app.add_typer(operations_cli.ledger, name="ledger", rich_help_panel="Look after it")
app.add_typer(audit, name="audit", rich_help_panel="Look after it")
app.add_typer(new, name="new", rich_help_panel="Build on it")
app.command(rich_help_panel="Build on it")(promote)
app.add_typer(map_app, name="map", rich_help_panel="Build on it")
app.command(rich_help_panel="Build on it")(check)
app.command(rich_help_panel="Build on it")(upgrade)

Host = Annotated[str | None, typer.Option(help="Address to listen on.", show_default="http.host")]
Port = Annotated[int | None, typer.Option(help="Port to listen on.", show_default="http.port")]
Workers = Annotated[int | None, typer.Option(help="Server processes.", show_default="http.workers")]


def _settings() -> Any:
    return _load("bailiwick.kernel.settings:Settings").load()


def _override(**options: object) -> None:
    """Options win over settings. They go into the environment, where the workers find them too."""
    for name, value in options.items():
        if value is not None:
            os.environ[f"BAILIWICK_HTTP__{name.upper()}"] = str(value)


@app.command(rich_help_panel="Start")
def run(host: Host = None, port: Port = None, workers: Workers = None) -> None:
    """Prepare the database, seed the demo if it is empty, and serve. Keeps the data it finds.

    Example: PORT=9000 bailiwick run
    """
    _override(host=host, port=port, workers=workers)
    settings = _settings()
    _load("bailiwick.kernel.database.migrations:upgrade")(settings)
    seeded = _load("bailiwick.demo:seed")(settings)
    if seeded:
        typer.echo(seeded)
    _become_server()


@app.command(rich_help_panel="Start")
def serve(
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    reload: Annotated[bool, typer.Option("--reload", help="Restart when the code changes.")] = False,
) -> None:
    """Serve the API on a database that is already prepared.

    Examples: bailiwick serve --workers 4, bailiwick serve --reload
    """
    _override(host=host, port=port, workers=workers)
    _load("bailiwick.serving:check")(_settings(), reload=reload)
    _become_server(*(["--reload"] if reload else []))


def _become_server(*words: str) -> None:
    """Workers are forked from the server: it must not have made ids, which they would go on making alike,
    and whatever it has loaded (this command line is 7 MB) each of them carries."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", "bailiwick.serving", *words])  # noqa: S606


app.command(rich_help_panel="Start")(operations_cli.worker)
app.command(
    rich_help_panel="Start", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)(operations_cli.celery)


@migrate.command()
def up() -> None:
    """Bring every context to its newest version. Safe to repeat; one process at a time does it."""
    before = _load("bailiwick.kernel.database.migrations:upgrade")(_settings())
    for each in before:
        done = f"{each.pending} applied" if each.pending else "nothing to do"
        typer.echo(f"{each.context:12} {done}, at {each.head or 'no version'}")


@migrate.command()
def down(
    context: Annotated[str, typer.Option(help="The context to take back, such as tasks.")],
    steps: Annotated[int, typer.Option(min=1, help="How many migrations to undo.")] = 1,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Undo the last migrations of one context. What they added is dropped, with its data.

    Example: bailiwick migrate down --context tasks --steps 1
    """
    settings = _settings()
    known = ["kernel", *settings.contexts]
    if context not in known:
        raise typer.BadParameter(
            f"{context} is not enabled; there are {', '.join(known)}.", param_hint="--context"
        )
    if not yes:
        typer.confirm(f"Undo {steps} migration(s) of {context} and lose their data?", abort=True)
    after = _load("bailiwick.kernel.database.migrations:downgrade")(settings, context, steps)
    typer.echo(f"{context} is now at {after.current or 'the beginning'}, {after.pending} pending.")


@migrate.command()
def status() -> None:
    """Show where every context stands. Exit code 1 if anything is pending."""
    found = _load("bailiwick.kernel.database.migrations:status")(_settings())
    for each in found:
        pending = f"{each.pending} pending" if each.pending else "up to date"
        typer.echo(f"{each.context:12} {each.current or 'none':12} {pending}")
    if any(each.pending for each in found):
        typer.echo("Apply them: bailiwick migrate up", err=True)
        raise typer.Exit(1)


@migrate.command()
def copy(
    source: Annotated[
        str, typer.Option("--from", help="The old database, such as sqlite:///var/bailiwick.db.")
    ],
) -> None:
    """Copy everything from another database into this one, which must be unused. Stop the product first.

    Example: DATABASE_URL=postgresql://... bailiwick migrate copy --from sqlite:///var/bailiwick.db
    """
    settings = _settings()
    copied = _load("bailiwick.kernel.database.copying:copy")(source, settings.database.url, settings.contexts)
    for each in copied:
        if each.rows:
            typer.echo(f"{each.table:28} {each.rows:>9,}")
    typer.echo(f"{sum(each.rows for each in copied):,} rows copied.")


@superuser.command()
def create(
    email: Annotated[str, typer.Argument(help="The email to sign in with.", show_default=False)],
    force: Annotated[bool, typer.Option("--force", help="Even if there is a super admin already.")] = False,
) -> None:
    """Create a super admin and print its password, once. Change it soon.

    Example: bailiwick superuser create ada@example.com
    """
    password = _load("bailiwick.main:create_superuser")(_settings(), email, force)
    typer.echo(f"{email} is a super admin. The password, shown only now:\n\n  {password}\n")


@app.command(rich_help_panel="Look after it")
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Check settings, database, migrations, clock and mail, and say what to do. Exit code 1 on a failure."""
    findings = _load("bailiwick.doctor:examine")()
    typer.echo(_load("bailiwick.doctor:as_json" if as_json else "bailiwick.doctor:as_table")(findings))
    if any(finding.verdict == "fail" for finding in findings):
        raise typer.Exit(1)


@app.command(rich_help_panel="Look after it")
def settings(
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    reference: Annotated[bool, typer.Option("--reference", help="Print docs/settings.md instead.")] = False,
) -> None:
    """Show every setting in effect, secrets masked."""
    if reference:
        typer.echo(_load("bailiwick.kernel.settings:reference")(), nl=False)
        return
    loaded = _settings()
    shown = loaded.shown()
    if as_json:
        typer.echo(_load("json:dumps")(shown, indent=2))
        return
    width = max(map(len, shown))
    for name, value in shown.items():
        typer.echo(f"{name:{width}}  {value}")
    for warning in loaded.warnings():
        typer.secho(f"Warning: {warning}", err=True, fg=typer.colors.YELLOW)


app.command(rich_help_panel="Build on it")(clients.openapi)
app.command(rich_help_panel="Build on it")(clients.postman)
app.add_typer(clients.client, name="client", rich_help_panel="Build on it")


app.command(name="reference", rich_help_panel="Build on it")(write_reference)


@app.command(rich_help_panel="Build on it")
def demo() -> None:
    """Add the small demo (people, tasks, a shop) to an empty database."""
    seeded = _load("bailiwick.demo:seed")(_settings())
    typer.echo(seeded or "Nothing was added: there is data already, or no identity, or this is production.")


@app.command(rich_help_panel="Look after it")
def version() -> None:
    """Show the version."""
    typer.echo(_load("importlib.metadata:version")("bailiwick"))


if __name__ == "__main__":
    app(prog_name="bailiwick")
