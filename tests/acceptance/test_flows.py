"""What people do all day: register, sign in, work with tasks, sign out."""

import time

import pytest

from tests.acceptance.people import a_registration, an_address, has_profile, joined, post, refused_everywhere
from tests.acceptance.server import ANOTHER, PASSWORD, Server


def test_a_person_registers_and_has_an_account_and_a_profile(server: Server) -> None:
    ada = joined(server, username=f"ada.{an_address()[4:12]}", organization="Analytical Engines")
    me = ada.ask("GET", "/users/me").json()["data"]
    assert (me["email"], me["role"], me["is_active"]) == (ada.email, "user", True)
    assert has_profile(ada)
    profile = ada.ask("GET", "/profiles/me").json()["data"]
    assert profile["full_name"] == "Ada Lovelace"
    assert 0 < profile["profile_completion"] <= 100


def test_a_profile_is_changed_and_a_username_belongs_to_one_person_whatever_its_case(server: Server) -> None:
    ada, bob = joined(server), joined(server)
    name = f"Ada_{ada.id[-8:]}"
    assert ada.ask("PUT", "/profiles/me/username", json={"username": name}).status_code == 200
    taken = bob.ask("PUT", "/profiles/me/username", json={"username": name.upper()})
    assert taken.status_code == 409
    changed = ada.ask(
        "PATCH", "/profiles/me", json={"bio": "Poetical science.", "time_zone": "Europe/London"}
    )
    assert changed.status_code == 200, changed.text
    assert changed.json()["data"]["username"] == name


def test_a_person_works_with_their_tasks(server: Server) -> None:
    ada = joined(server)
    with ada.client() as client:
        made = client.post("/tasks", json={"title": "Write notes", "priority": "high"})
        assert made.status_code == 201
        task, where = made.json()["data"], made.headers["Location"].removeprefix("/api/v1")
        assert client.get(where).json()["data"] == task
        assert client.get(where, headers={"If-None-Match": made.headers["ETag"]}).status_code == 304
        moved = client.patch(
            where, json={"status": "in_progress"}, headers={"If-Match": made.headers["ETag"]}
        )
        assert moved.json()["data"]["version"] == 2
        late = client.patch(where, json={"title": "Lost"}, headers={"If-Match": made.headers["ETag"]})
        assert late.status_code == 412
        assert client.patch(f"{where}/complete").json()["data"]["status"] == "completed"
        illegal = client.patch(where, json={"status": "cancelled"})
        assert (illegal.status_code, illegal.json()["allowed"]) == (409, ["pending"])
        assert client.patch(f"{where}/reopen").json()["data"]["status"] == "pending"
        replaced = client.put(where, json={"title": "Write more notes"}).json()["data"]
        assert (replaced["title"], replaced["priority"]) == ("Write more notes", "medium")
        assert [task["id"] for task in client.get("/tasks", params={"q": "MORE"}).json()["data"]] == [
            task["id"]
        ]
        assert len(client.get("/tasks/board").json()["data"]["pending"]) == 1
        assert client.delete(where).status_code == 204
        assert client.get(where).status_code == 404
        assert client.post(f"{where}/restore").status_code == 200
        assert client.get(where).status_code == 200


def test_nobody_sees_the_tasks_of_somebody_else(server: Server) -> None:
    ada, bob = joined(server), joined(server)
    where = ada.ask("POST", "/tasks", json={"title": "Secret"}).headers["Location"].removeprefix("/api/v1")
    for method, path in [("GET", where), ("DELETE", where), ("PATCH", f"{where}/complete")]:
        assert bob.ask(method, path).status_code == 404
    assert bob.ask("GET", "/tasks").json()["pagination"]["total_items"] == 0


def test_the_same_key_makes_one_task_on_whichever_worker(server: Server) -> None:
    ada = joined(server)
    key = {"Idempotency-Key": "only-once"}
    made = [ada.ask("POST", "/tasks", json={"title": "Once"}, headers=key) for _ in range(6)]
    assert {answer.status_code for answer in made} == {201}
    assert len({answer.content for answer in made}) == 1
    assert [answer.headers.get("Idempotency-Replayed") for answer in made] == [None, *["true"] * 5]
    other = ada.ask("POST", "/tasks", json={"title": "Twice"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_sessions_are_listed_and_one_is_ended_without_the_others(server: Server) -> None:
    ada = joined(server)
    phone = ada.signed_in_again(device_id="phone", device_name="Ada's phone")
    listed = phone.ask("GET", "/auth/sessions").json()["data"]
    assert [(each["device_name"], each["current"]) for each in listed] == [
        ("Ada's phone", True),
        (None, False),
    ]
    first = listed[1]["id"]
    assert phone.ask("DELETE", f"/auth/sessions/{first}").status_code == 204
    assert refused_everywhere(ada, time.monotonic())
    assert phone.ask("GET", "/users/me").status_code == 200
    ended = {each["id"]: each["end_reason"] for each in phone.ask("GET", "/auth/sessions").json()["data"]}
    assert ended[first] == "revoked"


def test_a_refresh_token_is_exchanged_and_a_signed_out_session_stays_out(server: Server) -> None:
    ada = joined(server)
    new = post(server, "/auth/refresh", {"refresh_token": ada.refresh_token}).json()["data"]
    assert new["refresh_token"] != ada.refresh_token
    assert (new["token_type"], new["expires_in"]) == ("Bearer", 900)
    with server.client(new["access_token"]) as client:
        assert client.post("/auth/logout").status_code == 204
    refused = post(server, "/auth/refresh", {"refresh_token": new["refresh_token"]})
    assert (refused.status_code, refused.json()["code"]) == (401, "session_ended")


def test_signing_out_everywhere_ends_every_session(server: Server) -> None:
    ada = joined(server)
    phone = ada.signed_in_again()
    assert phone.ask("POST", "/auth/logout-all").status_code == 204
    since = time.monotonic()
    assert refused_everywhere(ada, since)
    assert refused_everywhere(phone, since)
    assert post(server, "/auth/refresh", {"refresh_token": ada.refresh_token}).status_code == 401


def test_a_changed_password_replaces_the_old_one_and_keeps_this_session(server: Server) -> None:
    ada = joined(server)
    phone = ada.signed_in_again()
    body = {"current_password": PASSWORD, "new_password": ANOTHER}
    assert phone.ask("PUT", "/users/me/password", json=body).status_code == 204
    assert refused_everywhere(ada, time.monotonic())
    assert phone.ask("GET", "/users/me").status_code == 200
    login = {"email": ada.email, "password": PASSWORD}
    assert post(server, "/auth/login", login).json()["code"] == "invalid_credentials"
    assert post(server, "/auth/login", login | {"password": ANOTHER}).status_code == 200
    again = {"current_password": ANOTHER, "new_password": PASSWORD}
    reused = phone.ask("PUT", "/users/me/password", json=again)
    assert (reused.status_code, reused.json()["code"]) == (422, "password_reused")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "no address"}, "email"),
        ({"email": "a@b"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "password1234"}, "password"),
        ({"password": "x" * 129}, "password"),
        ({"full_name": ""}, "full_name"),
        ({"full_name": "x" * 101}, "full_name"),
        ({"accept_terms": False}, "accept_terms"),
        ({"accept_terms": "yes"}, "accept_terms"),
        ({"username": "a b"}, "username"),
        ({"phone": "12"}, "phone"),
        ({"confirm_password": ANOTHER}, "confirm_password"),
        ({"role": "admin"}, "role"),
        ({"is_verified": True}, "is_verified"),
    ],
)
def test_a_registration_with_something_wrong_names_the_field(
    server: Server, changes: dict[str, object], field: str
) -> None:
    answer = post(server, "/auth/register", a_registration(**changes))
    assert answer.status_code == 422, answer.text
    assert field in {error["field"] for error in answer.json()["errors"]}


@pytest.mark.parametrize("missing", ["email", "password", "full_name", "accept_terms"])
def test_a_registration_that_lacks_something_names_it(server: Server, missing: str) -> None:
    body = a_registration()
    del body[missing]
    answer = post(server, "/auth/register", body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, missing)


def test_an_email_is_taken_whatever_its_case(server: Server) -> None:
    ada = joined(server)
    answer = post(server, "/auth/register", a_registration(email=ada.email.upper()))
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
    assert ada.signed_in_again(email=ada.email.upper()).id == ada.id


def test_an_unknown_version_and_an_unknown_path_are_problems(server: Server) -> None:
    with server.client() as client:
        other = client.get(f"{server.url}/api/v9/tasks")
        assert (other.status_code, other.json()["supported"]) == (404, ["v1"])
        assert client.get("/nothing").headers["Content-Type"] == "application/problem+json"
        slash = client.get("/health/")
        assert (slash.status_code, slash.headers["Location"]) == (308, "/api/v1/health")
