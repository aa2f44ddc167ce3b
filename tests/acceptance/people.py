"""Clients as people have them: registered, signed in, several asking at once."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import httpx2 as httpx

from tests.acceptance.server import PASSWORD, PLAIN, Server, command, until

WITHIN = 1.0
"""Seconds in which every worker must know what was revoked."""
PROBES = 24
"""Connections that are opened to meet every worker: each one goes to any of the two."""


@dataclass(frozen=True)
class Person:
    """Somebody with an account and one session."""

    server: Server
    email: str
    password: str
    id: str
    access_token: str
    refresh_token: str

    def client(self) -> httpx.Client:
        return self.server.client(self.access_token)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        with self.client() as client:
            return client.request(method, path, **options)

    def signed_in_again(self, password: str | None = None, **fields: object) -> "Person":
        """The same person in another session."""
        body = {"email": self.email, "password": password or self.password, **fields}
        answer = post(self.server, "/auth/login", body)
        assert answer.status_code == 200, answer.text
        data = answer.json()["data"]
        return replace(
            self,
            password=password or self.password,
            access_token=data["access_token"],
            refresh_token=data["refresh_token"],
        )


def an_address(name: str = "ada") -> str:
    return f"{name}-{uuid4().hex[:12]}@example.com"


def a_registration(**fields: object) -> dict[str, Any]:
    body = {"email": an_address(), "password": PASSWORD, "full_name": "Ada Lovelace", "accept_terms": True}
    return body | fields


def post(server: Server, path: str, body: object, **headers: str) -> httpx.Response:
    with server.client(**headers) as client:
        return client.post(path, json=body)


def joined(server: Server, **fields: object) -> Person:
    """Somebody new."""
    body = a_registration(**fields)
    answer = post(server, "/auth/register", body)
    assert answer.status_code == 201, answer.text
    data = answer.json()["data"]
    tokens = data["access_token"], data["refresh_token"]
    return Person(server, body["email"], body["password"], data["user"]["id"], *tokens)


def super_admin(server: Server) -> Person:
    """Somebody whom an operator made a super admin on the command line."""
    email = an_address("root")
    made = command(server.database_url, "superuser", "create", email, "--force")
    assert made.returncode == 0, made.stderr
    password = made.stdout.split("shown only now:")[1].split()[0]
    answer = post(server, "/auth/login", {"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    tokens = data["access_token"], data["refresh_token"]
    return Person(server, email, password, data["user"]["id"], *tokens)


def at_once(server: Server, requests: Sequence[dict[str, Any]]) -> list[httpx.Response]:
    """Send all requests at the same time, each on a connection of its own."""

    async def send() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=len(requests), max_keepalive_connections=0)
        async with httpx.AsyncClient(
            base_url=f"{server.url}/api/v1", timeout=120, limits=limits, verify=PLAIN
        ) as client:
            return list(await asyncio.gather(*(client.request(**request) for request in requests)))

    return asyncio.run(send())


def answers(person: Person) -> list[int]:
    """What many connections to all workers answer to the person's access token."""
    headers = {"Authorization": f"Bearer {person.access_token}"}
    request = {"method": "GET", "url": "/users/me", "headers": headers}
    return [answer.status_code for answer in at_once(person.server, [request] * PROBES)]


def refused_everywhere(person: Person, since: float) -> bool:
    """Whether every worker refuses the person, a second after `since` (of time.monotonic)."""
    time.sleep(max(0.0, since + WITHIN - time.monotonic()))
    return set(answers(person)) == {401}


def has_profile(person: Person) -> bool:
    """Whether a profile appears within two seconds by itself: listing makes none."""
    admin = super_admin(person.server)

    def appears() -> bool:
        found = admin.ask("GET", "/profiles", params={"cursor": "", "per_page": 100}).json()["data"]
        return person.id in {profile["user_id"] for profile in found}

    return until(appears, seconds=2)
