"""How the server starts, refuses to start, and stops."""

import signal
import threading
import time

import httpx2 as httpx

from tests.acceptance.people import a_registration, joined
from tests.acceptance.server import command, serving

LONGEST_STOP = 30  # seconds


def test_an_order_to_stop_lets_accepted_requests_finish(sqlite_url: str) -> None:
    answered: list[int] = []
    lost: list[str] = []

    def register(client: httpx.Client) -> None:
        try:
            answered.append(client.post("/auth/register", json=a_registration()).status_code)
        except httpx.TransportError as error:
            lost.append(type(error).__name__)

    costly = {
        "BAILIWICK_PASSWORDS__ARGON2__MEMORY_KIB": "65536",
        "BAILIWICK_PASSWORDS__ARGON2__TIME_COST": "4",
    }
    with serving(sqlite_url, **costly) as server:
        clients = [server.client() for _ in range(16)]
        for client in clients:
            assert client.get("/health").status_code == 200
        threads = [threading.Thread(target=register, args=[client]) for client in clients]
        for thread in threads:
            thread.start()
        time.sleep(0.1)
        assert len(answered) < len(clients)
        ordered = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        server.process.wait(LONGEST_STOP)
        assert time.monotonic() - ordered < LONGEST_STOP
        for client in clients:
            client.close()
    assert (lost, set(answered)) == ([], {201})
    assert server.process.returncode == 0


def test_an_order_to_stop_under_load_ends_quickly_and_answers_nothing_with_500(sqlite_url: str) -> None:
    with serving(sqlite_url) as server:
        ada = joined(server)
        statuses: set[int] = set()

        def work() -> None:
            with ada.client() as client:
                try:
                    while True:
                        statuses.add(client.post("/tasks", json={"title": "More"}).status_code)
                except httpx.TransportError:
                    return

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        ordered = time.monotonic()
        server.process.wait(LONGEST_STOP)
        for thread in threads:
            thread.join()
        assert time.monotonic() - ordered < 10
    assert statuses == {201}


def test_production_refuses_the_default_secret(sqlite_url: str) -> None:
    production = {
        "BAILIWICK_PROFILE": "production",
        "BAILIWICK_DATABASE__ALLOW_SQLITE_IN_PRODUCTION": "true",
        "BAILIWICK_SECRET_KEY": "",
    }
    refused = command(sqlite_url, "serve", **production)
    assert refused.returncode == 2
    assert "secret_key" in refused.stderr
    short = command(sqlite_url, "serve", **production | {"BAILIWICK_SECRET_KEY": "short"})
    assert (short.returncode, "secret_key" in short.stderr) == (2, True)
