"""The guide to connecting services works: an event of the one service has its effect in the other."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2 as httpx
import pytest

from bailiwick.kernel.testing import free_port
from tests.docs.pages import ROOT, blocks
from tests.docs.running import BAILIWICK, Server, environment, wait_until_ready

GUIDE = ROOT / "docs/guides/connect-services.md"
FILES = {text.split()[1]: text for text in blocks(GUIDE, "toml")}
PRINTED = {"identity.toml": "10.0.0.5:8000", "rest.toml": "10.0.0.6:8000"}
BROKER = "nats://10.0.0.8:4222"
TOKEN = "printed-nowhere-0123456789abcdef-0123456789"
SOMEBODY = {
    "email": "ann.b@example.com",
    "password": "a long and quiet river",
    "full_name": "Ann B",
    "username": "annb",
    "accept_terms": True,
}


@contextmanager
def served(file: str, directory: Path, settings: dict[str, str]) -> Iterator[Server]:
    server = Server(int(settings["PORT"]), directory / f"{file}.log")
    with server.log.open("wb") as log:
        process = subprocess.Popen([BAILIWICK, "serve"], env=settings, cwd=directory, stdout=log, stderr=log)
    try:
        wait_until_ready(process, server)
        yield server
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize("broker", ["redis", "nats"])
def test_an_event_of_one_service_has_its_effect_in_the_other(
    broker: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url: str = request.getfixturevalue(f"{broker}_url")
    ports = {file: free_port() for file in PRINTED}
    environments = {}
    for file, text in FILES.items():
        assert BROKER in text
        text = text.replace(BROKER, url)
        for other, address in PRINTED.items():
            text = text.replace(address, f"127.0.0.1:{ports[other]}")
        text = re.sub(r'url = "postgresql[^"]+"', f'url = "sqlite:///{tmp_path / file}.db"', text)
        (tmp_path / file).write_text(text)
        own = environment(
            "",
            PORT=str(ports[file]),
            BAILIWICK_SERVICE_TOKEN=TOKEN,
            BAILIWICK_CONFIG=file,
            PATH=os.environ["PATH"],
        )
        environments[file] = {name: value for name, value in own.items() if name != "DATABASE_URL"}
        subprocess.run([BAILIWICK, "migrate", "up"], env=environments[file], cwd=tmp_path, check=True)
    with ExitStack() as stack:
        identity, rest = (stack.enter_context(served(each, tmp_path, environments[each])) for each in FILES)
        done = subprocess.run(
            [BAILIWICK, "doctor"],
            env=environments["rest.toml"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert re.search(r"^ok +transport", done.stdout, re.MULTILINE), done.stdout
        joined = httpx.post(f"{identity.address}/api/v1/auth/register", json=SOMEBODY)
        bearer = {"Authorization": f"Bearer {joined.json()['data']['access_token']}"}
        assert _username(rest, bearer) == "annb", (tmp_path / "rest.toml.log").read_text()


def _username(server: Server, bearer: dict[str, str]) -> str | None:
    """The one in the profile, which the event makes: after a moment."""
    deadline = time.monotonic() + 20
    while True:
        answer = httpx.get(f"{server.address}/api/v1/profiles/me", headers=bearer).json()
        found: str | None = answer.get("data", {}).get("username")
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)
