"""The tour through a shop works as printed, and its picture shows the journals that it makes."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from sqlalchemy import select

from bailiwick.payments.infrastructure.tables import entries, journals, wallets
from tests.docs.pages import ROOT, blocks
from tests.docs.running import BAILIWICK, environment, running
from tests.kernel.samples import database_at

GUIDE = ROOT / "docs/guides/open-a-shop.md"
PICTURE = ROOT / "docs/images/money.svg"
NUMBER = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}\b")
MARK = "~~~"


def script(password: str, port: int) -> str:
    """All commands of the page in their order, with a mark behind those of each step."""
    setup, *steps = blocks(GUIDE, "sh")
    setup = re.sub("'what make run .*'", f"'{password}'", setup)
    assert password in setup
    whole = "\n".join([setup, *(f"{step}\necho '{MARK}'" for step in steps)])
    return whole.replace("127.0.0.1:8000", f"127.0.0.1:{port}")


def comparable(printed: str) -> list[str]:
    """What was printed, whatever number an order got."""
    return NUMBER.sub("7K2M-X9QF", printed).split("\n")


@contextmanager
def toured(database_url: str, directory: Path) -> Iterator[list[str]]:
    """What each step prints, on a shop that is open until the block is left."""
    directory.joinpath(".venv").mkdir()
    directory.joinpath(".venv/bin").symlink_to(Path(BAILIWICK).parent)
    with running(database_url, directory) as server:
        [password] = re.findall(r"admin@example\.com +(\S+)", server.log.read_text())
        done = subprocess.run(
            ["bash", "-e", "-c", script(password, server.port)],
            cwd=directory,
            env=environment(database_url),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        yield done.stdout.split(f"{MARK}\n")[:-1]


MOVED = (
    select(journals.c.id, wallets.c.name, entries.c.amount)
    .select_from(entries.join(journals).join(wallets, wallets.c.id == entries.c.wallet_id))
    .order_by(journals.c.id, entries.c.position)
)


async def moved(database_url: str) -> list[list[str]]:
    """The entries of each journal, in the words of the picture."""
    database = database_at(database_url)
    await database.open()
    try:
        rows = await database.all(MOVED)
    finally:
        await database.close()
    found: dict[object, list[str]] = {}
    for id, name, amount in rows:
        who, sign = "Lena" if name == "main" else name, "+" if amount > 0 else "−"
        found.setdefault(id, []).append(f"{who} {sign}{abs(amount) / 100:.2f}")
    return [*found.values()]


def drawn() -> list[list[str]]:
    """The entries of each journal of the picture, from left to right."""
    columns: dict[float, list[str]] = {}
    for text in Xml.parse(PICTURE).getroot().iter("{http://www.w3.org/2000/svg}text"):  # noqa: S314 - ours
        content = "".join(text.itertext())
        if re.search(r" [+−]\d+\.\d\d$", content) and float(text.get("y", "0")) < 300:
            columns.setdefault(float(text.get("x", "0")), []).append(content)
    return [columns[x] for x in sorted(columns)]


@pytest.mark.parametrize("database", ["sqlite_url", "postgresql_url"])
async def test_the_tour_prints_what_the_page_shows(
    database: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url: str = request.getfixturevalue(database)
    with toured(url, tmp_path) as printed:
        shown = blocks(GUIDE, "text")
        assert [comparable(each) for each in printed] == [comparable(each) for each in shown]
    assert await moved(url) == drawn()


def test_an_amount_that_the_picture_has_wrong_is_seen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    forged = tmp_path / "money.svg"
    forged.write_text(PICTURE.read_text().replace("sales +450.00", "sales +405.00"))
    right = drawn()
    monkeypatch.setattr("tests.docs.test_open_a_shop.PICTURE", forged)
    assert drawn() != right
