"""The documents name only what exists: pages, commands, settings, files, tables."""

import re
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from bailiwick.cli import app
from bailiwick.kernel import observability
from bailiwick.kernel.messaging.tables import metadata
from bailiwick.kernel.operations import console
from bailiwick.kernel.settings import Settings, sources
from bailiwick.kernel.settings.keys import keys_of
from tests.docs.pages import PAGES, ROOT, blocks, commands, headings, links, names

KEYS = list(keys_of(Settings))
SETTINGS = {key.name for key in KEYS}
VARIABLES = {name for key in KEYS for name in (key.environment, key.alias)} | {
    sources.CONFIG,
    sources.SECRETS,
}
SECTIONS = {key.path[0] for key in KEYS if len(key.path) > 1}
COMMANDS = sorted({command for page in PAGES for command in commands(page)})
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


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_in_the_documents_exists(line: str) -> None:
    path = (re.match(r"(?:[a-z]+(?: |$))*", line) or [""])[0].split()
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
    assert {name for name in dotted if name.partition(".")[0] in SECTIONS} <= SETTINGS


def test_the_examples_of_running_it_are_settings() -> None:
    [example] = [block for block in blocks(ROOT / "docs/operations.md", "") if "=" in block]
    assert {line.partition("=")[0] for line in example.splitlines()} <= VARIABLES


def test_every_name_on_the_page_for_operators_exists() -> None:
    """A name is a setting, a table or column of the outbox, a metric, a permission, or can be imported."""
    columns = {column.name for table in metadata.tables.values() for column in table.columns}
    known = SETTINGS | set(metadata.tables) | columns | set(dir(observability))
    known |= {console.READ, console.MANAGE}
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
            assert name == "var/" or any(place.exists() for place in places), name
