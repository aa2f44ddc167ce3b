"""The command `bailiwick check`."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from bailiwick.tooling.loading import load

Names = Annotated[
    list[str] | None, typer.Argument(help="Only these rules, or parts such as imports.", show_default="all")
]


def check(
    names: Names = None,
    list_: Annotated[bool, typer.Option("--list", help="Say what each rule asks for.")] = False,
    figures: Annotated[bool, typer.Option("--figures", help="Measure against the limits instead.")] = False,
    accept: Annotated[
        bool, typer.Option("--accept", help="Promise the API as it is, and write new golden files.")
    ] = False,
    breaking: Annotated[
        bool, typer.Option("--breaking", help="With --accept: though clients will break.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Check the rules of the design. Exit code 1 if one is broken, or if a figure is above its limit.

    Examples: bailiwick check, bailiwick check imports style, bailiwick check --figures
    """
    if list_:
        _list(as_json)
        return
    ground = load("bailiwick.tooling.check.ground:Ground")(load("bailiwick.tooling.project:Project").find())
    if figures:
        _measure(ground, as_json)
        return
    if accept:
        for file in load("bailiwick.tooling.check.catalogue:accept")(ground, breaking):
            typer.echo(f"wrote {file}")
        return
    rules = load("bailiwick.tooling.check.catalogue:chosen")(names or ())
    with load("bailiwick.tooling.check.source:garbage_kept")():
        found = list(load("bailiwick.tooling.check.catalogue:findings")(ground, rules))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in found], indent=2, ensure_ascii=False))
    else:
        _show(found, len(rules))
    if any(not finding.notice for finding in found):
        raise typer.Exit(1)


def _list(as_json: bool) -> None:
    rules = load("bailiwick.tooling.check.catalogue:RULES").values()
    if as_json:
        fields = [{"name": rule.name, "part": rule.part, "sentence": rule.sentence} for rule in rules]
        typer.echo(json.dumps(fields, indent=2, ensure_ascii=False))
        return
    part = ""
    for rule in sorted(rules, key=lambda rule: str(rule.part)):
        if rule.part != part:
            part = rule.part
            typer.echo(f"{part}")
        typer.echo(f"  {rule.name}\n      {rule.sentence}")


def _measure(ground: Any, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(load("bailiwick.tooling.check.figures:as_data")(ground), indent=2))
    else:
        for line in load("bailiwick.tooling.check.figures:as_table")(ground):
            typer.echo(line)
    if not all(figure.within for figure in load("bailiwick.tooling.check.figures:figures")(ground)):
        raise typer.Exit(1)


def _show(found: Sequence[Any], rules: int) -> None:
    """Each finding with its fix; the same fix of several findings of a rule once, below the last of them."""
    for number, finding in enumerate(found):
        typer.secho(str(finding), fg=None if finding.notice else typer.colors.RED)
        following = found[number + 1] if number + 1 < len(found) else None
        if following is None or (following.rule, following.fix) != (finding.rule, finding.fix):
            typer.echo(f"    {finding.fix}  [{finding.rule}]")
    broken = len({finding.rule for finding in found if not finding.notice})
    typer.echo(f"{rules} rules checked, {broken or 'none'} broken.", err=bool(broken))
