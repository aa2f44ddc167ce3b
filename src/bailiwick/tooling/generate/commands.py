"""The command `bailiwick new`: a project, a context, and what extends one."""

from typing import Annotated

import typer

from bailiwick.tooling.loading import load

new = typer.Typer(
    rich_markup_mode=None, help="Make a project, a context, or a part of one.", no_args_is_help=True
)


@new.command()
def project(
    name: Annotated[str, typer.Argument(help="Its name, and that of its package.", show_default=False)],
    contexts: Annotated[
        str | None, typer.Option(help="Shipped contexts to enable, with commas.", show_default="all")
    ] = None,
) -> None:
    """Make a project that builds on Bailiwick, in a folder of this name.

    Example: bailiwick new project acme --contexts identity,profiles,tasks
    """
    typer.echo(load("bailiwick.tooling.generate.project:new_project")(name, contexts))


Fields = Annotated[
    list[str],
    typer.Option(
        "--field",
        help="name:type: str(40), text, int(1..9), bool, money, date, datetime, uuid or a|b; ? is optional.",
        show_default=False,
    ),
]
Reacts = Annotated[
    str | None,
    typer.Option("--on", help="An event of another context to make one of.", show_default=False),
]


@new.command()
def context(
    name: Annotated[str, typer.Argument(help="Its name, such as invoices.", show_default=False)],
    aggregate: Annotated[str, typer.Option(help="What it is about, such as Invoice.", show_default=False)],
    field: Fields,
    flat: Annotated[bool, typer.Option("--flat", help="In few files, for what has few rules.")] = False,
    on: Reacts = None,
) -> None:
    """Make a context: rules, commands, tables, migration, routes, policy rows, tests and a page of the docs.

    Example: bailiwick new context invoices --aggregate Invoice --field "number:str(40)" --field total:money
    --field due_on:date? --on orders.OrderPlaced
    """
    typer.echo(
        load("bailiwick.tooling.generate.context:new_context")(name, aggregate, field, flat=flat, on=on)
    )


@new.command()
def aggregate(
    context: Annotated[str, typer.Argument(help="A context of this project.", show_default=False)],
    name: Annotated[str, typer.Argument(help="The aggregate, such as CreditNote.", show_default=False)],
    field: Fields,
    on: Reacts = None,
) -> None:
    """Add an aggregate to a context, with all that belongs to it.

    Example: bailiwick new aggregate invoices CreditNote --field reason:text --field total:money
    """
    typer.echo(load("bailiwick.tooling.generate.context:new_aggregate")(context, name, field, on=on))


OfContext = Annotated[str, typer.Argument(help="A context of this project.", show_default=False)]
OfAggregate = Annotated[
    str, typer.Argument(help="One of its aggregates, such as Invoice.", show_default=False)
]


@new.command("field")
def new_field(
    context: OfContext,
    aggregate: OfAggregate,
    field: Annotated[str, typer.Argument(help="name:type, ? for optional.", show_default=False)],
    default: Annotated[
        str | None, typer.Option(help="What those have that are there already.", show_default=False)
    ] = None,
) -> None:
    """Add a field to an aggregate: domain, table, migration, what is shown and sent, a test.

    Examples: bailiwick new field invoices Invoice "note:str(200)?",
    bailiwick new field invoices Invoice "state:draft|sent" --default draft
    """
    typer.echo(load("bailiwick.tooling.edit.field:new_field")(context, aggregate, field, default))


@new.command("command")
def new_command(
    context: OfContext,
    aggregate: OfAggregate,
    names: Annotated[
        list[str], typer.Argument(help="Verb and noun, such as SendInvoice.", show_default=False)
    ],
) -> None:
    """Add commands to an aggregate: its method, the use case, a route, policy rows, a test.

    Example: bailiwick new command invoices Invoice SendInvoice
    """
    for name in names:
        typer.echo(load("bailiwick.tooling.edit.command:new_command")(context, aggregate, name))


@new.command("event")
def new_event(
    context: OfContext,
    name: Annotated[str, typer.Argument(help="In the past tense, such as InvoiceSent.", show_default=False)],
    field: Annotated[
        list[str] | None, typer.Option("--field", help="What it carries: name:type.", show_default=False)
    ] = None,
    recorded_by: Annotated[
        str | None, typer.Option("--from", help="The method that records it.", show_default=False)
    ] = None,
    aggregate: Annotated[
        str | None, typer.Option(help="Whose it is.", show_default="the one it is called after")
    ] = None,
) -> None:
    """Add an event to a contract, with its golden file, recorded by a method of the aggregate.

    Example: bailiwick new event invoices InvoiceSent --field number:str --from send
    """
    typer.echo(
        load("bailiwick.tooling.edit.event:new_event")(context, name, field or (), recorded_by, aggregate)
    )
