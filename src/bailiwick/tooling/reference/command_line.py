"""The page of commands: what each does, with its arguments and options, as `--help` tells it."""

import inspect
from collections.abc import Iterator
from typing import Any

from bailiwick.tooling.reference.markdown import code, opening, table, text

INTRODUCTION = (
    "The command line, as `bailiwick COMMAND --help` tells it. Exit code 0 is success, 1 a refusal or a "
    "finding, 2 a wrong setting or option. `BAILIWICK_DEBUG=true` shows where something went wrong."
)


def page(command: Any) -> str:
    return text(_lines(command))


def _lines(root: Any) -> Iterator[str]:
    yield from opening("Commands", INTRODUCTION)
    panels: dict[str, list[Any]] = {}
    for command in root.commands.values():
        panels.setdefault(command.rich_help_panel or "Commands", []).append(command)
    for panel, commands in panels.items():
        yield from ("", f"## {panel}")
        for command in sorted(commands, key=lambda each: str(each.name)):
            yield from _command(command, "bailiwick")


def _command(command: Any, parent: str) -> Iterator[str]:
    name = f"{parent} {command.name}"
    below = getattr(command, "commands", {})
    if not below:
        yield from ("", f"### {name}", "", *_described(command))
        yield from _options(command, name)
    for each in sorted(below.values(), key=lambda one: str(one.name)):
        yield from _command(each, name)


def _described(command: Any) -> Iterator[str]:
    """The help of a command. Its paragraphs are split as they are, its examples are set as code."""
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    for number, paragraph in enumerate(paragraphs):
        if number:
            yield ""
        words = " ".join(paragraph.replace("\b", "").split())
        head, found, examples = words.partition(": ")
        is_example = found and head in ("Example", "Examples")
        yield f"{head}: {code(*examples.split(', '))}" if is_example else words


def _options(command: Any, name: str) -> Iterator[str]:
    context = command.make_context(name, [], resilient_parsing=True)
    records = [
        record
        for parameter in command.get_params(context)
        if (record := parameter.get_help_record(context)) and "--help" not in record[0]
    ]
    rows = ((code(names), " ".join(told.split())) for names, told in records)
    yield from table(("option", "meaning"), rows)
