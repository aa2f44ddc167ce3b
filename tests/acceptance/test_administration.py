"""What operators and administrators do with other people's accounts."""

import time

import pytest

from tests.acceptance.people import Person, an_address, answers, joined, post, refused_everywhere, super_admin
from tests.acceptance.server import ANOTHER, PASSWORD, THIRD, Server, command


@pytest.fixture(scope="module")
def root(server: Server) -> Person:
    return super_admin(server)


@pytest.fixture(scope="module")
def admin(root: Person) -> Person:
    return promoted(root, joined(root.server), "admin")


def promoted(root: Person, person: Person, role: str) -> Person:
    assert root.ask("PUT", f"/users/{person.id}/roles/{role}").status_code == 204
    return person.signed_in_again()


def me(person: Person) -> dict[str, object]:
    found: dict[str, object] = person.ask("GET", "/users/me").json()["data"]
    return found


def test_a_second_super_admin_is_made_only_by_force(server: Server, root: Person) -> None:
    refused = command(server.database_url, "superuser", "create", an_address())
    assert (refused.returncode, "there is a super admin already" in refused.stderr) == (1, True)
    assert me(root)["role"] == "super_admin"


def test_an_account_made_by_an_admin_gets_its_password_by_a_link(server: Server, admin: Person) -> None:
    email = an_address("grace")
    made = admin.ask("POST", "/users", json={"email": email, "full_name": "Grace Hopper", "role": "staff"})
    assert made.status_code == 201, made.text
    assert made.json()["data"].keys() == {"id"}
    assert made.headers["Location"] == f"/api/v1/users/{made.json()['data']['id']}"
    _, token = server.link_to(email)
    assert post(server, "/auth/password/reset", {"token": token, "new_password": ANOTHER}).status_code == 204
    data = post(server, "/auth/login", {"email": email, "password": ANOTHER}).json()["data"]
    assert (data["user"]["role"], data["user"]["is_verified"]) == ("staff", True)


def test_a_password_that_an_admin_chose_must_be_replaced_at_the_first_sign_in(
    server: Server, admin: Person
) -> None:
    email = an_address("grace")
    body = {"email": email, "full_name": "Grace Hopper", "password": PASSWORD}
    assert admin.ask("POST", "/users", json=body).status_code == 201
    login = {"email": email, "password": PASSWORD}
    asked = post(server, "/auth/login", login)
    assert (asked.status_code, asked.json()["code"]) == (403, "password_change_required")
    assert post(server, "/auth/login", login | {"new_password": ANOTHER}).status_code == 200
    assert post(server, "/auth/login", login | {"password": ANOTHER}).status_code == 200


def test_a_set_password_ends_all_sessions_and_must_be_changed(server: Server, admin: Person) -> None:
    ada = joined(server)
    set_to = {"new_password": ANOTHER}
    assert admin.ask("PUT", f"/users/{ada.id}/password", json=set_to).status_code == 204
    assert refused_everywhere(ada, time.monotonic())
    login = {"email": ada.email, "password": ANOTHER}
    assert post(server, "/auth/login", login).json()["code"] == "password_change_required"
    assert post(server, "/auth/login", login | {"new_password": THIRD}).status_code == 200


def test_a_reset_started_by_an_admin_goes_to_the_owner(server: Server, admin: Person) -> None:
    ada = joined(server)
    asked = admin.ask("POST", f"/users/{ada.id}/password-reset")
    assert asked.status_code == 202
    _, token = server.link_to(ada.email, count=2)
    assert token not in asked.text
    assert post(server, "/auth/password/reset", {"token": token, "new_password": ANOTHER}).status_code == 204


def test_a_granted_role_holds_at_once_and_a_revoked_one_nowhere_after_a_second(
    server: Server, root: Person
) -> None:
    ada = joined(server)
    assert ada.ask("GET", "/users").status_code == 403
    assert root.ask("PUT", f"/users/{ada.id}/roles/admin").status_code == 204
    assert refused_everywhere(ada, time.monotonic())
    renewed = post(server, "/auth/refresh", {"refresh_token": ada.refresh_token}).json()["data"]
    with server.client(renewed["access_token"]) as client:
        assert client.get("/users").status_code == 200
        assert client.get("/profiles").status_code == 200
        assert root.ask("DELETE", f"/users/{ada.id}/roles/admin").status_code == 204
        time.sleep(1.0)
        assert client.get("/users").status_code == 401
    assert me(ada.signed_in_again())["role"] == "user"


def test_a_deactivated_account_is_out_everywhere_until_it_is_activated(server: Server, admin: Person) -> None:
    ada = joined(server)
    phone = ada.signed_in_again()
    assert set(answers(ada)) == {200}
    assert admin.ask("DELETE", f"/users/{ada.id}/activation").status_code == 204
    since = time.monotonic()
    assert refused_everywhere(ada, since)
    assert refused_everywhere(phone, since)
    login = {"email": ada.email, "password": PASSWORD}
    right = post(server, "/auth/login", login)
    assert (right.status_code, right.json()["code"]) == (403, "account_inactive")
    assert post(server, "/auth/login", login | {"password": ANOTHER}).status_code == 401
    assert post(server, "/auth/refresh", {"refresh_token": ada.refresh_token}).status_code == 401
    assert admin.ask("PUT", f"/users/{ada.id}/activation").status_code == 204
    assert me(ada.signed_in_again())["is_active"]


def test_a_deleted_account_frees_its_email_and_comes_back_only_while_that_is_free(
    server: Server, admin: Person
) -> None:
    ada = joined(server)
    task = ada.ask("POST", "/tasks", json={"title": "Keep me"}).json()["data"]
    assert admin.ask("DELETE", f"/users/{ada.id}").status_code == 204
    assert refused_everywhere(ada, time.monotonic())
    assert admin.ask("GET", f"/users/{ada.id}").status_code == 404
    assert post(server, "/auth/login", {"email": ada.email, "password": PASSWORD}).status_code == 401
    heir = joined(server, email=ada.email)
    taken = admin.ask("POST", f"/users/{ada.id}/restore")
    assert (taken.status_code, taken.json()["code"]) == (409, "email_taken")
    assert heir.ask("GET", "/tasks").json()["pagination"]["total_items"] == 0
    assert admin.ask("DELETE", f"/users/{heir.id}").status_code == 204
    assert admin.ask("POST", f"/users/{ada.id}/restore").status_code == 200
    back = ada.signed_in_again()
    assert back.ask("GET", f"/tasks/{task['id']}").status_code == 200


def test_accounts_are_listed_filtered_and_paged(server: Server, admin: Person) -> None:
    ada = joined(server)
    found = admin.ask("GET", "/users", params={"filter[email]": ada.email.upper()}).json()
    assert [user["id"] for user in found["data"]] == [ada.id]
    page = admin.ask("GET", "/users", params={"per_page": 2, "sort": "email"}).json()
    assert len(page["data"]) == 2
    assert page["links"]["next"] == "/api/v1/users?per_page=2&sort=email&page=2"
    for wrong in (
        {"per_page": 101},
        {"page": 0},
        {"sort": "password"},
        {"filter[nothing]": "x"},
        {"cursor": "x"},
    ):
        assert admin.ask("GET", "/users", params=wrong).status_code == 422, wrong
    assert "argon2" not in str(found)
