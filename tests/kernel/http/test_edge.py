"""What every answer has and every path does, whatever the route."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2 as httpx
import pytest

from bailiwick.kernel.http.routing import Router
from bailiwick.kernel.module import Module
from bailiwick.kernel.settings.sections import Http, Limits
from tests.kernel.http.sample_routes import PREFIX, Ledger, Sample, module
from tests.kernel.http.serving import Served, served_with, settings

TASKS = "/api/v1/tasks"


async def made(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post(TASKS, json={"title": "Write"})


async def test_a_success_is_an_envelope_of_data_and_meta(ada: httpx.AsyncClient) -> None:
    answer = await made(ada)
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    assert list(body) == ["data", "meta"]
    assert list(body["meta"]) == ["request_id", "timestamp", "version"]
    assert body["meta"]["request_id"] == answer.headers["X-Request-ID"]
    assert body["meta"]["version"] == answer.headers["X-API-Version"] == "v1"
    said = datetime.fromisoformat(body["meta"]["timestamp"])
    assert body["meta"]["timestamp"].endswith("Z")
    assert abs(datetime.now(UTC) - said) < timedelta(seconds=30)
    assert answer.headers["Location"] == f"{TASKS}/{body['data']['id']}"


async def test_a_good_request_id_is_echoed_and_a_bad_one_replaced(ada: httpx.AsyncClient) -> None:
    for good in ("a", "A-b_c.9", "x" * 64):
        answer = await ada.get(TASKS, headers={"X-Request-ID": good})
        assert answer.headers["X-Request-ID"] == answer.json()["meta"]["request_id"] == good
    for bad in ("", "x" * 65, "a b", "a\tb", "a:b", "é".encode().decode("latin-1"), "{}"):
        answer = await ada.get(TASKS, headers={b"X-Request-ID": bad.encode("latin-1")})
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-ID"])


@pytest.mark.parametrize(
    "path", ["/health", "/api/docs", "/nowhere", TASKS, "/api/v2/tasks", f"{PREFIX}/crash"]
)
async def test_every_answer_names_its_request_and_version(served: Served, path: str) -> None:
    async with served.stranger() as client:
        for method in ("GET", "HEAD", "OPTIONS", "DELETE"):
            answer = await client.request(method, path)
            assert answer.headers["X-API-Version"] == "v1"
            assert len(answer.headers.get_list("X-Request-ID")) == 1
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_head_is_get_without_the_body(ada: httpx.AsyncClient) -> None:
    path = (await made(ada)).headers["Location"]
    for where in (path, TASKS, f"{TASKS}/{uuid4()}", "/api/docs", "/nowhere"):
        get, head = await ada.get(where), await ada.head(where)
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert head.headers["Content-Length"] == str(len(get.content))
        assert head.headers.get("ETag") == get.headers.get("ETag")


async def test_options_and_405_name_the_methods_of_a_path(ada: httpx.AsyncClient) -> None:
    for path, allowed in (
        (TASKS, "GET, HEAD, OPTIONS, POST"),
        (f"{TASKS}/{uuid4()}", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        (f"{TASKS}/{uuid4()}/complete", "OPTIONS, PATCH"),
    ):
        options = await ada.options(path)
        assert (options.status_code, options.content, options.headers["Allow"]) == (204, b"", allowed)
        assert "Content-Length" not in options.headers
        for method in {"PUT", "DELETE", "POST", "TRACE", "BREW"} - set(allowed.split(", ")):
            refused = await ada.request(method, path)
            assert (refused.status_code, refused.headers["Allow"]) == (405, allowed)
            assert refused.json()["code"] == "method_not_allowed"
    refused = await ada.post("/api/docs")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/api",
        "/api/v1",
        "/api/v1/nothing",
        "/tasks",
        "/api/V1/tasks",
        f"{TASKS}/x/y/z",
        "//",
        "/api/v1x",
    ],
)
async def test_an_unknown_path_is_a_404_problem(served: Served, path: str) -> None:
    async with served.stranger() as client:
        answer = await client.get(f"http://test{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "supported" not in answer.json()


@pytest.mark.parametrize("path", ["/api/v2/tasks", "/api/v2", "/api/v0/tasks", "/api/v10/tasks", "/api/v11"])
async def test_an_unknown_version_names_the_known_ones(served: Served, path: str) -> None:
    async with served.stranger() as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "unsupported_version")
    assert answer.json()["supported"] == ["v1"]


async def test_a_trailing_slash_is_redirected_for_reading_only(ada: httpx.AsyncClient) -> None:
    answer = await ada.get(f"{TASKS}/?page=2&q=a%20b")
    assert (answer.status_code, answer.headers["Location"]) == (308, f"{TASKS}?page=2&q=a%20b")
    assert (await ada.head(f"{TASKS}/")).status_code == 308
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert (await ada.request(method, f"{TASKS}/", json={})).status_code == 404
    assert (await ada.get("/nowhere/")).status_code == 404


async def test_a_redirect_carries_no_header_that_the_caller_made_up(ada: httpx.AsyncClient) -> None:
    answer = await ada.get(f"{TASKS}/a%0d%0aX-Evil:%20yes%E2%80%A8/")
    assert answer.status_code == 308
    assert re.fullmatch(r"[!-~]+", answer.headers["Location"])
    assert "X-Evil" not in answer.headers


async def test_a_path_is_matched_to_its_last_character(ada: httpx.AsyncClient) -> None:
    path = (await made(ada)).headers["Location"]
    assert (await ada.patch(f"{path}/complete%0A")).status_code == 404
    assert (await ada.get(f"{PREFIX}/named/a%00b")).status_code == 404
    assert (await ada.get(f"{PREFIX}/named/ü%2e")).json()["data"]["name"] == "ü."


@pytest.mark.parametrize(
    ("tag", "status"),
    [
        ('"1"', 200),
        ("*", 200),
        ("", 200),
        ('"2"', 412),
        ('W/"1"', 412),
        ("1", 412),
        ("garbage", 412),
        ('"', 412),
        ('""', 412),
        ('"-1"', 412),
        ('"١"', 412),
        ('"' + "1" * 5000 + '"', 412),
        ('"1";', 412),
    ],
)
async def test_if_match_holds_for_the_present_version_only(
    ada: httpx.AsyncClient, tag: str, status: int
) -> None:
    path = (await made(ada)).headers["Location"]
    for method, end, body in (("PATCH", "", {"priority": "high"}), ("PATCH", "/complete", None)):
        headers = {b"If-Match": tag.encode()}
        answer = await ada.request(method, f"{path}{end}", json=body, headers=headers)
        assert answer.status_code == status, answer.text
        if status == 412:
            assert answer.json()["code"] == "stale"
        elif tag == '"1"':
            return


async def test_a_read_that_changed_nothing_is_304(ada: httpx.AsyncClient) -> None:
    path = (await made(ada)).headers["Location"]
    for known in ('"1"', 'W/"1"', '"9", "1"', "*"):
        answer = await ada.get(path, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", '"1"')
        assert "Content-Length" not in answer.headers
    for other in ('"2"', "1", '"11"', ""):
        assert (await ada.get(path, headers={"If-None-Match": other})).status_code == 200
    await ada.patch(path, json={"title": "changed"})
    assert (await ada.get(path, headers={"If-None-Match": '"1"'})).status_code == 200


async def test_if_match_can_be_required(served_url: str) -> None:
    strict = settings(served_url, http=Http(require_if_match=True))
    async with served_with(strict) as served, served.client() as ada:
        path = (await made(ada)).headers["Location"]
        for headers in ({}, {"If-Match": " "}):
            answer = await ada.put(path, json={"title": "x"}, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (428, "precondition_required")
        assert (await ada.put(path, json={"title": "x"}, headers={"If-Match": '"1"'})).status_code == 200


async def test_a_deprecated_route_says_when_it_goes_and_where_to_read_more(ada: httpx.AsyncClient) -> None:
    answer = await ada.get(f"{PREFIX}/old")
    assert answer.headers["Deprecation"] == "@1893456000"
    assert answer.headers["Sunset"] == "Wed, 01 Jan 2031 00:00:00 GMT"
    assert answer.headers["Link"] == '<https://example.com/new>; rel="deprecation"'
    notice = answer.json()["meta"]["deprecation"]
    assert (notice["sunset_date"], notice["migration_guide"]) == ("2031-01-01", "https://example.com/new")
    assert "Deprecation" not in (await ada.get(TASKS)).headers


async def test_a_request_that_meets_contention_is_run_again(ada: httpx.AsyncClient, ledger: Ledger) -> None:
    name = uuid4().hex
    ledger.contended[name] = 5
    answer = await ada.post(f"{PREFIX}/shelves", json={"name": name})
    assert (answer.status_code, ledger.calls[name]) == (201, 6)


async def test_contention_without_end_is_a_409_in_the_end(ada: httpx.AsyncClient, ledger: Ledger) -> None:
    name = uuid4().hex
    ledger.contended[name] = 1000
    answer = await ada.post(f"{PREFIX}/shelves", json={"name": name})
    assert (answer.status_code, answer.json()["code"]) == (409, "contention")
    assert ledger.calls[name] == 13


async def test_views_hold_plain_data_or_are_refused(served: Served) -> None:
    async with served.stranger() as client:
        odd = await client.get(f"{PREFIX}/odd")
        assert odd.json()["data"] == {
            "ids": [str(UUID(int=1))],
            "at": "2031-01-01T00:00:00Z",
            "nothing": None,
        }
        opaque = await client.get(f"{PREFIX}/opaque")
        assert (opaque.status_code, opaque.json()["code"]) == (500, "internal_error")


async def test_limits_count_callers_addresses_and_bad_tokens_alike(served_url: str) -> None:
    few = Limits(anonymous="3/minute", actor="2/minute", credentials="1/minute")
    async with served_with(settings(served_url, limits=few), [module(Ledger())]) as served:
        async with served.client() as ada, served.stranger() as nobody:
            assert [(await ada.get(TASKS)).status_code for _ in range(3)] == [200, 200, 429]
            bad = {"Authorization": "Bearer forged"}
            statuses = [(await nobody.get(TASKS, headers=bad)).status_code for _ in range(4)]
            assert statuses == [401, 401, 401, 429]
            refused = await nobody.get(f"{PREFIX}/limited")
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many")
            assert 1 <= int(refused.headers["Retry-After"]) <= 60
        async with served.client() as bob:
            assert (await bob.get(TASKS)).status_code == 200


def test_a_route_whose_parameter_nobody_provides_fails_at_the_start(served_url: str) -> None:
    router = Router("broken", prefix="/api/v1/broken")

    @router.get("/{known}")
    async def read(known: str, unknown: Ledger) -> Sample:
        return Sample(uuid4(), known)

    async def serve() -> None:
        async with served_with(settings(served_url), [Module("broken", (router,), ())]):
            pass

    with pytest.raises(TypeError, match="broken_read: nothing provides unknown"):
        asyncio.run(serve())


async def test_a_body_that_ends_with_the_connection_is_not_taken_for_whole(served: Served) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> AsyncIterator[dict[str, Any]]:
        yield {"type": "http.request", "body": b'{"name": "half"}', "more_body": True}
        yield {"type": "http.disconnect"}

    messages = receive()
    scope = {
        "type": "http",
        "method": "POST",
        "path": f"{PREFIX}/numbers",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
    }

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await served.app(scope, messages.__anext__, send)
    assert sent[0]["status"] == 400
