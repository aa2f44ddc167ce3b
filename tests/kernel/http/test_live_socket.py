"""Web sockets: opened by a ticket, once, by pages that may, closed on whoever breaks the rules."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import orjson
import pytest

from bailiwick.kernel.application import Actor, Unauthenticated
from bailiwick.kernel.http.authentication import BLIND_SECONDS, VerifiedToken
from bailiwick.kernel.live import connection, hub, socket
from bailiwick.kernel.live.sockets import origin_of
from bailiwick.kernel.live.tickets import LIFETIME, Tickets
from bailiwick.kernel.settings.sections import Http, Live
from tests.kernel.http.listening import EXPIRY, QUIET, Line, Office, happens, office_with

HTTP = Http(public_url="https://app.example.com/office", cors_origins=["https://other.example.com"])


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "POLL", 0.1)


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[Office]:
    async with office_with(database_url, http=HTTP) as running:
        yield running


@pytest.fixture
async def small(sqlite_url: str) -> AsyncIterator[Office]:
    """For what does not depend on the database."""
    async with office_with(sqlite_url, http=HTTP, live=Live(per_user=2)) as running:
        yield running


async def opened(office: Office, user: object, **headers: str) -> Line:
    """What comes of opening a socket with a new ticket: the line, left at once."""
    async with office.socket(await office.ticket(str(user)), **headers) as line:
        return line


async def test_a_socket_tells_what_a_stream_tells(office: Office) -> None:
    ada = uuid4()
    async with office.socket(await office.ticket(ada)) as line, office.served.client(ada) as client:
        assert line.sent[0] == {"type": "websocket.accept"}
        await client.post("/api/v1/tasks", json={"title": "Feed the cat"})
        await line.heard(1)
        await happens(office.database, uuid4())
        await asyncio.sleep(QUIET)
    assert [each["type"] for each in line.messages] == ["ready", "tasks.task_created"]
    missed = await happens(office.database, ada)
    async with office.socket(await office.ticket(ada), line.cursor) as again:
        assert await again.heard(1) == [missed]


async def test_a_ticket_opens_one_socket_however_many_try_at_once(office: Office) -> None:
    ticket = await office.ticket(uuid4())

    async def status() -> int:
        async with office.socket(ticket) as line:
            return line.status

    statuses = await asyncio.gather(*(status() for _ in range(10)))
    assert sorted(statuses) == [101] + [401] * 9


async def test_tickets_are_stored_as_digests_and_grow_old(office: Office) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    tickets = Tickets(office.database, lambda: now)
    token = VerifiedToken(Actor(uuid4(), "user", session_id=uuid4()), 3, 2_000_000_000.0)
    ticket = await tickets.issue(token)
    found = await tickets.use(ticket)
    assert (found.actor.id, found.actor.session_id) == (token.actor.id, token.actor.session_id)
    assert (found.stamp, found.expires_at) == (token.stamp, token.expires_at)
    old = await tickets.issue(token)
    now += LIFETIME
    with pytest.raises(Unauthenticated):
        await tickets.use(old)
    await tickets.forget_old()
    now -= LIFETIME
    with pytest.raises(Unauthenticated):
        await tickets.use(old)


async def test_a_ticket_is_worth_no_more_than_its_token(small: Office) -> None:
    ada, session = uuid4(), uuid4()
    revoked, changed = await small.ticket(f"{ada}.{session}"), await small.ticket(ada)
    late, blind = await small.ticket(uuid4()), await small.ticket(uuid4())
    small.authentication.learn({session}, {ada: 1}, 900)
    statuses = []
    for ticket, moment in ((revoked, 0.0), (changed, 0.0), (blind, BLIND_SECONDS + 1), (late, EXPIRY)):
        small.clock.now = moment
        if moment == EXPIRY:
            small.authentication.learn(set(), {}, 900)
        async with small.socket(ticket) as line:
            statuses.append(line.status)
    assert statuses == [401, 401, 503, 401]


async def test_no_ticket_is_issued_to_strangers(small: Office) -> None:
    async with small.served.stranger() as client:
        assert (await client.post("/api/v1/socket/tickets")).status_code == 401
    async with small.socket("guessed") as line:
        assert (line.status, line.headers["www-authenticate"]) == (401, "Bearer")
        assert line.headers["content-type"] == "application/problem+json"
        assert "x-request-id" in line.headers


@pytest.mark.parametrize("origin", ["https://app.example.com", "https://other.example.com"])
async def test_pages_of_ours_may_open_a_socket(small: Office, origin: str) -> None:
    assert (await opened(small, uuid4(), origin=origin)).status == 101


@pytest.mark.parametrize("origin", ["https://evil.example.com", "http://app.example.com", "null"])
async def test_a_foreign_page_is_refused_and_spends_no_ticket(small: Office, origin: str) -> None:
    ticket = await small.ticket(uuid4())
    async with small.socket(ticket, origin=origin) as line:
        assert (line.status, orjson.loads(line.sent[1]["body"])["code"]) == (403, "foreign_origin")
    async with small.socket(ticket) as line:
        assert line.status == 101


def test_origins_are_compared_as_browsers_write_them() -> None:
    assert origin_of("https://App.example.com:443/x") == "https://app.example.com"
    assert origin_of("http://127.0.0.1:8000") == "http://127.0.0.1:8000"
    assert origin_of("http://[::1]:80") == "http://[::1]"
    assert origin_of("https://[2001:db8::1]") == "https://[2001:db8::1]"


async def test_other_paths_have_no_sockets(small: Office) -> None:
    async with small.line("/api/v1/tasks", {}, kind="websocket") as line:
        assert line.status == 404
    async with small.line("/api/v1/socket", {}, "ticket=a&ticket=b", kind="websocket") as line:
        assert line.status == 422
    async with small.socket("x", "yesterday") as line:
        assert line.status == 422


async def test_streams_and_sockets_share_the_places_of_a_user(small: Office) -> None:
    ada = uuid4()
    async with small.stream(ada), small.socket(await small.ticket(ada)):
        assert (await opened(small, ada)).status == 429
    assert (await opened(small, ada)).status == 101
    assert small.hub.room.taken == 0


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("hello", 1008),
        ('{"type":"subscribe","to":"everything"}', 1008),
        ('{"type":["ping"]}', 1008),
        ("[]", 1008),
        ('{"type":"ping"}' + " " * 1000, 1009),
    ],
)
async def test_whoever_says_anything_else_is_cut_off(small: Office, text: str, code: int) -> None:
    async with small.socket(await small.ticket(uuid4())) as line:
        line.say(text)
        await line.over()
        assert line.code == code


async def test_a_ping_is_answered_and_too_many_are_not(small: Office) -> None:
    async with small.socket(await small.ticket(uuid4())) as line:
        line.say('{"type":"ping"}')
        await line.until(lambda: line.messages[-1] == {"type": "pong"})
        for _ in range(socket.OFTEN):
            line.say('{"type":"ping"}')
        await line.over()
        assert (line.code, line.reason) == (1008, "too_many_messages")


async def test_a_dead_peer_is_cut_off_and_a_live_one_is_not(
    small: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "HEARTBEAT", 0.2)
    monkeypatch.setattr(socket, "ANSWER", 0.4)
    ada = uuid4()
    async with small.socket(await small.ticket(ada)) as dead, small.socket(await small.ticket(ada)) as alive:
        answered = 0
        while not dead.task.done():
            await asyncio.sleep(0.05)
            pings = alive.messages.count({"type": "ping"})
            if pings > answered:
                answered = pings
                alive.say('{"type":"pong"}')
        assert (dead.code, dead.reason) == (4009, "no_answer")
        assert answered >= 1
        assert not alive.task.done()


async def test_a_reader_who_acknowledges_nothing_is_cut_off(
    small: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was sent may lie unread in buffers of the system: only an answer shows that it was read."""
    monkeypatch.setattr(socket, "MUCH", 2_000)
    monkeypatch.setattr(socket, "ANSWER_TO_MUCH", 0.4)
    ada = uuid4()
    async with small.socket(await small.ticket(ada)) as deaf, small.socket(await small.ticket(ada)) as reads:
        for _ in range(6):
            await happens(small.database, ada, note="x" * 400)
        await reads.until(lambda: {"type": "ping"} in reads.messages)
        reads.say('{"type":"pong"}')
        await deaf.over()
        assert (deaf.code, deaf.reason) == (4008, "too_slow")
        assert not reads.task.done()


async def test_a_reader_with_too_much_unread_is_cut_off_at_once(
    small: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MOST_UNREAD", 2_000)
    ada = uuid4()
    async with small.socket(await small.ticket(ada)) as line:
        for _ in range(6):
            await happens(small.database, ada, note="x" * 400)
        await line.over()
        assert line.code == 4008


@pytest.mark.parametrize(("why", "code"), [("session", 4001), ("account", 4002), ("token", 4003)])
async def test_the_last_message_says_why(small: Office, why: str, code: int) -> None:
    ada, session = uuid4(), uuid4()
    async with small.socket(await small.ticket(f"{ada}.{session}")) as line:
        if why == "token":
            small.clock.now = EXPIRY
        else:
            ended = {session} if why == "session" else set()
            small.authentication.learn(ended, {ada: 1} if why == "account" else {}, 900)
        await line.over(within=1)
        assert line.messages[-1]["type"] == "end"
        assert line.sent[-1] == {"type": "websocket.close", "code": code, "reason": line.reason}


async def test_an_order_to_stop_closes_every_socket(small: Office) -> None:
    async with small.socket(await small.ticket(uuid4())) as line:
        async with asyncio.timeout(1):
            await small.hub.stop()
        assert (line.code, line.reason) == (1001, "server_stopping")
    assert (await opened(small, uuid4())).status == 503
