"""The routes of profiles, on both databases."""

import asyncio
from uuid import UUID, uuid4

import pytest

from bailiwick.profiles.contract import ProfileCreated, UsernameChanged
from tests.profiles.town import ALL, ME, USERNAME, Town

FIELDS = [
    "id", "user_id", "username", "full_name", "display_name", "bio", "picture_url", "locale", "time_zone",
    "profile_completion", "created_at", "updated_at", "version",
]  # fmt: skip


async def test_a_profile_is_made_at_the_first_look(town: Town) -> None:
    user_id = town.settle()
    async with town.browser(user_id) as erna:
        answer = await erna.get(ME)
        again = await erna.get(ME)
    shown = answer.json()["data"]
    assert (answer.status_code, answer.headers["etag"]) == (200, '"1"')
    assert list(shown) == FIELDS
    assert UUID(shown["user_id"]) == user_id
    assert (shown["username"], shown["full_name"], shown["display_name"]) == (None, "Erna Bauer", "Erna")
    assert (shown["locale"], shown["time_zone"], shown["profile_completion"]) == ("en", "UTC", 40)
    assert again.json()["data"] == shown


async def test_looking_at_an_existing_profile_costs_one_statement(town: Town) -> None:
    async with town.browser(town.settle()) as erna:
        await erna.get(ME)
        before = town.database.statements
        await erna.get(ME)
    assert town.database.statements - before == 1


async def test_two_first_looks_at_once_make_one_profile(town: Town) -> None:
    async with town.browser(town.settle()) as erna:
        answers = await asyncio.gather(
            *(erna.get(ME) for _ in range(8)),
            *(erna.patch(ME, json={"bio": f"{i}"}) for i in range(4)),
            *(erna.put(USERNAME, json={"username": "erna"}) for _ in range(4)),
        )
        last = await erna.get(ME)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["data"]["id"] for answer in answers}) == 1
    assert len(await town.published(ProfileCreated)) == 1
    assert (last.json()["data"]["username"], last.json()["data"]["bio"]) != (None, None)


@pytest.mark.parametrize("first", ["PATCH", "PUT"])
async def test_a_change_may_come_before_the_first_look(town: Town, first: str) -> None:
    path, body = (ME, {"bio": "I sell goats."}) if first == "PATCH" else (USERNAME, {"username": "erna"})
    async with town.browser(town.settle()) as erna:
        answer = await erna.request(first, path, json=body)
        shown = (await erna.get(ME)).json()["data"]
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    assert shown.items() >= body.items()


async def test_who_has_no_account_gets_no_profile(town: Town) -> None:
    async with town.browser(uuid4()) as ghost:
        answers = [
            await ghost.get(ME),
            await ghost.patch(ME, json={"bio": "boo"}),
            await ghost.put(USERNAME, json={"username": "ghost"}),
        ]
    assert [answer.status_code for answer in answers] == [404, 404, 404]


async def test_nobody_gets_anything_without_signing_in(town: Town) -> None:
    async with town.stranger() as stranger:
        answers = [
            await stranger.get(ME),
            await stranger.get(ALL),
            await stranger.patch(ME, json={}),
            await stranger.put(USERNAME, json={"username": "erna"}),
        ]
    assert {answer.status_code for answer in answers} == {401}


async def test_changes_merge_and_null_takes_away(town: Town) -> None:
    first = {
        "display_name": "E. B.",
        "bio": "Goats.",
        "picture_url": "https://h/e.png",
        "time_zone": "Africa/Windhoek",
    }
    async with town.browser(town.settle()) as erna:
        full = (await erna.patch(ME, json=first)).json()["data"]
        less = (await erna.patch(ME, json={"display_name": None, "bio": None, "locale": "de-NA"})).json()[
            "data"
        ]
        read = (await erna.get(ME)).json()["data"]
    assert full.items() >= {**first, "profile_completion": 80}.items()
    assert (less["display_name"], less["bio"], less["locale"]) == ("Erna", None, "de-NA")
    assert (less["picture_url"], less["profile_completion"]) == ("https://h/e.png", 60)
    assert read == less


@pytest.mark.parametrize(
    "body",
    [
        {"user_id": "0190aaaa-0000-7000-8000-000000000000"},
        {"full_name": "Queen"},
        {"profile_completion": 100},
        {"username": "queen"},
        {"bio": 7},
        {"locale": None},
        {"picture_url": "javascript:alert(1)"},
        {"picture_url": "https://me:secret@h/x"},
        {"time_zone": "Mars/Olympus"},
    ],
)
async def test_what_does_not_belong_to_the_owner_is_refused(town: Town, body: dict[str, object]) -> None:
    async with town.browser(town.settle()) as erna:
        before = await erna.get(ME)
        answer = await erna.patch(ME, json=body)
        after = await erna.get(ME)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == list(body)
    assert after.json()["data"] == before.json()["data"]


async def test_a_stale_change_is_refused(town: Town) -> None:
    async with town.browser(town.settle()) as erna:
        tag = (await erna.get(ME)).headers["etag"]
        fresh = await erna.patch(ME, json={"bio": "one"}, headers={"If-Match": tag})
        stale = await erna.patch(ME, json={"bio": "two"}, headers={"If-Match": tag})
        late = await erna.put(USERNAME, json={"username": "erna"}, headers={"If-Match": tag})
        unchanged = await erna.get(ME, headers={"If-None-Match": fresh.headers["etag"]})
    assert [fresh.status_code, stale.status_code, late.status_code] == [200, 412, 412]
    assert unchanged.status_code == 304


async def test_a_username_is_unique_whatever_the_case(town: Town) -> None:
    async with town.browser(town.settle()) as erna, town.browser(town.settle("b@example.com", "Ben")) as ben:
        mine = await erna.put(USERNAME, json={"username": "Erna.B"})
        taken = await ben.put(USERNAME, json={"username": "erna.b"})
        recased = await erna.put(USERNAME, json={"username": "ERNA.B"})
        renamed = await erna.put(USERNAME, json={"username": "erna"})
        freed = await ben.put(USERNAME, json={"username": "erna.b"})
    assert (mine.status_code, mine.json()["data"]["username"]) == (200, "Erna.B")
    assert (taken.status_code, taken.json()["code"]) == (409, "username_taken")
    assert taken.json()["errors"][0]["field"] == "username"
    assert [answer.json()["data"]["username"] for answer in (recased, renamed, freed)] == [
        "ERNA.B",
        "erna",
        "erna.b",
    ]
    changes = [(said["old"], said["new"]) for said in await town.published(UsernameChanged)]
    assert changes == [(None, "Erna.B"), ("Erna.B", "ERNA.B"), ("ERNA.B", "erna"), (None, "erna.b")]


async def test_of_many_who_want_a_username_at_once_one_gets_it(town: Town) -> None:
    people = [town.browser(town.settle(f"p{i}@example.com", "Pat")) for i in range(8)]
    for one in people[::2]:
        await one.get(ME)
    answers = await asyncio.gather(
        *(one.put(USERNAME, json={"username": "Pat" if i % 2 else "pat"}) for i, one in enumerate(people))
    )
    names = [(await one.get(ME)).json()["data"]["username"] for one in people]
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    assert len([name for name in names if name]) == 1


@pytest.mark.parametrize(
    ("username", "code"),
    [("ab", "invalid_input"), ("a b c", "invalid_input"), ("---", "invalid"), ("Admin", "username_reserved")],
)
async def test_an_impossible_username_is_refused(town: Town, username: str, code: str) -> None:
    async with town.browser(town.settle()) as erna:
        answer = await erna.put(USERNAME, json={"username": username})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["errors"][0]["field"] == "username"


async def test_everybody_sees_their_own_profile_only(town: Town) -> None:
    async with town.browser(town.settle()) as erna, town.browser(town.settle("b@example.com", "Ben")) as ben:
        hers = (await erna.patch(ME, json={"bio": "hers"})).json()["data"]
        await ben.patch(ME, json={"bio": "his"})
        theirs = await ben.get(f"{ALL}/{hers['id']}")
        never = await ben.get(f"{ALL}/{uuid4()}")
        listed = await ben.get(ALL)
        assert (await ben.get(ME)).json()["data"]["bio"] == "his"
        assert (await erna.get(ME)).json()["data"]["bio"] == "hers"
    assert (theirs.status_code, never.status_code, listed.status_code) == (404, 404, 403)
    assert listed.json()["code"] == "permission_required"
    assert "hers" not in theirs.text + listed.text


async def test_who_may_read_profiles_lists_them(town: Town) -> None:
    names = ["Anna", "Ben", "Carla", "Dora", "Emil"]
    for name in names:
        async with town.browser(town.settle(f"{name}@example.com", f"{name} Smith")) as one:
            await one.put(USERNAME, json={"username": f"{name}-1"})
    async with town.browser(uuid4(), "profiles.read") as clerk:
        page = (await clerk.get(ALL, params={"per_page": 2, "page": 2, "sort": "username"})).json()
        found = (await clerk.get(ALL, params={"filter[username]": "CARLA-1"})).json()
        several = (await clerk.get(ALL, params={"filter[username]": "anna-1,ben-1,zoe"})).json()
        searched = (await clerk.get(ALL, params={"q": "smith", "sort": "-display_name"})).json()
        unknown = await clerk.get(ALL, params={"filter[email]": "a@example.com"})
    assert [one["display_name"] for one in page["data"]] == ["Carla", "Dora"]
    assert page["pagination"] == {"current_page": 2, "per_page": 2, "total_pages": 3, "total_items": 5}
    assert [one["username"] for one in found["data"]] == ["Carla-1"]
    assert len(several["data"]) == 2
    assert [one["display_name"] for one in searched["data"]] == names[::-1]
    assert unknown.status_code == 422


@pytest.mark.parametrize(
    "sort", ["created_at", "-updated_at", "username", "display_name", "-profile_completion"]
)
async def test_a_walk_by_cursor_meets_everybody_once(town: Town, sort: str) -> None:
    everybody = [town.settle(f"p{i}@example.com", f"P{i % 2}") for i in range(5)]
    for user_id in everybody:
        async with town.browser(user_id) as one:
            await one.get(ME)
    met: list[str] = []
    async with town.browser(uuid4(), "*") as clerk:
        cursor: str | None = ""
        while cursor is not None:
            part = (await clerk.get(ALL, params={"cursor": cursor, "per_page": 2, "sort": sort})).json()
            met += [one["user_id"] for one in part["data"]]
            cursor = part["pagination"]["next_cursor"]
    assert sorted(met) == sorted(map(str, everybody))
