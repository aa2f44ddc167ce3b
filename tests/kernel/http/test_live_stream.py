"""Streams tell a user what concerns them: everything, once, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import uuid4

import pytest

from bailiwick.kernel.http.authentication import BLIND_SECONDS
from bailiwick.kernel.ids import moment
from bailiwick.kernel.live import connection, hub, stream
from bailiwick.kernel.live.positions import Position
from bailiwick.kernel.settings.sections import Live
from tests.kernel.http.listening import EXPIRY, QUIET, SOON, Office, an_id, happens, office_with


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "POLL", 0.1)


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[Office]:
    async with office_with(database_url) as running:
        yield running


async def test_a_user_hears_of_a_change_to_their_task_and_a_stranger_does_not(office: Office) -> None:
    ada, bob = uuid4(), uuid4()
    async with office.stream(ada) as hers, office.stream(bob) as his, office.served.client(ada) as client:
        task = (await client.post("/api/v1/tasks", json={"title": "Feed the cat"})).json()["data"]["id"]
        path = f"/api/v1/tasks/{task}"
        await client.patch(path, json={"title": "Feed both cats"})
        await client.patch(path, json={"title": "Feed both cats"})
        await client.patch(f"{path}/complete")
        await client.delete(path)
        await hers.heard(4)
        await asyncio.sleep(QUIET)
    assert [each["type"] for each in hers.messages] == [
        "ready",
        "tasks.task_created",
        "tasks.task_changed",
        "tasks.task_moved",
        "tasks.task_deleted",
    ]
    assert {each["data"]["task_id"] for each in hers.messages[1:]} == {task}
    assert [each["type"] for each in his.messages] == ["ready"]


async def test_a_stream_looks_like_one_to_browsers_and_proxies(office: Office) -> None:
    async with office.stream(uuid4(), x_request_id="my-id") as line:
        assert line.status == 200
    assert line.headers["content-type"] == "text/event-stream"
    assert line.headers["x-accel-buffering"] == "no"
    assert line.headers["cache-control"] == "no-store"
    assert line.headers["x-request-id"] == "my-id"
    assert "content-length" not in line.headers
    assert line.sent[1]["body"].startswith(b"retry: 2000\n\nid: ")


async def test_a_stream_is_refused_before_it_starts(office: Office) -> None:
    async with office.served.stranger() as client:
        refused = await client.get("/api/v1/stream")
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    async with office.served.client() as client:
        refused = await client.get("/api/v1/stream", headers={"Last-Event-ID": "yesterday"})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "Last-Event-ID")
        assert (await client.post("/api/v1/stream")).status_code == 405


async def test_looking_at_the_headers_opens_no_stream(office: Office) -> None:
    async with office.served.client() as client:
        looked = await client.head("/api/v1/stream")
    assert (looked.status_code, looked.content) == (200, b"")
    assert office.hub.connections == []


async def test_who_comes_back_hears_what_was_missed_and_nothing_twice(office: Office) -> None:
    ada = uuid4()
    async with office.stream(ada) as line:
        first = await happens(office.database, ada)
        assert await line.heard(1) == [first]
    missed = [await happens(office.database, ada) for _ in range(3)]
    await happens(office.database, uuid4())
    async with office.stream(ada, line.cursor) as again:
        later = await happens(office.database, ada)
        await again.heard(4)
        await asyncio.sleep(QUIET)
        assert again.ids == [*missed, later]


async def test_every_message_is_a_place_to_go_on_from(office: Office) -> None:
    ada = uuid4()
    async with office.stream(ada) as line:
        ids = [await happens(office.database, ada) for _ in range(4)]
        await line.heard(4)
    cursors = [each["cursor"] for each in line.messages]
    for count, cursor in enumerate(cursors):
        async with office.stream(ada, cursor) as again:
            await again.heard(4 - count)
            await asyncio.sleep(0.05)
            assert again.ids == ids[count:]
            # … and so is every message that was replayed.
            for more, other in enumerate(m["cursor"] for m in again.messages if "cursor" in m):
                async with office.stream(ada, other) as third:
                    await third.heard(3 - count - more)
                    assert third.ids == ids[count + more + 1 :]


async def hears_of_a_late_commit(office: Office) -> bool:
    """Whether an event is told whose id is older than that of one which was told before it."""
    ada, late = uuid4(), an_id(age=5)
    async with office.stream(ada) as line:
        first = await happens(office.database, ada)
        await line.heard(1)
        await happens(office.database, ada, late)
        try:
            await line.heard(2)
        except TimeoutError:
            assert line.ids == [first]
        return line.ids == [first, late]


async def test_an_event_that_is_committed_late_is_told(office: Office) -> None:
    assert await hears_of_a_late_commit(office)


async def test_a_reader_of_higher_ids_alone_would_be_noticed(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Long enough for what takes the usual time to its commit.
    monkeypatch.setattr(hub, "OVERLAP", 2_000)
    monkeypatch.setattr(hub, "NEAR", 2_000)
    assert not await hears_of_a_late_commit(office)


async def hears_of_it_on_coming_back(office: Office) -> bool:
    """Whether who comes back is told of an event that was committed after an event with a higher id."""
    ada, late = uuid4(), an_id(age=5)
    async with office.stream(ada) as line:
        await happens(office.database, ada)
        await line.heard(1)
    await happens(office.database, ada, late)
    async with office.stream(ada, line.cursor) as again:
        with suppress(TimeoutError):
            await again.heard(1)
        await asyncio.sleep(QUIET)
        return again.ids == [late]


async def test_an_event_that_is_committed_late_is_among_what_was_missed(office: Office) -> None:
    assert await hears_of_it_on_coming_back(office)


async def test_a_cursor_that_is_only_the_last_id_would_be_noticed(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Position, "after", lambda heard, _: Position(moment(heard[-1]) if heard else 0, heard[-1:])
    )
    assert not await hears_of_it_on_coming_back(office)


async def test_who_was_away_for_a_day_hears_it_all(office: Office) -> None:
    ada = uuid4()
    old = [await happens(office.database, ada, an_id(age=day * 3600.0)) for day in (23, 22, 1)]
    cursor = Position(moment(old[0]), (old[0],)).written()
    async with office.stream(ada, cursor) as line:
        assert await line.heard(2) == old[1:]


async def test_who_missed_too_much_is_told_to_read_anew(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "MOST_REPLAYED", 2)
    ada = uuid4()
    start = Position(moment(an_id(age=60))).written()
    for age in (50.0, 5.0, 4.0):
        await happens(office.database, ada, an_id(age))
    async with office.stream(ada, start) as line:
        later = await happens(office.database, ada)
        assert await line.heard(1) == [later]
        assert [each["type"] for each in line.messages] == ["reset", "tasks.task_moved"]


async def test_who_comes_first_hears_nothing_old(office: Office) -> None:
    ada = uuid4()
    await happens(office.database, ada)
    async with office.stream(ada) as line, office.stream(ada) as another:
        later = await happens(office.database, ada)
        assert await line.heard(1) == await another.heard(1) == [later]


async def test_one_look_serves_all_connections_and_none_is_taken_for_nobody(office: Office) -> None:
    async def asked(seconds: float) -> int:
        before = office.database.statements
        await asyncio.sleep(seconds)
        return office.database.statements - before

    assert await asked(0.7) == 0
    lines = [office.stream(uuid4()) for _ in range(20)]
    for line in lines:
        await line.__aenter__()
    await asyncio.sleep(0.1)
    assert 1 <= await asked(1.1) <= 12
    for line in lines:
        await line.__aexit__(None, None, None)
    await asyncio.sleep(0.6)
    assert await asked(0.7) == 0


async def test_silence_is_broken_by_a_comment(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT", 0.1)
    async with office.stream(uuid4()) as line:
        await line.until(lambda: line.sent[-1].get("body") == b":\n\n")
        assert len(line.messages) == 1


async def test_a_session_that_ended_ends_its_streams_and_no_other(office: Office) -> None:
    ada, phone, laptop = uuid4(), uuid4(), uuid4()
    async with office.stream(f"{ada}.{phone}") as lost, office.stream(f"{ada}.{laptop}") as kept:
        office.authentication.learn({phone}, {}, 900)
        await lost.over(within=1)
        assert lost.reason == "session_ended"
        assert lost.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
        later = await happens(office.database, ada)
        assert await kept.heard(1) == [later]
        assert lost.ids == []


async def test_an_account_that_changed_ends_all_its_streams(office: Office) -> None:
    ada = uuid4()
    async with office.stream(ada) as line, office.stream(uuid4()) as other:
        office.authentication.learn(set(), {ada: 1}, 900)
        await line.over(within=1)
        assert line.reason == "account_changed"
        assert not other.task.done()


async def test_a_stream_ends_with_its_token(office: Office) -> None:
    async with office.stream(uuid4()) as line:
        office.clock.now = EXPIRY
        await line.over(within=1)
        assert line.reason == "token_expired"


async def test_nothing_is_told_while_revocations_are_not_known(office: Office) -> None:
    ada = uuid4()
    async with office.stream(ada) as line:
        await asyncio.sleep(QUIET)
        office.clock.now = BLIND_SECONDS + 1
        event = await happens(office.database, ada)
        await asyncio.sleep(1)
        assert line.ids == []
        office.authentication.learn(set(), {}, 900)
        assert await line.heard(1) == [event]


async def test_an_order_to_stop_ends_every_stream_and_lets_nobody_in(office: Office) -> None:
    async with office.stream(uuid4()) as line, office.stream(uuid4()) as another:
        async with asyncio.timeout(1):
            await office.hub.stop()
        assert (line.reason, another.reason) == ("server_stopping", "server_stopping")
        assert line.task.done()
    async with office.stream(uuid4()) as late:
        assert late.status == 503


async def test_a_reader_who_takes_nothing_is_cut_off_when_too_much_waits(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MOST_UNREAD", 2_000)
    monkeypatch.setattr(connection, "FAREWELL", 0.1)
    ada = uuid4()
    async with office.stream(ada) as slow, office.stream(ada) as quick:
        slow.reading.clear()
        for count in range(1, 7):
            await happens(office.database, ada, note="x" * 400)
            await quick.heard(count)
        await slow.over()
        assert not quick.task.done()


async def test_a_reader_who_takes_nothing_is_cut_off_after_a_while(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PATIENCE", 0.2)
    monkeypatch.setattr(connection, "FAREWELL", 0.1)
    ada = uuid4()
    async with office.stream(ada) as slow:
        slow.reading.clear()
        await happens(office.database, ada)
        await slow.over()
    assert office.hub.connections == []


@pytest.mark.parametrize(
    ("limits", "status"),
    [
        (Live(per_user=2), 429),
        (Live(per_address=2), 429),
        (Live(per_worker=2), 503),
    ],
)
async def test_connections_are_limited_and_places_become_free(
    sqlite_url: str, limits: Live, status: int
) -> None:
    async with office_with(sqlite_url, live=limits) as office:
        ada = uuid4()
        async with office.stream(ada), office.stream(ada) as leaves:
            async with office.stream(ada) as refused:
                assert (refused.status, refused.headers["retry-after"]) == (status, "10")
            leaves.incoming.put_nowait({"type": "http.disconnect"})
            await leaves.over()
            async with office.stream(ada) as admitted:
                assert admitted.status == 200
        assert office.hub.room.taken == 0


async def test_other_users_and_addresses_have_places_of_their_own(sqlite_url: str) -> None:
    async with (
        office_with(sqlite_url, live=Live(per_user=1)) as office,
        office.stream(uuid4()),
        office.stream(uuid4()) as another,
    ):
        assert another.status == 200


async def test_without_live_updates_there_is_nothing(sqlite_url: str) -> None:
    async with (
        office_with(sqlite_url, live=Live(enabled=False)) as office,
        office.stream(uuid4()) as line,
        office.socket("x") as socket,
    ):
        assert (line.status, socket.status) == (404, 404)


async def test_a_hint_from_another_process_saves_the_wait(
    postgresql_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "POLL", 60.0)
    monkeypatch.setattr(hub, "FAR_EVERY", 0.0)
    ada = uuid4()
    async with (
        office_with(postgresql_url, redis_url=redis_url) as here,
        office_with(postgresql_url, redis_url=redis_url) as there,
        here.stream(ada) as line,
        there.served.client(ada) as client,
    ):
        await asyncio.sleep(QUIET)
        await client.post("/api/v1/tasks", json={"title": "Feed the cat"})
        await line.heard(1)


async def test_without_a_hint_the_next_look_finds_it(postgresql_url: str) -> None:
    ada, away = uuid4(), "redis://127.0.0.1:1"
    async with (
        office_with(postgresql_url, redis_url=away) as here,
        office_with(postgresql_url) as there,
        here.stream(ada) as line,
        there.served.client(ada) as client,
    ):
        await client.post("/api/v1/tasks", json={"title": "Feed the cat"})
        await line.heard(1)
        assert SOON > 2 * hub.POLL
