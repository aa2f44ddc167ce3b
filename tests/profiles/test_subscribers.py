"""How profiles follow their accounts, delivered by the relay on both databases."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

from bailiwick.identity.contract import EmailVerified, UserDeleted, UserRegistered, UserRestored
from bailiwick.profiles.contract import ProfileCreated, UsernameChanged
from tests.profiles.town import ALL, ME, USERNAME, Town

NOW = datetime(2026, 5, 1, tzinfo=UTC)
EMAIL, NAME = "erna@example.com", "Erna Bauer"


def registered(user_id: UUID, username: str | None = None) -> UserRegistered:
    return UserRegistered(occurred_at=NOW, user_id=user_id, email=EMAIL, full_name=NAME, username=username)


def verified(user_id: UUID) -> EmailVerified:
    return EmailVerified(occurred_at=NOW, user_id=user_id, email=EMAIL)


def deleted(user_id: UUID) -> UserDeleted:
    return UserDeleted(occurred_at=NOW, user_id=user_id, stamp=2)


def restored(user_id: UUID) -> UserRestored:
    return UserRestored(occurred_at=NOW, user_id=user_id, email=EMAIL, full_name=NAME)


async def profile_of(town: Town, user_id: UUID) -> dict[str, object]:
    async with town.browser(user_id) as owner:
        answer = await owner.get(ME)
    assert answer.status_code == 200
    shown: dict[str, object] = answer.json()["data"]
    return shown


async def everybody(town: Town, user_id: UUID) -> list[dict[str, object]]:
    async with town.browser(user_id, "profiles.read") as clerk:
        listed: list[dict[str, object]] = (await clerk.get(ALL)).json()["data"]
    return listed


async def test_a_registration_makes_the_profile_with_the_wanted_username(town: Town) -> None:
    user_id = town.settle()
    await town.tell(registered(user_id, "Erna"))
    [profile] = await everybody(town, user_id)
    assert (profile["user_id"], profile["username"], profile["display_name"]) == (
        str(user_id),
        "Erna",
        "Erna",
    )
    assert await town.undelivered() == 0


async def test_a_registration_delivered_twice_makes_one_profile(town: Town) -> None:
    user_id = town.settle()
    await town.tell(registered(user_id, "erna"))
    await town.tell(registered(user_id, "erna"))
    assert len(await town.published(ProfileCreated)) == 1
    assert len(await everybody(town, user_id)) == 1


async def test_a_late_registration_leaves_what_the_owner_did_before(town: Town) -> None:
    user_id = town.settle()
    async with town.browser(user_id) as erna:
        await erna.patch(ME, json={"bio": "Goats."})
    await town.tell(registered(user_id, "erna"))
    late = await profile_of(town, user_id)
    assert (late["bio"], late["username"]) == ("Goats.", "erna")

    async with town.browser(other := town.settle("b@example.com", "Ben")) as ben:
        await ben.put(USERNAME, json={"username": "ben"})
    await town.tell(registered(other, "benjamin"))
    assert (await profile_of(town, other))["username"] == "ben"


async def test_a_wanted_username_that_is_taken_or_reserved_is_left_out(town: Town) -> None:
    first, second, third = town.settle(), town.settle(), town.settle()
    await town.tell(registered(first, "erna"), registered(second, "ERNA"), registered(third, "admin"))
    assert [(await profile_of(town, one))["username"] for one in (first, second, third)] == [
        "erna",
        None,
        None,
    ]
    assert await town.undelivered() == 0


async def test_a_first_look_and_the_news_at_once_make_one_profile(town: Town) -> None:
    people = [town.settle(f"p{i}@example.com", "Pat") for i in range(6)]
    await asyncio.gather(
        *(profile_of(town, user_id) for user_id in people),
        town.tell(*(registered(user_id) for user_id in people)),
    )
    await town.deliver()
    assert len(await town.published(ProfileCreated)) == len(people)
    assert await town.undelivered() == 0


async def test_a_verified_email_completes_a_fifth(town: Town) -> None:
    user_id = town.settle()
    await town.tell(registered(user_id))
    before = await profile_of(town, user_id)
    await town.tell(verified(user_id))
    after = await profile_of(town, user_id)
    assert (before["profile_completion"], after["profile_completion"]) == (40, 60)


async def test_a_verified_email_counts_even_before_the_registration_is_known(town: Town) -> None:
    user_id = town.settle()
    await town.tell(verified(user_id), registered(user_id, "erna"))
    profile = await profile_of(town, user_id)
    assert (profile["profile_completion"], profile["username"]) == (60, "erna")


async def test_a_verified_email_of_a_deleted_account_makes_nothing(town: Town) -> None:
    gone = town.settle()
    del town.registry.known[gone]
    await town.tell(verified(gone))
    assert await town.published(ProfileCreated) == []
    assert await town.undelivered() == 0


async def test_a_deleted_account_is_shown_to_nobody_and_frees_its_username(town: Town) -> None:
    gone, heir = town.settle(), town.settle("h@example.com", "Heir")
    person = town.registry.known.pop(gone)
    await town.tell(registered(gone, "erna"), deleted(gone), registered(heir, "Erna"))
    async with town.browser(gone) as owner:
        assert (await owner.get(ME)).status_code == 404
        assert (await owner.patch(ME, json={"bio": "still here"})).status_code == 404
    assert [one["username"] for one in await everybody(town, heir)] == ["Erna"]

    town.registry.known[gone] = person
    await town.tell(restored(gone))
    assert (await profile_of(town, gone))["username"] is None
    assert {"old": "erna", "new": None}.items() <= (await town.published(UsernameChanged))[-1].items()


async def test_a_restored_account_gets_its_profile_back(town: Town) -> None:
    user_id = town.settle()
    await town.tell(registered(user_id, "erna"), verified(user_id))
    before = await profile_of(town, user_id)
    await town.tell(deleted(user_id), restored(user_id))
    after = await profile_of(town, user_id)
    same = ("id", "username", "profile_completion", "created_at")
    assert [after[name] for name in same] == [before[name] for name in same]


async def test_a_look_before_the_news_of_the_restoration_brings_the_profile_back(town: Town) -> None:
    user_id = town.settle()
    await town.tell(registered(user_id, "erna"))
    before = await profile_of(town, user_id)
    await town.tell(deleted(user_id))
    after = await asyncio.gather(*(profile_of(town, user_id) for _ in range(4)))
    await town.tell(restored(user_id))
    assert {(one["id"], one["username"], one["version"]) for one in after} == {
        (before["id"], "erna", after[0]["version"])
    }
