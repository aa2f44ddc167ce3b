"""Contracts over HTTP: the same answers and refusals as in one process, and nothing for strangers."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC
from decimal import Decimal
from typing import Any, Protocol, get_type_hints
from uuid import UUID, uuid4

import httpx2 as httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import settings as unhurried
from hypothesis import strategies as st
from pydantic import SecretStr
from pydantic_core import PydanticSerializationError
from structlog.testing import capture_logs

from bailiwick.backend import Backend
from bailiwick.kernel.application import Unavailable
from bailiwick.kernel.domain import DomainError
from bailiwick.kernel.http.app import Application
from bailiwick.kernel.http.contracts import PREFIX, _itself, _operations, questions_of
from bailiwick.kernel.http.remotes import Remote, asking, connect
from bailiwick.kernel.http.requests import Request
from bailiwick.kernel.http.routing import Bound, Router
from bailiwick.kernel.module import Module
from bailiwick.kernel.money import EXPONENTS, LARGEST_AMOUNT, Money
from bailiwick.kernel.settings import Settings, SettingsError
from bailiwick.kernel.testing import LOOPBACK, free_port
from bailiwick.main import openapi_document
from tests.kernel.http.sample_contract import (
    NOW,
    REFUSALS,
    LiarRoom,
    Parcel,
    Parcels,
    Speed,
    Storeroom,
    module,
    told,
)
from tests.kernel.http.serving import Served, served_with, settings

TOKEN = "service-0123456789abcdef-0123456789abcdef"
PARCEL = Parcel(uuid4(), Decimal("1.10"), Speed.FAST, NOW, ("fragile", "ü\n"), frozenset({uuid4(), uuid4()}))
FOUND = f"{PREFIX}/storage/found"
PRODUCT: dict[type[Any], str] = {
    kind: each.name for each in Backend.build(Settings()).modules for kind in each.contracts
}
CONTRACTS: list[type[Any]] = [Parcels, *PRODUCT]
QUESTIONS = [(kind, each) for kind in CONTRACTS for each in questions_of(kind)]


@asynccontextmanager
async def answering(
    url: str, answerer: Parcels, token: str | None = TOKEN, *more: Module
) -> AsyncIterator[Served]:
    secret = SecretStr(token) if token else None
    wanted = settings(url).model_copy(update={"service_token": secret})
    async with served_with(wanted, [module(answerer), *more]) as served:
        yield served


def remote_to(served: Served, token: str = TOKEN) -> Remote:
    return Remote("http://storage", token, transport=httpx.ASGITransport(app=served.app))


def elsewhere(served: Served, token: str = TOKEN) -> Parcels:
    return asking(Parcels, "storage", remote_to(served, token))


async def test_an_answer_from_elsewhere_is_the_answer_from_here(sqlite_url: str) -> None:
    room = Storeroom({PARCEL.id: PARCEL})
    async with answering(sqlite_url, room) as served:
        parcels = elsewhere(served)
        for ids in ([PARCEL.id, uuid4()], (PARCEL.id,), []):
            assert await parcels.found(ids) == await room.found(ids)
        assert await parcels.found([PARCEL.id], speed=Speed.SLOW) == {}
        assert room.asked[-1] == ([PARCEL.id], Speed.SLOW)
        assert await parcels.same(PARCEL) == [PARCEL] * 2
        assert await parcels.same(times=3, parcel=PARCEL) == [PARCEL] * 3
        assert await parcels.check("fine") is None  # type: ignore[func-returns-value]  # looked at anyway
        assert await remote_to(served).carried() == {"storage": ["check", "found", "same"]}


@pytest.mark.parametrize("what", REFUSALS)
async def test_a_refusal_arrives_as_it_left(sqlite_url: str, what: str) -> None:
    here = REFUSALS[what]()
    assert isinstance(here, DomainError)
    async with answering(sqlite_url, Storeroom()) as served:
        with pytest.raises(DomainError) as there:
            await elsewhere(served).check(what)
    assert told(there.value) == told(here)


A_PARCEL = st.builds(
    Parcel,
    weight=st.decimals(allow_nan=False, allow_infinity=False),
    sent_at=st.none() | st.datetimes(timezones=st.just(UTC)),
)
st.register_type_strategy(Parcel, A_PARCEL)
AN_AMOUNT = st.builds(Money, st.integers(-LARGEST_AMOUNT, LARGEST_AMOUNT), st.sampled_from(sorted(EXPONENTS)))
st.register_type_strategy(Money, AN_AMOUNT)


@unhurried(deadline=None)
@given(st.data())
def test_every_question_and_answer_of_every_contract_travels_unchanged(data: st.DataObject) -> None:
    contract, question = data.draw(st.sampled_from(QUESTIONS))
    hints = get_type_hints(getattr(contract, question.name))
    answer = data.draw(st.from_type(hints.pop("return")))
    asked = {name: data.draw(st.from_type(kind)) for name, kind in hints.items()}
    for adapter, value in ((question.answer, answer), (question.asked, asked)):
        travelled = adapter.validate_json(adapter.dump_json(value, warnings="error"), strict=True)
        assert listed(travelled) == listed(value)


def listed(value: Any) -> Any:
    """A sequence arrives as a list, whatever it was."""
    if isinstance(value, dict):
        return {key: listed(each) for key, each in value.items()}
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


# --- what does not answer --------------------------------------------------------------------------


async def test_a_wrong_token_is_trouble_and_not_a_refusal_by_the_business(sqlite_url: str) -> None:
    async with answering(sqlite_url, Storeroom()) as served:
        with pytest.raises(Unavailable, match="service token"):
            await elsewhere(served, TOKEN[:-1]).found([])
        with pytest.raises(PermissionError):
            await remote_to(served, TOKEN[:-1]).carried()


async def test_a_context_that_is_not_there_is_trouble(sqlite_url: str) -> None:
    async with answering(sqlite_url, Storeroom()) as served:
        with pytest.raises(Unavailable):
            await asking(Parcels, "nowhere", remote_to(served)).found([])


async def test_a_mistake_there_is_unavailable_here_and_tells_nothing(sqlite_url: str) -> None:
    async with answering(sqlite_url, Storeroom()) as served:
        with pytest.raises(Unavailable) as caught:
            await elsewhere(served).check("a mistake")
    assert "secret" not in str(caught.value)


async def test_an_answer_that_the_contract_does_not_know_is_trouble(sqlite_url: str) -> None:
    async with answering(sqlite_url, LiarRoom()) as served:
        with pytest.raises(Unavailable):
            await elsewhere(served).same(PARCEL)


@pytest.mark.parametrize("body", [b'[{"id": 1}]', b"no JSON", b'{"code": "x"}'])
async def test_an_answer_of_somebody_else_is_trouble(body: bytes) -> None:
    for headers in ({}, {"X-Refused": "not_found"}, {"X-Refused": "unheard_of"}):
        told = httpx.Response(200, content=body, headers=headers)
        there = Remote("http://x", TOKEN, transport=httpx.MockTransport(lambda _, told=told: told))
        with pytest.raises(Unavailable, match="otherwise than its contract"):
            await asking(Parcels, "storage", there).same(PARCEL)


async def test_a_wrong_argument_is_noticed_before_it_is_sent() -> None:
    parcels = asking(Parcels, "storage", Remote("http://never-asked", TOKEN))
    with pytest.raises(PydanticSerializationError):
        await parcels.found(["not an id"])  # type: ignore[list-item]  # that is the mistake
    with pytest.raises(TypeError):
        await parcels.found()  # type: ignore[call-arg]  # that is the mistake


async def test_an_argument_that_the_contract_does_not_know_is_refused(sqlite_url: str) -> None:
    async with answering(sqlite_url, Storeroom()) as served, trusted(served) as client:
        assert (await client.post(FOUND, json={"ids": [], "sped": "slow"})).status_code == 422
        assert (await client.post(FOUND, json={"ids": ["no id"]})).status_code == 422
        assert (await client.post(FOUND, json={})).status_code == 422
        assert (await client.post(FOUND, json={"ids": []})).json() == {}


@asynccontextmanager
async def silent_server() -> AsyncIterator[str]:
    """Takes connections and says nothing."""

    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(keep_silent, LOOPBACK, 0) as server:
        yield f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"


def asking_route(parcels: Storeroom | Parcels) -> Module:
    """A route that asks elsewhere."""
    router = Router("desk", prefix="/api/v1/desk")

    @router.get("", public=True)
    async def look() -> list[UUID]:
        return list(await parcels.found([PARCEL.id]))

    return Module("desk", routers=(router,), provides=())


async def test_whoever_does_not_answer_in_time_makes_a_503(sqlite_url: str) -> None:
    async with silent_server() as url:
        remote = Remote(url, TOKEN, seconds=0.2)
        desk = asking_route(asking(Parcels, "storage", remote))
        async with answering(sqlite_url, Storeroom(), None, desk) as served, served.stranger() as client:
            started = time.monotonic()
            answer = await client.get("/api/v1/desk")
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert time.monotonic() - started < 3
        await remote.close()


async def test_whoever_is_not_there_makes_a_503_and_one_line_in_the_log(sqlite_url: str) -> None:
    remote = Remote(f"http://{LOOPBACK}:{free_port()}", TOKEN)
    desk = asking_route(asking(Parcels, "storage", remote))
    with capture_logs() as lines:
        async with answering(sqlite_url, Storeroom(), None, desk) as served, served.stranger() as client:
            for _ in range(3):
                assert (await client.get("/api/v1/desk")).status_code == 503
    await remote.close()
    assert [line["event"] for line in lines].count("remote_unavailable") == 1
    assert TOKEN not in str(lines)


# --- strangers -------------------------------------------------------------------------------------

STRANGERS = {
    "nobody": {},
    "a wrong token": {"Authorization": f"Bearer {TOKEN[:-1]}x"},
    "a part of the token": {"Authorization": f"Bearer {TOKEN[:-1]}"},
    "a longer token": {"Authorization": f"Bearer {TOKEN}x"},
    "an empty token": {"Authorization": "Bearer "},
    "another scheme": {"Authorization": f"Basic {TOKEN}"},
    "a user": {"Authorization": f"Bearer {uuid4()}"},
}
TRIES = [
    (verb, path) for verb in ("GET", "POST", "HEAD", "OPTIONS", "DELETE") for path in ("", "/storage", FOUND)
]
TRIES += [("GET", f"{FOUND}/"), ("GET", f"{PREFIX}/"), ("POST", f"{PREFIX}/storage/unheard-of")]


def trusted(served: Served) -> httpx.AsyncClient:
    return served.stranger(Authorization=f"Bearer {TOKEN}")


async def seen(
    app: Any, verb: str, path: str, headers: dict[str, str]
) -> tuple[int, list[tuple[str, str]], bytes]:
    """All that a caller gets, byte by byte, but for the moment."""
    path = path if path.startswith(PREFIX) else PREFIX + path
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test")
    async with client:
        content = b'{"ids": []}' if verb == "POST" else None
        more = {"Content-Type": "application/json", "X-Request-ID": "the-same"}
        answer = await client.request(verb, path, content=content, headers=headers | more)
    body = re.sub(rb'"timestamp":"[^"]{20,27}"', b'"timestamp":"now"', answer.content)
    lengths = {"content-length": str(len(body))} if body else {}
    return answer.status_code, sorted((dict(answer.headers) | lengths).items()), body


async def told_apart(with_contracts: Any, without: Any) -> list[str]:
    """What a stranger can try to learn that there are contracts."""
    found = []
    for who, headers in STRANGERS.items():
        for verb, path in TRIES:
            if await seen(with_contracts, verb, path, headers) != await seen(without, verb, path, headers):
                found.append(f"{who}: {verb} {path}")
    return found


async def test_to_strangers_contracts_look_like_paths_that_do_not_exist(sqlite_url: str) -> None:
    room = Storeroom()
    async with answering(sqlite_url, room) as one, answering(sqlite_url, room, None) as other:
        assert await told_apart(one.app, other.app) == []
        status, _, body = await seen(one.app, "POST", FOUND, {})
        assert (status, orjson.loads(body)["code"]) == (404, "not_found")
        async with trusted(other) as client:
            assert (await client.post(FOUND, json={"ids": []})).status_code == 404
    assert room.asked == []


async def test_contracts_that_are_served_like_other_routes_are_noticed(sqlite_url: str) -> None:
    async with answering(sqlite_url, Storeroom(), None) as served:
        careless = Application(
            [Bound(each, {Request: _itself}, {}) for each in _operations([module(Storeroom())])],
            served.app._edge,
        )
        assert f"nobody: POST {FOUND}" in await told_apart(careless, served.app)


async def test_the_public_document_says_nothing_of_contracts(sqlite_url: str) -> None:
    backend = Backend.build(Settings(service_token=SecretStr(TOKEN)))
    paths = orjson.loads(openapi_document(backend))["paths"]
    assert "/api/v1/users/me" in paths
    assert not [path for path in paths if path.startswith(PREFIX)]


# --- what cannot be asked --------------------------------------------------------------------------


class Opaque:
    """Has no form as JSON."""


class NotAsync(Protocol):
    def now(self) -> int: ...


class Untyped(Protocol):
    async def find(self, id) -> int: ...  # type: ignore[no-untyped-def]  # that is the mistake


class WithoutAnswer(Protocol):
    async def find(self, id: int): ...  # type: ignore[no-untyped-def]  # that is the mistake


class AnyNumber(Protocol):
    async def find(self, *ids: int) -> int: ...


class OpaqueAnswer(Protocol):
    async def find(self, id: int) -> Opaque: ...


class OpaqueQuestion(Protocol):
    async def find(self, what: Opaque) -> int: ...


@pytest.mark.parametrize(
    "contract", [NotAsync, Untyped, WithoutAnswer, AnyNumber, OpaqueAnswer, OpaqueQuestion]
)
def test_a_contract_that_cannot_travel_is_refused_at_the_start(contract: type[Any]) -> None:
    with pytest.raises(TypeError, match=f"{contract.__name__}."):
        questions_of(contract)


def test_two_questions_of_one_name_in_one_context_are_refused() -> None:
    twice = Module("storage", (), (), contracts={Parcels: Storeroom(), AnotherParcels: Storeroom()})
    with pytest.raises(TypeError, match="same name"):
        _operations([twice])


class AnotherParcels(Protocol):
    async def check(self, what: str) -> None: ...


def test_a_context_without_a_client_cannot_be_elsewhere() -> None:
    for name in ("tasks", "nowhere", "acme.nowhere"):
        wanted = Settings(contexts=["identity"], remotes={name: "http://x"}, service_token=SecretStr(TOKEN))
        with pytest.raises(SettingsError, match=name):
            connect(wanted)


def test_contexts_at_one_address_share_its_connections() -> None:
    remotes = {"identity": "http://x", "profiles": "http://x"}
    found = connect(Settings(contexts=["tasks"], remotes=remotes, service_token=SecretStr(TOKEN)))
    assert found["identity"] is found["profiles"]
