"""Identity in one process, profiles and tasks in another, each with its own database: what works without
events between them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2 as httpx
import pytest

from bailiwick.kernel.testing import create_database, drop_database
from tests.acceptance.gateway import PATHS, port_of
from tests.acceptance.people import PROBES, WITHIN, Person, a_registration, at_once, joined, post
from tests.acceptance.server import ANOTHER, PASSWORD, Server, until
from tests.acceptance.split import HALVES, SERVICE_TOKEN, Split, split


@pytest.fixture(scope="module")
def halves(postgres: str) -> Iterator[Split]:
    with two_databases(postgres) as urls, split(HALVES, urls) as running:
        yield running


def statuses_at_the_rest(person: Person) -> set[int]:
    """What many connections to both workers of the rest answer to the person's access token."""
    request = {
        "method": "GET",
        "url": "/tasks",
        "headers": {"Authorization": f"Bearer {person.access_token}"},
    }
    return {answer.status_code for answer in at_once(person.server, [request] * PROBES)}


def refused_at_the_rest(person: Person, since: float) -> bool:
    time.sleep(max(0.0, since + WITHIN - time.monotonic()))
    return statuses_at_the_rest(person) == {401}


def test_who_signs_in_here_works_with_tasks_there(halves: Split) -> None:
    ada = joined(halves)
    made = ada.ask("POST", "/tasks", json={"title": "Cross the border"})
    assert made.status_code == 201, made.text
    assert [task["title"] for task in ada.ask("GET", "/tasks").json()["data"]] == ["Cross the border"]
    assert ada.signed_in_again().ask("GET", "/tasks").json()["pagination"]["total_items"] == 1
    assert joined(halves).ask("GET", "/tasks").json()["data"] == []


def test_each_process_carries_only_its_own(halves: Split) -> None:
    def status(server: Server, path: str) -> int:
        return httpx.get(f"{server.url}{path}").status_code

    assert (
        status(halves.carrier("identity"), "/api/v1/users/me"),
        status(halves.carrier("tasks"), "/api/v1/users/me"),
    ) == (
        401,
        404,
    )
    assert (
        status(halves.carrier("identity"), "/api/v1/tasks"),
        status(halves.carrier("tasks"), "/api/v1/tasks"),
    ) == (404, 401)
    assert status(halves, "/.well-known/jwks.json") == 200


def test_a_profile_made_on_the_first_read_asks_identity_who_that_is(halves: Split) -> None:
    ada = joined(halves, full_name="Ada King")
    profile = ada.ask("GET", "/profiles/me")
    assert profile.status_code == 200, profile.text
    assert profile.json()["data"]["full_name"] == "Ada King"
    until(lambda: '"route":"/contracts/identity/people"' in halves.carrier("identity").said, seconds=5)


def test_a_username_that_profiles_refuses_is_refused_at_the_registration(halves: Split) -> None:
    ada = joined(halves)
    name = f"ada.{ada.id[-8:]}"
    assert ada.ask("PUT", "/profiles/me/username", json={"username": name}).status_code == 200
    taken = post(halves, "/auth/register", a_registration(username=name.upper()))
    assert (taken.status_code, taken.json()["code"]) == (409, "username_taken")
    assert taken.json()["errors"][0]["field"] == "username"
    reserved = post(halves, "/auth/register", a_registration(username="admin"))
    assert (reserved.status_code, reserved.json()["code"]) == (422, "username_reserved")
    assert post(halves, "/auth/register", a_registration(username=f"bob.{ada.id[-8:]}")).status_code == 201


def test_an_ended_session_is_refused_there_within_a_second(halves: Split) -> None:
    ada = joined(halves)
    assert statuses_at_the_rest(ada) == {200}
    assert ada.ask("POST", "/auth/logout").status_code == 204
    assert refused_at_the_rest(ada, time.monotonic())


def test_a_changed_password_ends_other_sessions_there_and_keeps_this_one(halves: Split) -> None:
    ada = joined(halves)
    phone = ada.signed_in_again()
    body = {"current_password": PASSWORD, "new_password": ANOTHER}
    assert phone.ask("PUT", "/users/me/password", json=body).status_code == 204
    assert refused_at_the_rest(ada, time.monotonic())
    assert statuses_at_the_rest(phone) == {200}


def test_strangers_do_not_see_that_contracts_are_there(halves: Split) -> None:
    for server in (halves.carrier("identity"), halves.carrier("tasks")):
        for headers in ({}, {"Authorization": f"Bearer {SERVICE_TOKEN[:-1]}"}):
            for context in ("identity", "profiles"):
                url = f"{server.url}/contracts/{context}/people"
                refused = httpx.post(url, json={"ids": []}, headers=headers)
                assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


def test_whoever_cannot_ask_identity_trusts_nobody_and_recovers_with_it(postgres: str) -> None:
    with two_databases(postgres) as urls, split(HALVES, urls) as running:
        ada = joined(running)
        assert statuses_at_the_rest(ada) == {200}
        identity = running.carrier("identity")
        identity.stop()
        until(lambda: statuses_at_the_rest(ada) == {503}, seconds=10)
        running.start_again("identity")
        until(lambda: statuses_at_the_rest(ada) == {200}, seconds=10)


@contextmanager
def two_databases(postgres: str) -> Iterator[tuple[str, str]]:
    urls = create_database(postgres), create_database(postgres)
    yield urls
    for url in urls:
        drop_database(postgres, url)


@pytest.mark.parametrize(
    ("path", "port"),
    [
        ("/api/v1/auth/login", 1),
        ("/api/v1/users/me?x=/tasks", 1),
        ("/api/v1/users", 1),
        ("/.well-known/jwks.json", 1),
        ("/api/v1/usersandmore", 2),
        ("/api/v1/tasks?q=/api/v1/users", 2),
        ("/health/ready", 2),
    ],
)
def test_the_gateway_routes_by_the_beginning_of_the_path(path: str, port: int) -> None:
    assert port_of(path, dict.fromkeys([*PATHS, "tasks"], 2) | {"identity": 1}) == port
