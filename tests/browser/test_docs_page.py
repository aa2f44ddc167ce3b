"""A developer opens the documentation in a browser, signs in there and calls the API."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from bailiwick.kernel.testing import free_port
from tests.browser.chromium import Page, chromium

PROGRAM = str(Path(sys.executable).with_name("bailiwick"))
START_SECONDS = 30
EMAIL, PASSWORD = "ada@example.com", "a long enough pass phrase 42"
LOGIN, TASKS = ("post", "/api/v1/auth/login"), ("get", "/api/v1/tasks")
Operation = tuple[str, str]
ANSWER = ".live-responses-table .response"


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with chromium(tmp_path / "profile") as page:
        yield page


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the product on a new database in which Ada has an account."""
    port, directory = free_port(), tmp_path_factory.mktemp("server")
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{directory}/bailiwick.db", "PORT": str(port)}
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


def wait_until_served(process: subprocess.Popen[bytes], address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(httpx2.TransportError):
            httpx2.get(f"{address}/health")
            return
        time.sleep(0.05)
    pytest.fail(f"the server does not answer; it ended with {process.poll()}")


def inside(operation: Operation, part: str) -> str:
    """The selector of a part of an operation's box."""
    method, path = operation
    return f'.opblock-{method}:has([data-path="{path}"]) {part}'


def expand(page: Page, operation: Operation) -> None:
    """Open an operation's box. Swagger UI reads its part of the document only then."""
    method, path = operation
    page.click(inside(operation, ".opblock-summary-control"))
    steps = json.dumps(["paths", path, method])
    page.wait_for(f"!!ui.getSystem().specSelectors.specResolvedSubtree({steps})")


def execute(page: Page, operation: Operation) -> None:
    page.click(inside(operation, "button.execute"))
    page.wait_for(f"!!document.querySelector({json.dumps(inside(operation, ANSWER))})")


def shown(page: Page, operation: Operation, part: str) -> str:
    """The text of a part of the operation's answer."""
    text: str = page.evaluate(f"document.querySelector({json.dumps(inside(operation, part))}).innerText")
    return text


def outcome(page: Page, operation: Operation) -> str:
    return shown(page, operation, f"{ANSWER} .response-col_status").split()[0]


def sign_in(page: Page) -> str:
    """Execute the login on the page and take the token from the answer that it shows."""
    expand(page, LOGIN)
    body = json.dumps({"email": EMAIL, "password": PASSWORD})
    page.write(inside(LOGIN, "textarea.body-param__text"), body)
    execute(page, LOGIN)
    assert outcome(page, LOGIN) == "200"
    answer = json.loads(shown(page, LOGIN, f"{ANSWER} .highlight-code code"))
    token: str = answer["data"]["access_token"]
    return token


def authorize(page: Page, token: str) -> None:
    page.click(".auth-wrapper .authorize")
    page.write(".auth-container input", token)
    page.click(".auth-container .authorize")
    page.wait_for("document.querySelector('.auth-container').innerText.includes('Authorized')")
    page.click(".auth-container .btn-done")


def assert_undisturbed(page: Page, server: str) -> None:
    """Nothing was asked of anybody else, and the browser has nothing to complain about."""
    page.evaluate("new Promise(done => setTimeout(done, 300))")
    hosts = {urlsplit(url).netloc for url in page.requested if urlsplit(url).scheme not in ("data", "blob")}
    assert hosts == {urlsplit(server).netloc}
    assert page.errors == []


def test_a_developer_signs_in_on_the_documentation_page_and_lists_tasks(page: Page, server: str) -> None:
    page.open(f"{server}/")
    page.wait_for("document.querySelectorAll('.opblock').length > 2")
    assert page.evaluate("location.pathname") == "/api/docs"
    assert page.evaluate("document.querySelector('.opblock-summary-operation-id').innerText")

    token = sign_in(page)
    authorize(page, token)
    expand(page, TASKS)
    execute(page, TASKS)
    assert outcome(page, TASKS) == "200"
    assert_undisturbed(page, server)

    page.open(f"{server}/api/docs")
    page.wait_for("!!document.querySelector('.auth-wrapper .authorize.locked')")
    assert_undisturbed(page, server)


def test_the_reference_shows_the_operations_without_asking_anybody_else(page: Page, server: str) -> None:
    page.open(f"{server}/api/redoc")
    page.wait_for("document.body?.innerText.includes('/api/v1/auth/login')")
    assert_undisturbed(page, server)


def test_a_foreign_request_or_an_error_of_the_page_would_be_noticed(page: Page, server: str) -> None:
    page.open(f"{server}/api/openapi.json")
    page.wait_for("document.readyState === 'complete'")
    page.evaluate("document.body.append(Object.assign(new Image(), {src: 'https://cdn.example/a.png'})), 1")
    page.evaluate("setTimeout(() => { throw new Error('planted') }), 1")
    page.evaluate("new Promise(done => setTimeout(done, 300))")
    assert "https://cdn.example/a.png" in page.requested
    assert any("planted" in error for error in page.errors)
