"""The guide to splitting a context out works: its two files serve, and its proxy knows every route."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2 as httpx
import pytest

from bailiwick.backend import Backend
from bailiwick.kernel.database.migrations import upgrade_async
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.testing import free_port
from tests.docs.pages import ROOT, blocks
from tests.docs.running import BAILIWICK, Server, environment, wait_until_ready

GUIDE = ROOT / "docs/guides/split-a-context-out.md"
FILES = {text.split()[1]: text for text in blocks(GUIDE, "toml")}
PRINTED = {"identity.toml": "10.0.0.5:8000", "rest.toml": "10.0.0.6:8000"}
TOKEN = "printed-nowhere-0123456789abcdef-0123456789"
CONTRACT = '''"""What others may know of stamps."""
from typing import Protocol

class Stamps(Protocol):
    async def count(self, owner: str) -> int: ...
'''


@contextmanager
def served(file: str, port: int, directory: Path, settings: dict[str, str]) -> Iterator[Server]:
    """The command of the guide that serves with this file, until the block is left."""
    [line] = [line for line in commands() if file in line and "serve" in line]
    server = Server(port, directory / f"{file}.log")
    with server.log.open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", f"exec env {line}"], env=settings, cwd=directory, stdout=log, stderr=log
        )
    try:
        wait_until_ready(process, server)
        yield server
    finally:
        process.terminate()
        process.wait(30)


def commands() -> list[str]:
    [block] = blocks(GUIDE, "sh")
    return block.splitlines()


def test_the_two_files_of_the_guide_serve_together(tmp_path: Path) -> None:
    ports = {file: free_port() for file in PRINTED}
    environments = {}
    for file, text in FILES.items():
        for other, address in PRINTED.items():
            text = text.replace(address, f"127.0.0.1:{ports[other]}")
        text = re.sub(r'url = "[^"]+"', f'url = "sqlite:///{tmp_path / file}.db"', text)
        (tmp_path / file).write_text(text)
        path = f"{Path(BAILIWICK).parent}:{os.environ['PATH']}"
        own = environment("", PORT=str(ports[file]), BAILIWICK_SERVICE_TOKEN=TOKEN, PATH=path)
        environments[file] = {name: value for name, value in own.items() if name != "DATABASE_URL"}

    def run(word: str, file: str) -> str:
        [line] = [line for line in commands() if file in line and word in line]
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            env=environments[file],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    for file in FILES:
        run("migrate", file)
    with ExitStack() as stack:
        identity, rest = (
            stack.enter_context(served(file, ports[file], tmp_path, environments[file])) for file in FILES
        )
        assert re.search(r"^ok +remote identity", run("doctor", "rest.toml"), re.MULTILINE)
        somebody = {"email": "ann.b@example.com", "password": "a long and quiet river", "full_name": "Ann B"}
        joined = httpx.post(
            f"{identity.address}/api/v1/auth/register", json=somebody | {"accept_terms": True}
        )
        bearer = {"Authorization": f"Bearer {joined.json()['data']['access_token']}"}
        made = httpx.post(f"{rest.address}/api/v1/tasks", json={"title": "Apart"}, headers=bearer)
        assert made.status_code == 201, made.text
        profile = httpx.get(f"{rest.address}/api/v1/profiles/me", headers=bearer)
        assert profile.json()["data"]["full_name"] == "Ann B"


def routed(path: str, locations: dict[str, str]) -> str:
    """Where the proxy of the guide sends a path: the longest location that it begins with."""
    return locations[max((each for each in locations if path.startswith(each)), key=len)]


def proxied() -> dict[str, str]:
    [block] = blocks(GUIDE, "nginx")
    return dict(re.findall(r"^location (\S+) +\{ (.*?); \}$", block, re.MULTILINE))


def misrouted(locations: dict[str, str]) -> list[str]:
    """Routes of the product that the proxy sends to the process that does not carry them."""
    carriers = {
        name: PRINTED[file] for file, text in FILES.items() for name in tomllib.loads(text)["contexts"]
    }
    routers = [router for module in Backend.build(Settings()).modules for router in module.routers]
    return [
        operation.path
        for router in routers
        for operation in router.operations
        if carriers[router.context] not in routed(operation.path, locations)
    ]


def test_the_proxy_of_the_guide_sends_every_route_to_who_carries_it() -> None:
    assert misrouted(proxied()) == []
    assert routed("/contracts/identity/people", proxied()) == "return 404"


def test_a_route_that_the_proxy_forgets_is_noticed() -> None:
    forgotten = {path: to for path, to in proxied().items() if path != "/.well-known/"}
    assert misrouted(forgotten) == ["/.well-known/jwks.json"]


async def test_the_printed_client_asks_a_context_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_url: str
) -> None:
    package = tmp_path / "acme" / "stamps"
    package.mkdir(parents=True)
    for place in (package.parent, package):
        (place / "__init__.py").write_text('"""A package."""\n')
    (package / "contract.py").write_text(CONTRACT)
    [client] = blocks(GUIDE, "python")
    (package / "client.py").write_text(client)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme"]:
        monkeypatch.delitem(sys.modules, name)  # that of another test
    settings = Settings.model_validate(
        {
            "contexts": ["tasks"],
            "remotes": {"acme.stamps": "http://127.0.0.1:1"},
            "service_token": TOKEN,
            "database": {"url": sqlite_url},
        }
    )
    await upgrade_async(sqlite_url, settings.contexts)
    backend = Backend.build(settings)
    assert [module.name for module in backend.modules] == ["tasks", "stamps"]
    assert [kind.__name__ for kind in backend.platform.contracts] == ["Stamps"]
