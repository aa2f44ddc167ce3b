"""The documents name only what exists: pages, commands, settings, files, tables."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from bailiwick.backend import Backend
from bailiwick.catalog.infrastructure.tables import metadata as goods
from bailiwick.cli import app
from bailiwick.kernel import observability
from bailiwick.kernel.domain import Event
from bailiwick.kernel.live.news import public_name
from bailiwick.kernel.messaging.outbox import event_type
from bailiwick.kernel.messaging.tables import metadata
from bailiwick.kernel.module import Module
from bailiwick.kernel.operations import console
from bailiwick.kernel.settings import Settings, sources
from bailiwick.kernel.settings.keys import keys_of
from bailiwick.payments.infrastructure import proof
from bailiwick.payments.infrastructure.tables import metadata as books
from tests.docs.pages import PAGES, ROOT, blocks, commands, headings, links, names


def names_of(module: Module) -> Iterator[str]:
    """What a context calls its permissions, subscribers, events, processes, queues and schedules."""
    yield from module.permissions
    yield from (subscription.name for subscription in module.subscriptions)
    yield from (handler.process.name for handler in module.processes)
    yield from (handler.kind.queue for handler in module.jobs)
    yield from (schedule.name for schedule in module.schedules)
    contract = vars(import_module(f"bailiwick.{module.name}.contract")).values()
    events = (kind for kind in contract if isinstance(kind, type) and issubclass(kind, Event))
    yield from (public_name(event_type(kind)) for kind in events)


KEYS = list(keys_of(Settings))
SETTINGS = {key.name for key in KEYS}
VARIABLES = {name for key in KEYS for name in (key.environment, key.alias)} | {
    sources.CONFIG,
    sources.SECRETS,
}
SECTIONS = {key.path[0] for key in KEYS if len(key.path) > 1}
COMMANDS = sorted({command for page in PAGES for command in commands(page)})
NAMED = {name for module in Backend.build(Settings()).modules for name in names_of(module)}
DAMAGED = "ledger_does_not_hold"  # the event in the log
ON_EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@ON_EACH_PAGE
def test_every_link_inside_the_repository_leads_somewhere(page: Path) -> None:
    for link in links(page):
        address = urlsplit(link)
        if address.scheme:
            continue
        target = page.parent / address.path if address.path else page
        assert target.exists(), link
        if address.fragment:
            assert address.fragment in headings(target), link


def command_in(line: str) -> list[str]:
    """The words up to the command, unknown ones included. What follows a command is an argument of it."""
    found: Any = get_command(app)
    path = []
    for word in (re.match(r"(?:[a-z]+(?: |$))*", line) or [""])[0].split():
        if not hasattr(found, "commands"):
            break
        path.append(word)
        found = found.commands.get(word, found)
    return path


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_in_the_documents_exists(line: str) -> None:
    path = command_in(line)
    help_page = CliRunner().invoke(app, [*path, "--help"], prog_name="bailiwick")
    assert help_page.exit_code == 0, help_page.stderr
    assert help_page.stdout.startswith(f"Usage: bailiwick {' '.join(path)}")
    for option in re.findall(r"(?<=\s)--?[a-z][\w-]*", line):
        assert option in help_page.stdout


def test_the_documents_show_commands_at_all() -> None:
    assert {"migrate up", "superuser create EMAIL", "serve --workers 4"} <= set(COMMANDS)


@ON_EACH_PAGE
def test_every_setting_in_the_documents_exists(page: Path) -> None:
    text = page.read_text()
    variables = set(re.findall(r"\b(?:BAILIWICK_\w*[A-Z]|[A-Z]+_URL|SECRET_KEY)\b", text))
    assert variables <= VARIABLES
    dotted = {match[0] for name in names(page) if (match := re.match(r"[a-z_]+\.[a-z_0-9]+\b(?!\.)", name))}
    assert {name for name in dotted if name.partition(".")[0] in SECTIONS} <= SETTINGS | NAMED


def test_the_examples_of_running_it_are_settings() -> None:
    [example] = [block for block in blocks(ROOT / "docs/guides/go-to-production.md", "") if "=" in block]
    assert {line.partition("=")[0] for line in example.splitlines()} <= VARIABLES


def test_every_name_on_the_page_for_operators_exists() -> None:
    """A name is a setting, a table or column, a metric, work, a permission, or can be imported."""
    tables = {**metadata.tables, **books.tables, **goods.tables}
    columns = {column.name for table in tables.values() for column in table.columns}
    known = SETTINGS | set(tables) | columns | set(dir(observability))
    known |= {console.READ, console.MANAGE, DAMAGED} | NAMED
    known |= {
        family.name for gauge in (proof.ledger_holds, proof.ledger_held_at) for family in gauge.describe()
    }
    for name in names(ROOT / "docs/operations.md"):
        if not re.fullmatch(r"[a-z_]+(?:[._][a-z_]+)+", name) or name in known:
            continue
        module, _, attribute = f"bailiwick.{name}".rpartition(".")
        assert hasattr(import_module(module), attribute), name


@ON_EACH_PAGE
def test_every_file_of_the_code_that_is_named_exists(page: Path) -> None:
    if page.parent.name == "guides":
        return  # their tests look for the files that a reader makes
    for name in names(page):
        if re.fullmatch(r"[\w/]+(?:\.py|/)", name):
            places = [ROOT / name, ROOT / "src/bailiwick" / name]
            places += (ROOT / "src/bailiwick").glob(f"*/{name}")  # a file of any context
            assert name == "var/" or any(place.exists() for place in places), name
