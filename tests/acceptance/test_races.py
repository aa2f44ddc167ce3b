"""What happens when many do the same at once, on two workers."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.acceptance.depth import DEPTH
from tests.acceptance.people import Person, a_registration, an_address, at_once, joined, post
from tests.acceptance.server import ANOTHER, Server, serving

GRACE = 2.0
"""Seconds; what QUICK in server.py says."""


def refreshing(token: str) -> dict[str, Any]:
    return {"method": "POST", "url": "/auth/refresh", "json": {"refresh_token": token}}


@pytest.mark.parametrize("_", range(DEPTH))
def test_of_100_registrations_of_one_email_one_succeeds(server: Server, _: int) -> None:
    email = an_address()
    request = {"method": "POST", "url": "/auth/register", "json": a_registration(email=email)}
    variants = [
        request | {"json": a_registration(email=email.upper() if i % 2 else email)} for i in range(100)
    ]
    found = Counter(answer.status_code for answer in at_once(server, variants))
    assert found == {201: 1, 409: 99}


@pytest.mark.parametrize("_", range(DEPTH))
def test_50_refreshes_of_one_token_all_give_the_same_successor(server: Server, _: int) -> None:
    ada = joined(server)
    found = at_once(server, [refreshing(ada.refresh_token)] * 50)
    assert Counter(answer.status_code for answer in found) == {200: 50}
    successors = {answer.json()["data"]["refresh_token"] for answer in found}
    assert len(successors) == 1
    assert post(server, "/auth/refresh", {"refresh_token": successors.pop()}).status_code == 200


def test_a_client_that_lost_the_answer_gets_it_again_and_goes_on(server: Server) -> None:
    ada = joined(server)
    lost = post(server, "/auth/refresh", {"refresh_token": ada.refresh_token}).json()["data"]
    again = post(server, "/auth/refresh", {"refresh_token": ada.refresh_token}).json()["data"]
    assert again["refresh_token"] == lost["refresh_token"]
    assert post(server, "/auth/refresh", {"refresh_token": again["refresh_token"]}).status_code == 200


def test_a_spent_token_on_another_device_ends_the_family_at_once(server: Server) -> None:
    body = a_registration(device_id="laptop")
    data = post(server, "/auth/register", body).json()["data"]
    used = {"refresh_token": data["refresh_token"], "device_id": "laptop"}
    successor = post(server, "/auth/refresh", used).json()["data"]["refresh_token"]
    stolen = post(server, "/auth/refresh", used | {"device_id": "thief"})
    assert (stolen.status_code, stolen.json()["code"]) == (401, "token_reused")
    after = post(server, "/auth/refresh", {"refresh_token": successor, "device_id": "laptop"})
    assert (after.status_code, after.json()["code"]) == (401, "session_ended")


@contextmanager
def a_reused_token(server: Server) -> Iterator[tuple[Person, str]]:
    """Somebody whose spent token came back after the grace, and the token that was theirs."""
    ada = joined(server)
    successor = post(server, "/auth/refresh", {"refresh_token": ada.refresh_token}).json()["data"]
    time.sleep(GRACE + 0.2)
    reused = post(server, "/auth/refresh", {"refresh_token": ada.refresh_token})
    assert (reused.status_code, reused.json()["code"]) == (401, "token_reused")
    yield ada, successor["refresh_token"]


def test_the_end_of_a_family_outlives_a_restart(sqlite_url: str) -> None:
    with serving(sqlite_url) as first, a_reused_token(first) as (ada, successor):
        refused = post(first, "/auth/refresh", {"refresh_token": successor})
        assert (refused.status_code, refused.json()["reason"]) == (401, "reuse_detected")
    with serving(sqlite_url) as second:
        for token in (ada.refresh_token, successor):
            assert post(second, "/auth/refresh", {"refresh_token": token}).status_code == 401
        with second.client(ada.access_token) as client:
            assert client.get("/users/me").status_code == 401


def test_a_token_reused_after_the_grace_ends_the_family_although_the_answer_is_401(server: Server) -> None:
    with a_reused_token(server) as (ada, successor):
        refused = post(server, "/auth/refresh", {"refresh_token": successor})
        assert (refused.status_code, refused.json()["reason"]) == (401, "reuse_detected")
        listed = ada.signed_in_again().ask("GET", "/auth/sessions").json()["data"]
        assert [session["end_reason"] for session in listed] == [None, "reuse_detected"]


@pytest.mark.parametrize("_", range(DEPTH))
def test_of_64_patches_of_one_version_one_succeeds(server: Server, _: int) -> None:
    ada = joined(server)
    made = ada.ask("POST", "/tasks", json={"title": "Contended"})
    where = made.headers["Location"].removeprefix("/api/v1")
    headers = {"Authorization": f"Bearer {ada.access_token}", "If-Match": made.headers["ETag"]}
    request = {"method": "PATCH", "url": where, "headers": headers}
    found = at_once(server, [request | {"json": {"title": f"Mine {i}"}} for i in range(64)])
    assert Counter(answer.status_code for answer in found) == {200: 1, 412: 63}
    [winner] = [answer for answer in found if answer.status_code == 200]
    assert ada.ask("GET", where).json()["data"] == winner.json()["data"]


def test_patches_without_a_version_are_all_carried_out_one_after_the_other(server: Server) -> None:
    ada = joined(server)
    where = ada.ask("POST", "/tasks", json={"title": "Shared"}).headers["Location"].removeprefix("/api/v1")
    request = {"method": "PATCH", "url": where, "headers": {"Authorization": f"Bearer {ada.access_token}"}}
    found = at_once(server, [request | {"json": {"title": f"Part {i}"}} for i in range(20)])
    assert Counter(answer.status_code for answer in found) == {200: 20}
    assert ada.ask("GET", where).json()["data"]["version"] == 21


def test_50_requests_with_one_key_have_one_effect(server: Server) -> None:
    ada = joined(server)
    headers = {"Authorization": f"Bearer {ada.access_token}", "Idempotency-Key": "together"}
    request = {"method": "POST", "url": "/tasks", "headers": headers, "json": {"title": "Once"}}
    found = at_once(server, [request] * 50)
    assert {answer.status_code for answer in found} <= {201, 409}
    assert len({answer.content for answer in found if answer.status_code == 201}) == 1
    assert ada.ask("GET", "/tasks").json()["pagination"]["total_items"] == 1


@pytest.mark.parametrize("_", range(DEPTH))
def test_a_reset_link_that_50_use_at_once_works_for_one(server: Server, _: int) -> None:
    ada = joined(server)
    assert post(server, "/auth/password/forgot", {"email": ada.email}).status_code == 202
    token = server.link_to(ada.email, count=2)[1]
    passwords = [f"{ANOTHER} number {i}" for i in range(50)]
    request = {"method": "POST", "url": "/auth/password/reset"}
    found = at_once(
        server, [request | {"json": {"token": token, "new_password": each}} for each in passwords]
    )
    assert Counter(answer.status_code for answer in found) == {204: 1, 422: 49}
    winner = passwords[[answer.status_code for answer in found].index(204)]
    assert ada.signed_in_again(winner).ask("GET", "/users/me").status_code == 200
