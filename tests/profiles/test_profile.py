"""The rules of a profile, without a database."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from bailiwick.kernel.domain import Event, Invalid
from bailiwick.profiles.contract import ProfileCreated, UsernameChanged
from bailiwick.profiles.domain.profile import (
    Account,
    Profile,
    ProfileDetails,
    ProfileId,
    Username,
    UsernameReserved,
)

NOW = datetime(2026, 5, 1, tzinfo=UTC)
LATER = datetime(2026, 5, 2, tzinfo=UTC)
ERNA = Account(email="erna.b@example.com", full_name="Erna  Maria Bauer")
PICTURE = "https://pictures.example.com/erna.png"


def profile_of(account: Account = ERNA) -> Profile:
    return Profile.create(ProfileId(uuid4()), uuid4(), account, NOW)


def changes_of_name(profile: Profile) -> list[tuple[str | None, str | None]]:
    events: list[Event] = profile.pull_events()
    return [(event.old, event.new) for event in events if isinstance(event, UsernameChanged)]


def test_a_new_profile_shows_the_first_word_of_the_full_name() -> None:
    assert profile_of().shown_name == "Erna"


def test_without_a_full_name_it_shows_the_local_part_of_the_email() -> None:
    assert profile_of(Account(email="erna.b@example.com", full_name=" ")).shown_name == "erna.b"


def test_a_chosen_display_name_wins_and_can_be_taken_back() -> None:
    profile = profile_of()
    profile.change({"display_name": "E. M. B."}, LATER)
    assert (profile.shown_name, profile.updated_at) == ("E. M. B.", LATER)
    profile.change({"display_name": None}, LATER)
    assert profile.shown_name == "Erna"


def test_a_new_profile_says_that_it_exists() -> None:
    profile = profile_of()
    [created] = profile.pull_events()
    assert created == ProfileCreated(occurred_at=NOW, profile_id=profile.id, user_id=profile.user_id)


def test_each_of_five_parts_completes_a_fifth() -> None:
    profile = profile_of()
    assert profile.profile_completion == 40
    profile.hear(Account(email=ERNA.email, full_name=ERNA.full_name, email_verified=True), NOW)
    assert profile.profile_completion == 60
    profile.change({"picture_url": PICTURE}, NOW)
    assert profile.profile_completion == 80
    profile.change({"bio": "I sell goats."}, NOW)
    assert profile.profile_completion == 100
    profile.change({"bio": " \n", "picture_url": None}, NOW)
    assert profile.profile_completion == 60
    assert profile_of(Account(email="", full_name="")).profile_completion == 0


def test_a_proved_address_stays_proved_until_it_is_another_one() -> None:
    profile = profile_of(Account(email=ERNA.email, full_name="Erna", email_verified=True))
    profile.hear(ERNA, LATER)
    assert profile.account.email_verified
    profile.hear(Account(email="other@example.com", full_name="Erna"), LATER)
    assert not profile.account.email_verified


def test_changing_nothing_is_no_change() -> None:
    profile = profile_of()
    profile.change({"locale": "en", "bio": None}, LATER)
    profile.hear(ERNA, LATER)
    assert profile.updated_at == NOW


@pytest.mark.parametrize("text", ["abc", "a.b-c_d", "007", "_erna_", "x" * 64, "Meena"])
def test_a_username_has_three_to_sixty_four_letters_digits_and_marks(text: str) -> None:
    assert Username.of(text) == Username(name=text, key=text.lower())


@pytest.mark.parametrize("text", ["", "ab", "x" * 65, "erna bauer", "erná", "erna\n", "a/b", "...", "erna@b"])
def test_anything_else_is_no_username(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        Username.of(text)
    assert refused.value.field == "username"


@pytest.mark.parametrize(
    "text", ["admin", "Root", "SYSTEM", "support", "api", "null", "m.e", "super_admin", "no-reply"]
)
def test_reserved_words_are_refused_in_any_case_and_punctuation(text: str) -> None:
    with pytest.raises(UsernameReserved):
        Username.of(text)


def test_a_username_can_change_its_case_but_the_same_is_no_change() -> None:
    profile = profile_of()
    for text in ("erna", "erna", "Erna"):
        profile.choose_username(Username.of(text), LATER)
    assert changes_of_name(profile) == [(None, "erna"), ("erna", "Erna")]


def test_a_restored_profile_keeps_its_username_only_if_it_is_free() -> None:
    kept, lost = profile_of(), profile_of()
    for profile in (kept, lost):
        profile.choose_username(Username.of("erna"), NOW)
        profile.delete(NOW)
        profile.pull_events()
    kept.restore(LATER, username_is_free=True)
    lost.restore(LATER, username_is_free=False)
    assert (kept.username, kept.deleted_at) == (Username.of("erna"), None)
    assert (lost.username, lost.deleted_at) == (None, None)
    assert changes_of_name(lost) == [("erna", None)]
    assert changes_of_name(kept) == []


def test_restoring_what_was_not_deleted_changes_nothing() -> None:
    profile = profile_of()
    profile.choose_username(Username.of("erna"), NOW)
    profile.restore(LATER, username_is_free=False)
    assert (profile.username, profile.updated_at) == (Username.of("erna"), NOW)


@pytest.mark.parametrize(
    "details",
    [
        {"display_name": "x" * 100},
        {"bio": "ü" * 1000},
        {"bio": "two\nlines"},
        {"picture_url": PICTURE},
        {"picture_url": "HTTP://[2001:db8::1]:8080/a?b=c#d"},
        {"picture_url": "https://h/" + "x" * 2038},
        *(
            {"locale": tag}
            for tag in ("de", "pt-BR", "zh-Hant-TW", "es-419", "de-CH-1996", "en-u-ca-buddhist")
        ),
        *({"time_zone": name} for name in ("UTC", "Africa/Windhoek", "America/Argentina/Ushuaia")),
    ],
)
def test_sensible_details_are_taken(details: dict[str, str]) -> None:
    profile = profile_of()
    profile.change(details, NOW)
    assert profile.details == ProfileDetails(**details)


@pytest.mark.parametrize(
    "details",
    [
        *({"display_name": text} for text in ("", "  ", "x" * 101, "a\u202eb", "a\nb")),
        {"bio": "x" * 1001},
        *(
            {"picture_url": url}
            for url in (
                "", "picture.png", "//host/x", "ftp://host/x", "javascript:alert(1)", "data:image/png,AA",
                "https://", "https:///x", "https://me:secret@host/x", "https://host:99999/", "https://ho st/",
                "http:\\\\host", "https://host/\n", "https://[::1/", "https://h/" + "x" * 2039,
            )
        ),
        *({"locale": tag} for tag in ("", "e", "en_US", "en-", "-en", "english1", "x" * 36, "en\n")),
        *({"time_zone": name} for name in ("", "utc+1", "localtime", "Mars/Olympus", "../UTC", "utc")),
    ],
)  # fmt: skip
def test_senseless_details_are_refused_by_name(details: dict[str, str]) -> None:
    with pytest.raises(Invalid) as refused:
        profile_of().change(details, NOW)
    assert [refused.value.field] == list(details)
