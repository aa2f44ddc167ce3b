"""Protective headers, request ids and what other origins may do."""

from typing import Any
from uuid import UUID

import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Route, Router
from starlette.testclient import TestClient

from bailiwick.kernel.http.headers import (
    NO_STORE,
    request_id,
    security_headers,
    with_cors,
    with_defaults,
)

SHOP = "https://shop.example.com"


def api() -> Any:
    def answer(request: object) -> PlainTextResponse:
        return PlainTextResponse("fine", headers={"ETag": '"1"'})

    return Router([Route("/", answer, methods=["GET", "PATCH"])])


def preflight(client: TestClient, origin: str, method: str = "PATCH", headers: str = "") -> Any:
    asked = {"Origin": origin, "Access-Control-Request-Method": method, "X-Request-ID": "flight-1"}
    if headers:
        asked["Access-Control-Request-Headers"] = headers
    return client.options("/", headers=asked)


def test_answers_say_that_nothing_may_be_guessed_framed_or_loaded() -> None:
    headers = dict(security_headers("http://127.0.0.1:8000"))
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"x-frame-options"] == b"DENY"
    assert headers[b"referrer-policy"] == b"no-referrer"
    assert headers[b"content-security-policy"] == b"default-src 'none'; frame-ancestors 'none'"
    assert (
        headers[b"cross-origin-opener-policy"] == headers[b"cross-origin-resource-policy"] == b"same-origin"
    )


def test_https_is_insisted_on_only_where_users_have_it() -> None:
    name = b"strict-transport-security"
    assert dict(security_headers("https://app.example.com"))[name] == b"max-age=63072000; includeSubDomains"
    assert name not in dict(security_headers("http://127.0.0.1:8000"))


def test_all_names_are_lower_case_as_asgi_wants_them() -> None:
    assert all(name == name.lower() for name, _ in [*security_headers("https://a.example"), NO_STORE])


def test_a_page_keeps_its_own_policy_and_gets_the_rest() -> None:
    own = [(b"content-security-policy", b"script-src 'self'")]
    combined = with_defaults(own, security_headers("http://127.0.0.1"))
    assert [value for name, value in combined if name == b"content-security-policy"] == [b"script-src 'self'"]
    assert (b"x-content-type-options", b"nosniff") in combined


@pytest.mark.parametrize("offered", [b"a", b"7f3a-B_c.9", b"x" * 64])
def test_a_safe_request_id_is_taken_over(offered: bytes) -> None:
    assert request_id(offered) == offered.decode()


@pytest.mark.parametrize(
    "offered", [None, b"", b"x" * 65, b"a b", b"a\r\nSet-Cookie: x=1", b"a\n", b"\xc3\xa9"]
)
def test_any_other_request_id_is_replaced_by_a_new_one(offered: bytes | None) -> None:
    made = request_id(offered)
    assert UUID(hex=made).version == 7
    assert made != request_id(offered)


def test_without_origins_nothing_is_wrapped_and_nothing_is_said() -> None:
    app = api()
    assert with_cors(app, []) is app


def test_a_named_origin_may_read_answers_and_the_headers_it_needs() -> None:
    answer = TestClient(with_cors(api(), [SHOP])).get("/", headers={"Origin": SHOP})
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    assert "Origin" in answer.headers["Vary"]
    exposed = set(answer.headers["Access-Control-Expose-Headers"].split(", "))
    assert exposed >= {"ETag", "Location", "X-Request-ID", "Idempotency-Replayed", "Deprecation", "Sunset"}
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "stranger",
    ["https://evil.example.com", "https://shop.example.com.evil.net", "http://shop.example.com", "null"],
)
def test_no_other_origin_may_read_anything(stranger: str) -> None:
    client = TestClient(with_cors(api(), [SHOP]))
    assert "Access-Control-Allow-Origin" not in client.get("/", headers={"Origin": stranger}).headers
    refused = preflight(client, stranger)
    assert refused.status_code == 204
    assert not [name for name in refused.headers if name.lower().startswith("access-control-")]


def test_a_preflight_is_answered_here_with_the_headers_of_every_answer() -> None:
    client = TestClient(with_cors(api(), [SHOP], always=security_headers("https://api.example.com")))
    answer = preflight(client, SHOP, headers="authorization,if-match,idempotency-key,content-type")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
    assert "Idempotency-Key" in answer.headers["Access-Control-Allow-Headers"]
    assert answer.headers["X-Request-ID"] == "flight-1"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Content-Length" not in answer.headers


@pytest.mark.parametrize(("method", "headers"), [("TRACE", ""), ("PATCH", "x-invented")])
def test_a_method_or_header_that_is_not_offered_is_not_permitted(method: str, headers: str) -> None:
    answer = preflight(TestClient(with_cors(api(), [SHOP])), SHOP, method, headers)
    assert "Access-Control-Allow-Origin" not in answer.headers
