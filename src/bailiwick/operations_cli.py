"""The commands of whoever looks after it: messages, jobs, processes, the stock, and workers."""

import os
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from importlib import import_module
from typing import Annotated, Any

import typer

Id = Annotated[str, typer.Argument(help="The id, or 4 or more digits of its beginning or end.")]
Queue = Annotated[str, typer.Argument(help="The queue, as `queues` shows it.", show_default=False)]
PATIENCE = 120.0
"""Seconds that a statement of a long proof may take."""
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


def _load(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def _settings() -> Any:
    return _load("bailiwick.kernel.settings:Settings").load()


def _ask(what: str, act: Callable[[Any], Awaitable[Any]]) -> Any:
    """What `act` finds or does with the console of this installation, on the record as `what`."""
    return _ask_all(what, lambda backend: act(backend.console()))


def _ask_all(what: str, act: Callable[[Any], Awaitable[Any]]) -> Any:
    """The same with the whole backend: for what a context has to say."""
    backend = _load("bailiwick.backend:Backend").build(_settings())
    uncontended = _load("bailiwick.kernel.contention:uncontended")

    async def run() -> Any:
        cause = _load("bailiwick.kernel.application:Cause")
        run_id = f"cli-{os.getpid()}-{os.urandom(4).hex()}"
        _load("bailiwick.kernel.application:cause").set(cause(run_id, address=_operator(), what=what))
        async with backend.opened():
            return await uncontended(lambda: act(backend), again=12, pause=0.01)

    return _load("asyncio:run")(run())


def _operator() -> str:
    user = os.environ.get("USER") or f"uid {os.getuid()}"
    return f"{user}@{os.uname().nodename}"[:64]


def _command(name: str) -> Any:
    return _load(f"bailiwick.kernel.operations.commands:{name}")


def _show(found: Any, as_json: bool, as_text: str) -> None:
    shown = _load("bailiwick.kernel.operations.terminal:as_json" if as_json else _text(as_text))(found)
    typer.echo(shown)


def _text(name: str) -> str:
    return f"bailiwick.kernel.operations.terminal:{name}"


def group(kind: str, help: str) -> typer.Typer:
    """The commands about messages or about jobs."""
    app = typer.Typer(rich_markup_mode=None, help=help, no_args_is_help=True)
    _add_reads(app, kind)
    _add_changes(app, kind)
    _add_endings(app, kind)
    _add_queues(app, kind)
    return app


def _with_id(kind: str, id: str, act: Callable[[Any, Any, Any], Awaitable[Any]]) -> Callable[[Any], Any]:
    async def run(console: Any) -> Any:
        of = _load("bailiwick.kernel.operations.lists:Kind")(kind)
        found = await _load("bailiwick.kernel.operations.lists:id_from")(console.database, of, id)
        return await act(console, of, found)

    return run


def _add_reads(app: typer.Typer, kind: str) -> None:
    @app.command("list")
    def list_(
        state: Annotated[str | None, typer.Option(help="Such as dead, or waiting,retrying.")] = None,
        queue: Annotated[str | None, typer.Option(help="Only this queue.")] = None,
        name: Annotated[str | None, typer.Option(help="Only this subscriber or job.")] = None,
        key: Annotated[str | None, typer.Option(help="Only this key.")] = None,
        oldest: Annotated[bool, typer.Option("--oldest", help="The oldest first.")] = False,
        limit: Annotated[int, typer.Option(min=1, max=100, help="How many.")] = 20,
        as_json: AsJson = False,
    ) -> None:
        """Show what waits, runs, was given up or has ended."""
        asked = {"state": state, "queue": queue, "name": name, "key": key}
        query = {"per_page": str(limit), "sort": "id" if oldest else "-id"}
        query |= {name: value for name, value in asked.items() if value is not None}

        async def look(console: Any) -> Any:
            listing = _load("bailiwick.kernel.operations.lists:WORK")[kind]
            return (await listing.page(console.database, listing.parse(query))).items

        _show(_ask(f"cli.{kind}s.list", look), as_json, "work_table")

    @app.command()
    def show(id: Id, as_json: AsJson = False) -> None:
        """Show one, with what it is about."""

        async def look(console: Any, of: Any, found: Any) -> Any:
            return await _load("bailiwick.kernel.operations.lists:one_work")(console.database, of, found)

        _show(_ask(f"cli.{kind}s.show", _with_id(kind, id, look)), as_json, "one_by_one")

    @app.command()
    def why(id: Id, as_json: AsJson = False) -> None:
        """Say why it has not run, and what would have it run."""

        async def look(console: Any, of: Any, found: Any) -> Any:
            return await _load("bailiwick.kernel.operations.why:explain")(console, of, found)

        _show(_ask(f"cli.{kind}s.why", _with_id(kind, id, look)), as_json, "explanation")


def _add_changes(app: typer.Typer, kind: str) -> None:
    @app.command()
    def retry(id: Id) -> None:
        """Try what waits now instead of later."""
        _ask(f"cli.{kind}s.retry", _with_id(kind, id, _command("retry")))
        typer.echo("It is due now.")

    @app.command()
    def cancel(id: Id) -> None:
        """Stop it: at once where it waits, within seconds where it runs."""
        _ask(f"cli.{kind}s.cancel", _with_id(kind, id, _command("cancel")))
        typer.echo("It is cancelled; where it runs, its worker is told.")


def _add_endings(app: typer.Typer, kind: str) -> None:
    @app.command()
    def replay(
        id: Annotated[str | None, typer.Argument(help="The id, or part of it.", show_default=False)] = None,
        dead: Annotated[str | None, typer.Option(help="All that was given up in this queue.")] = None,
    ) -> None:
        """Put back what was given up or cancelled, as if never tried.

        Examples: replay 3f9a21c4, replay --dead profiles
        """
        if (id is None) == (dead is None):
            raise typer.BadParameter("name one, or a queue with --dead")
        if id is not None:
            _ask(f"cli.{kind}s.replay", _with_id(kind, id, _command("replay")))
            typer.echo("It waits again.")
        else:
            count = _ask(f"cli.{kind}s.replay", lambda console: _command("replay_dead")(console, dead))
            typer.echo(f"{count} wait again.")

    @app.command()
    def discard(
        id: Annotated[str | None, typer.Argument(help="The id, or part of it.", show_default=False)] = None,
        dead: Annotated[str | None, typer.Option(help="All that was given up in this queue.")] = None,
    ) -> None:
        """Forget what was given up or cancelled. It cannot be replayed any more."""
        if (id is None) == (dead is None):
            raise typer.BadParameter("name one, or a queue with --dead")
        if id is not None:
            _ask(f"cli.{kind}s.discard", _with_id(kind, id, _command("discard")))
            typer.echo("It is forgotten.")
        else:
            count = _ask(f"cli.{kind}s.discard", lambda console: _command("discard_dead")(console, dead))
            typer.echo(f"{count} are forgotten.")


def _add_queues(app: typer.Typer, kind: str) -> None:
    @app.command()
    def queues(as_json: AsJson = False) -> None:
        """Show every queue: how much waits, and who paused it."""
        look = _load("bailiwick.kernel.operations.queues:queues")
        _show(_ask(f"cli.{kind}s.queues", look), as_json, "queue_table")

    @app.command()
    def pause(
        queue: Queue, reason: Annotated[str, typer.Option(help="Why. Everybody who asks is told.")]
    ) -> None:
        """Let nothing of a queue start, in any worker. What runs ends."""
        pause_queue = _command("pause")
        _ask(f"cli.{kind}s.pause", lambda console: pause_queue(console, queue, _operator(), reason[:500]))
        typer.echo(f"{queue} is paused.")

    @app.command()
    def resume(queue: Queue) -> None:
        """Let a queue go on."""
        _ask(f"cli.{kind}s.resume", lambda console: _command("resume")(console, queue))
        typer.echo(f"{queue} goes on.")


messages = group("message", "Events on their way to their subscribers: what waits, why, what to do.")
jobs = group("job", "Work that was enqueued: what waits, why, what to do.")
processes = typer.Typer(
    rich_markup_mode=None,
    help="Processes across contexts: how far they are, and which are stuck.",
    no_args_is_help=True,
)


@processes.command("list")
def list_processes(
    status: Annotated[str | None, typer.Option(help="Such as stuck, or waiting,compensating.")] = None,
    name: Annotated[str | None, typer.Option(help="Only this kind.")] = None,
    key: Annotated[str | None, typer.Option(help="Only the one with this key.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show what runs, waits, is taken back or stuck, and what ended not long ago."""
    asked = {"status": status, "name": name, "key": key, "per_page": str(limit)}
    query = {name: value for name, value in asked.items() if value is not None}

    async def look(console: Any) -> Any:
        listing = _load("bailiwick.kernel.operations.processes:PROCESSES")
        return (await listing.page(console.database, listing.parse(query))).items

    _show(_ask("cli.processes.list", look), as_json, "process_table")


@processes.command("show")
def show_process(id: Id, as_json: AsJson = False) -> None:
    """Show one with its state and what it has done so far."""

    async def look(console: Any) -> Any:
        found = await _process(console, id)
        return await _load("bailiwick.kernel.operations.processes:one_process")(console.database, found)

    _show(_ask("cli.processes.show", look), as_json, "one_by_one")


@processes.command("retry")
def retry_process(id: Id) -> None:
    """Try again what is stuck."""

    async def act(console: Any) -> None:
        await _load("bailiwick.kernel.operations.processes:retry")(console, await _process(console, id))

    _ask("cli.processes.retry", act)
    typer.echo("It goes on.")


async def _process(console: Any, id: str) -> Any:
    return await _load("bailiwick.kernel.operations.processes:process_id_from")(console.database, id)


stock = typer.Typer(
    rich_markup_mode=None, help="The stock of the catalogue, counted anew.", no_args_is_help=True
)


# An only command would take the place of its group.
@stock.callback()
def _stock() -> None: ...


@stock.command()
def recount(
    repair: Annotated[
        bool, typer.Option("--repair", help="Have the stock say what its movements and reservations say.")
    ] = False,
) -> None:
    """Prove that the stock is what its movements made it, and that what is reserved is in open reservations.

    Prints each difference. Exit code 1 if one was not mended. It may run beside everything else.
    """
    if "catalog" not in _settings().contexts:
        raise typer.BadParameter("this process carries no catalogue; ask where `contexts` names it")
    counted = _load("bailiwick.catalog.interfaces.cli:recounted")
    ports = _load("bailiwick.catalog.application.ports:CatalogPorts")

    async def act(backend: Any) -> bool:
        mend = backend.provided(ports) if repair else None
        well: bool = await counted(backend.platform.database, typer.echo, partial(typer.echo, err=True), mend)
        return well

    if not _ask_all("cli.stock.recount", act):
        raise typer.Exit(1)


ledger = typer.Typer(
    rich_markup_mode=None, help="Wallets and the journals between them.", no_args_is_help=True
)


@ledger.command()
def prove(
    full: Annotated[bool, typer.Option("--full", help="From the first journal on.")] = False,
) -> None:
    """Prove that balances are the sums of their entries, journals balanced, and the chain of seals unbroken.

    It goes on from where the books last held, and may run beside everything else. Exit code 1 if they do not.
    """
    settings = _settings()
    if "payments" not in settings.contexts:
        raise typer.BadParameter("this process carries no payments; ask where `contexts` names them")
    patient = settings.database.model_copy(update={"statement_timeout": PATIENCE})
    database = _load("bailiwick.backend:open_database")(settings.model_copy(update={"database": patient}))
    clock, proved = _load("bailiwick.backend:utc_now"), _load("bailiwick.payments.interfaces.cli:proved")

    async def run() -> bool:
        await database.open()
        try:
            held: bool = await proved(database, clock, typer.echo, partial(typer.echo, err=True), full=full)
            return held
        finally:
            await database.close()

    if not _load("asyncio:run")(run()):
        raise typer.Exit(1)


def worker() -> None:
    """Handle events and jobs without serving requests. SIGTERM or Ctrl+C stops it.

    Any number may run at once, beside `bailiwick serve` or instead of its own worker.
    """
    _load("bailiwick.working:work")(_settings(), typer.echo)


def celery(context: typer.Context) -> None:
    """Run jobs in a Celery worker, where `celery.url` names a Redis. Its own options may follow.

    Examples: bailiwick celery --concurrency 4, bailiwick celery --queues reports --pool threads
    """
    _load("bailiwick.kernel.messaging.celery_broker:application")(_settings().celery)
    words = ["-m", "celery", "-A", "bailiwick.celery_app", "worker", *context.args]
    os.execv(sys.executable, [sys.executable, *words])  # noqa: S606
