"""Bodies that were made to hurt: refused early, cheaply, and never with a 5xx."""

import json
import time
from collections.abc import AsyncIterator

import httpx2 as httpx
import pytest

from tests.kernel.http.sample_routes import PREFIX
from tests.kernel.http.serving import Served

NUMBERS = f"{PREFIX}/numbers"
JSON = {"Content-Type": "application/json"}
MEGABYTE = 1_000_000


async def posted(
    served: Served, body: bytes | AsyncIterator[bytes], headers: dict[str, str] | None = None
) -> httpx.Response:
    async with served.stranger() as client:
        return await client.post(NUMBERS, content=body, headers=JSON if headers is None else headers)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"name":',
        b'{"name": "a"} trailing',
        b"{'name': 'a'}",
        b'{"name": "a",}',
        b'{"name": "\x01"}',
        b'{"name": "\xff"}',
        b'{"name": "\\ud800"}',
        b'{"name": "\\udc00\\ud800"}',
        b'{"name": "\\u0000"}',
        b'{"name": "\x00"}',
        b'{"anything": {"\\u0000": 1}}',
        b'{"anything": {"deep": [{"er": "x\\u0000y"}]}}',
        b'{"ratio": NaN}',
        b'{"name": "\\u0000", "ratio": NaN}',
        b'{"ratio": -Infinity}',
        b'{"ratio": 1e400}',
        b'{"count": ' + b"9" * 10_000 + b"}",
        b'{"anything": {"count": ' + b"9" * 10_000 + b"}}",
        b'{"name": "a", "name": "b"}',
        b'{"name": "a:b", "name": "c"}',
        b'{"name": "a", "n\\u0061me": "b"}',
        b'{"anything": {"a": 1, "b": {"c": 1, "c": 2}}}',
        b'{"anything": {"\\"": 1, "\\"": 2}}',
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"anything": ' * 70_000,
        b'{"anything": {"a": ' + b"[" * 500 + b"]" * 500 + b"}}",
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
    ],
)
async def test_what_is_no_clear_json_is_400(served: Served, body: bytes) -> None:
    answer = await posted(served, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json"), body[:60]


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b'"text"',
        b"1",
        b'{"unknown": 1}',
        b'{"name": 1}',
        b'{"count": "1"}',
        b'{"count": 1.5}',
        b'{"count": true}',
        b'{"__class__": {"__init__": 1}}',
    ],
)
async def test_clear_json_of_the_wrong_shape_is_422(served: Served, body: bytes) -> None:
    answer = await posted(served, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert answer.json()["errors"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": "a:b:c", "anything": {"x:y": ":", "list": [{"a": 1}, {"a": 2}]}}',
        b' { "name" : "\\\\" , "ratio" : 1e3 } ',
        b'{"name": "\\\\u0000"}',
        b'{"name": "\\ud83d\\ude00", "anything": {"\\"": "\\"", "a": {"a": {"a": 1}}}}',
    ],
)
async def test_clear_json_is_taken_however_it_is_written(served: Served, body: bytes) -> None:
    answer = await posted(served, body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["name"] == json.loads(body)["name"]


async def test_a_flood_of_members_is_refused_within_moments(served: Served) -> None:
    """The slowest part is reading it: 80,000 field errors would take three times as long."""
    flood = b"{" + b",".join(b'"k%d":1' % i for i in range(80_000)) + b"}"
    for body in (flood, b'{"anything":' + flood + b"}"):
        before = time.process_time()
        answer = await posted(served, body)
        assert answer.status_code == 400
        assert time.process_time() - before < 0.25
    many = b"{" + b",".join(b'"k%d":1' % i for i in range(9_000)) + b"}"
    answer = await posted(served, many)
    assert (answer.status_code, len(answer.json()["errors"])) == (422, 100)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 415),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
        ({"Content-Type": "application/jsonp"}, 415),
        ({"Content-Type": "text/html+json"}, 415),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
        ({"Content-Type": "application/json; charset=utf-8"}, 200),
        ({"Content-Type": "APPLICATION/JSON"}, 200),
        ({"Content-Type": "application/merge-patch+json"}, 200),
        ({"Content-Type": "application/json", "Content-Encoding": "identity"}, 200),
    ],
)
async def test_only_json_is_taken(served: Served, headers: dict[str, str], status: int) -> None:
    answer = await posted(served, b"{}", headers)
    assert answer.status_code == status
    assert status == 200 or answer.json()["code"] == "unsupported_media_type"


async def chunks(size: int, taken: list[int]) -> AsyncIterator[bytes]:
    for _ in range(size // 50_000):
        taken.append(50_000)
        yield b" " * 50_000


async def test_a_large_body_is_refused_before_it_is_read(served: Served) -> None:
    taken: list[int] = []
    answer = await posted(served, chunks(5 * MEGABYTE, taken))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert answer.headers["Connection"] == "close"
    taken.clear()
    named = {**JSON, "Content-Length": str(5 * MEGABYTE)}
    assert (await posted(served, chunks(5 * MEGABYTE, taken), named)).status_code == 413


async def test_a_body_may_be_as_large_as_the_limit(served: Served) -> None:
    padded = b'{"name": "a"' + b" " * (MEGABYTE - 13) + b"}"
    assert len(padded) == MEGABYTE
    assert (await posted(served, padded)).status_code == 200
    assert (await posted(served, padded + b" ")).status_code == 413


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("q=%00", 400, "malformed_query"),
        ("q=%ff", 400, "malformed_query"),
        ("q=%ED%A0%80", 400, "malformed_query"),
        ("&".join(f"p{i}=1" for i in range(60)), 400, "malformed_query"),
        ("q=a&q=b", 422, "invalid_input"),
        ("filter[status]=pending&filter[status]=completed", 422, "invalid_input"),
    ],
)
async def test_a_query_that_cannot_be_read_is_refused(
    ada: httpx.AsyncClient, query: str, status: int, code: str
) -> None:
    answer = await ada.get(f"/api/v1/tasks?{query}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    "text", ["\u202egnp.exe", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤", "🏳️‍🌈", "\ufeff", "\u2028", "ＦＵＬＬ", "{{7*7}}", "=1+1", "\ufffe"]
)
async def test_text_of_every_kind_comes_back_as_it_was(ada: httpx.AsyncClient, text: str) -> None:
    answer = await ada.post("/api/v1/tasks", json={"title": f"x{text}", "description": text})
    task = (await ada.get(answer.headers["Location"])).json()["data"]
    assert (task["title"], task["description"]) == (f"x{text}", text)
