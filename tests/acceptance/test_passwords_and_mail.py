"""Forgotten passwords, proved addresses, and what a stranger can learn or spoil."""

import time
from collections import Counter

import httpx2 as httpx

from tests.acceptance.people import a_registration, an_address, at_once, joined, post, refused_everywhere
from tests.acceptance.server import ANOTHER, PASSWORD, THIRD, Server

LIMIT = 10
"""Wrong passwords for one account from one place."""
WORKERS = 2
HOME = "https://app.example.com"
CHANGING = ("x-request-id", "date")


def told(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], dict[str, object], int]:
    """All that an answer says, without what differs between any two."""
    body = answer.json()
    for part in (body, body.get("meta", {})):
        part.pop("request_id", None)
        part.pop("timestamp", None)
    headers = [(name, value) for name, value in answer.headers.items() if name not in CHANGING]
    return answer.status_code, headers, body, len(answer.content)


def wrong_logins(server: Server, email: str, count: int, **fields: object) -> list[httpx.Response]:
    body = {"email": email, "password": "certainly not this one", **fields}
    return at_once(server, [{"method": "POST", "url": "/auth/login", "json": body}] * count)


def test_a_forgotten_password_is_replaced_by_a_link_that_works_once(server: Server) -> None:
    ada = joined(server)
    assert post(server, "/auth/password/forgot", {"email": ada.email}).status_code == 202
    base, token = server.link_to(ada.email, count=2)
    assert base == f"{HOME}/reset-password#token="
    weak = post(server, "/auth/password/reset", {"token": token, "new_password": "password1234"})
    assert (weak.status_code, weak.json()["errors"][0]["field"]) == (422, "new_password")
    assert post(server, "/auth/password/reset", {"token": token, "new_password": ANOTHER}).status_code == 204
    assert refused_everywhere(ada, time.monotonic())
    again = post(server, "/auth/password/reset", {"token": token, "new_password": THIRD})
    assert (again.status_code, again.json()["code"]) == (422, "link_invalid")
    me = ada.signed_in_again(ANOTHER).ask("GET", "/users/me").json()["data"]
    assert me["is_verified"]


def test_a_newer_link_and_a_changed_password_kill_older_links(server: Server) -> None:
    ada = joined(server)
    links = []
    for count in (2, 3):
        post(server, "/auth/password/forgot", {"email": ada.email})
        links.append(server.link_to(ada.email, count=count)[1])
    first = post(server, "/auth/password/reset", {"token": links[0], "new_password": ANOTHER})
    assert first.json()["code"] == "link_invalid"
    change = {"current_password": PASSWORD, "new_password": ANOTHER}
    assert ada.ask("PUT", "/users/me/password", json=change).status_code == 204
    second = post(server, "/auth/password/reset", {"token": links[1], "new_password": THIRD})
    assert second.json()["code"] == "link_invalid"


def test_links_are_never_built_from_what_a_request_says(server: Server) -> None:
    ada = joined(server)
    evil = {"Host": "evil.example.net", "X-Forwarded-Host": "evil.example.net", "X-Forwarded-Proto": "gopher"}
    asked = post(
        server, "/auth/password/forgot", {"email": ada.email}, **evil, Origin="https://evil.example.net"
    )
    assert asked.status_code == 202
    assert server.link_to(ada.email, count=2)[0] == f"{HOME}/reset-password#token="
    assert "evil.example.net" not in server.said
    assert "evil.example.net" not in asked.text + str(asked.headers)


def test_an_address_is_proved_by_the_link_of_the_registration(server: Server) -> None:
    ada = joined(server)
    base, token = server.link_to(ada.email)
    assert base == f"{HOME}/verify-email#token="
    assert post(server, "/auth/email/verify", {"token": token}).status_code == 204
    assert ada.ask("GET", "/users/me").json()["data"]["is_verified"]
    assert post(server, "/auth/email/verify", {"token": token}).json()["code"] == "link_invalid"


def test_a_new_verification_link_replaces_the_old_one(server: Server) -> None:
    ada = joined(server)
    _, old = server.link_to(ada.email)
    assert ada.ask("POST", "/auth/email/verify/resend").status_code == 202
    _, new = server.link_to(ada.email, count=2)
    assert post(server, "/auth/email/verify", {"token": old}).json()["code"] == "link_invalid"
    assert post(server, "/auth/email/verify", {"token": new}).status_code == 204


def test_in_the_discreet_mode_an_account_works_once_its_address_is_proved(discreet: Server) -> None:
    body = a_registration()
    asked = post(discreet, "/auth/register", body)
    assert asked.status_code == 202
    login = {"email": body["email"], "password": body["password"]}
    inactive = post(discreet, "/auth/login", login)
    assert (inactive.status_code, inactive.json()["code"]) == (403, "account_inactive")
    assert post(discreet, "/auth/login", login | {"password": ANOTHER}).status_code == 401
    _, token = discreet.link_to(body["email"])
    assert post(discreet, "/auth/email/verify", {"token": token}).status_code == 204
    assert post(discreet, "/auth/login", login).status_code == 200


def test_in_the_discreet_mode_a_taken_email_looks_like_a_free_one(discreet: Server) -> None:
    taken, free = an_address(), an_address()
    assert post(discreet, "/auth/register", a_registration(email=taken)).status_code == 202
    again = post(discreet, "/auth/register", a_registration(email=taken, password=ANOTHER))
    first = post(discreet, "/auth/register", a_registration(email=free))
    assert told(again) == told(first)
    base, token = discreet.link_to(taken, count=2)
    assert base == f"{HOME}/reset-password#token="
    assert "which has an account" in discreet.mails_to(taken)[-1]
    assert post(discreet, "/auth/password/reset", {"token": token, "new_password": THIRD}).status_code == 204
    assert post(discreet, "/auth/login", {"email": taken, "password": THIRD}).status_code == 200


def test_of_100_discreet_registrations_of_one_email_nobody_learns_anything(discreet: Server) -> None:
    email = an_address()
    request = {"method": "POST", "url": "/auth/register", "json": a_registration(email=email)}
    assert Counter(answer.status_code for answer in at_once(discreet, [request] * 100)) == {202: 100}
    discreet.link_to(email)


def test_a_wrong_password_and_an_unknown_email_get_the_same_answer(server: Server) -> None:
    ada = joined(server)
    [known] = wrong_logins(server, ada.email, 1)
    [unknown] = wrong_logins(server, an_address(), 1)
    assert told(known) == told(unknown)
    assert known.json()["code"] == "invalid_credentials"


def test_a_forgotten_password_gets_the_same_answer_for_every_email(server: Server) -> None:
    ada = joined(server)
    known, unknown, nonsense = (
        post(server, "/auth/password/forgot", {"email": email})
        for email in (ada.email, an_address(), "nobody")
    )
    assert told(known) == told(unknown) == told(nonsense)


def test_many_wrong_passwords_at_once_are_looked_at_only_up_to_the_limit(server: Server) -> None:
    ada = joined(server)
    found = Counter(answer.status_code for answer in wrong_logins(server, ada.email, 200))
    assert set(found) == {401, 429}
    assert found[401] <= LIMIT + WORKERS
    [late] = wrong_logins(server, ada.email, 1)
    assert (late.status_code, int(late.headers["Retry-After"]) > 0) == (429, True)


def test_spellings_and_forged_addresses_do_not_give_more_attempts(server: Server) -> None:
    ada = joined(server)
    spellings = [
        ada.email,
        ada.email.upper(),
        f" {ada.email} ",
        ada.email.title(),
        ada.email.replace("@", "＠"),
    ]
    statuses = []
    for i in range(20):
        forged = {"X-Forwarded-For": f"203.0.113.{i}", "X-Real-IP": f"203.0.113.{i}"}
        body = {"email": spellings[i % len(spellings)], "password": "certainly not this one"}
        statuses.append(post(server, "/auth/login", body, **forged).status_code)
    assert statuses == [401] * LIMIT + [429] * (20 - LIMIT)


def test_a_stranger_cannot_lock_out_an_owner_on_a_known_device(server: Server) -> None:
    ada = joined(server, device_id="adas-laptop")
    assert {answer.status_code for answer in wrong_logins(server, ada.email, 30)} == {401, 429}
    right = {"email": ada.email, "password": PASSWORD}
    assert post(server, "/auth/login", right).status_code == 429
    assert post(server, "/auth/login", right | {"device_id": "some-other"}).status_code == 429
    assert ada.signed_in_again(device_id="adas-laptop").ask("GET", "/users/me").status_code == 200
    assert ada.ask("GET", "/users/me").status_code == 200


def test_a_reset_opens_a_lock(server: Server) -> None:
    ada = joined(server)
    wrong_logins(server, ada.email, 30)
    post(server, "/auth/password/forgot", {"email": ada.email})
    _, token = server.link_to(ada.email, count=2)
    assert post(server, "/auth/password/reset", {"token": token, "new_password": ANOTHER}).status_code == 204
    assert ada.signed_in_again(ANOTHER).ask("GET", "/users/me").status_code == 200
