"""An operator opens the map in a browser, shows the token, and sees what goes on."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from bailiwick.kernel.testing import free_port
from tests.browser.chromium import Page, chromium
from tests.browser.test_docs_page import EMAIL, PASSWORD, PROGRAM, wait_until_served

TOKEN = "an operator's token of thirty-two letters"
SHOWN = "!document.getElementById('map')?.hidden && !!document.querySelector('#picture .box')"
ASKED = "document.getElementById('door')?.hidden === false"
STATE = "document.getElementById('state').textContent"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The product without its documentation and without a worker; Ada has registered."""
    port, directory = free_port(), tmp_path_factory.mktemp("server")
    environment = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{directory}/bailiwick.db",
        "PORT": str(port),
        "BAILIWICK_HTTP__OPERATOR_TOKEN": TOKEN,
        "BAILIWICK_HTTP__DOCS": "false",
        "BAILIWICK_MESSAGES__EMBEDDED_WORKER": "false",
    }
    subprocess.run([PROGRAM, "migrate", "up"], env=environment, cwd=directory, check=True)
    process = subprocess.Popen([PROGRAM, "serve"], env=environment, cwd=directory)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_served(process, address)
        account = {"email": EMAIL, "password": PASSWORD, "full_name": "Ada", "accept_terms": True}
        assert httpx2.post(f"{address}/api/v1/auth/register", json=account).status_code == 201
        yield address
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with chromium(tmp_path / "profile") as page:
        yield page


def enter(page: Page, token: str) -> None:
    page.write("#token", token)
    page.click("#door button")


def cells(page: Page, reader: str) -> list[str]:
    row = f"[...document.querySelectorAll('#deliveries tr')].find(r => r.cells[1].textContent === '{reader}')"
    found: list[str] = page.evaluate(f"[...{row}.cells].map(cell => cell.textContent)")
    return found


def test_an_operator_shows_the_token_and_sees_what_waits(page: Page, server: str) -> None:
    page.open(f"{server}/operations/map")
    page.wait_for(ASKED)
    assert page.evaluate("document.querySelectorAll('#picture *').length") == 0
    enter(page, "not the operator's token")
    page.wait_for(f"{STATE}.startsWith('This token does not open the map')")
    enter(page, TOKEN)
    page.wait_for(SHOWN)

    names = page.evaluate("[...document.querySelectorAll('#picture .name')].map(n => n.textContent).sort()")
    assert names == ["catalog", "identity", "orders", "payments", "profiles", "tasks"]
    assert page.evaluate("document.querySelectorAll('.arrow.event').length") == 2
    assert page.evaluate("document.querySelectorAll('.arrow.question').length") == 4
    plates = page.evaluate("[...document.querySelectorAll('#picture .rate')].map(n => n.textContent)")
    assert "1 / min" in plates
    assert any(text.startswith("1 waiting") for text in plates)
    assert cells(page, "profiles.on_user_registered")[2:8] == ["1", "·", "1", "·", "·", "·"]


def test_the_page_looks_again_and_keeps_the_token_to_itself(page: Page, server: str) -> None:
    page.open(f"{server}/operations/map")
    page.wait_for(ASKED)
    enter(page, TOKEN)
    page.wait_for(SHOWN)
    before = page.evaluate(STATE)
    page.wait_for(f"{STATE} !== {before!r}")
    assert page.evaluate("document.getElementById('token').value") == ""
    assert page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length") == 0
    hosts = {urlsplit(url).netloc for url in page.requested if urlsplit(url).scheme != "data"}
    assert hosts == {urlsplit(server).netloc}
    # The browser notes that the first question, without a token, was refused; it has nothing else to say.
    assert all("401" in error for error in page.errors), page.errors
    page.open(f"{server}/operations/map")
    page.wait_for(ASKED)


def test_the_page_itself_holds_nothing(server: str) -> None:
    answer = httpx2.get(f"{server}/operations/map")
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert not any(name in answer.text for name in ("identity", "UserRegistered", "payments"))
    assert httpx2.get(f"{server}/api/v1/operations/map").status_code == 401
    assert httpx2.get(f"{server}/api/docs").status_code == 404
