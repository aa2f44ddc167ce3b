"""Guessing passwords: how often, and in whose name it is counted."""

from datetime import timedelta

import pytest

from bailiwick.identity.domain.sign_in import Attempt, Bucket, LetterLimit, SignInGuard, account_of
from bailiwick.identity.infrastructure.contacts import LibraryContacts
from bailiwick.kernel.application import TooMany
from tests.identity.people import NOW

GUARD = SignInGuard(limit=10, total=100)


def test_the_tenth_guess_is_looked_at_and_the_eleventh_is_not() -> None:
    soon = NOW + timedelta(minutes=15)
    GUARD.admit(Attempt(10, 10, soon), NOW)
    with pytest.raises(TooMany) as refusal:
        GUARD.admit(Attempt(11, 10, soon), NOW)
    assert refusal.value.retry_after == 900


def test_after_100_guesses_in_a_row_waiting_does_not_help() -> None:
    GUARD.admit(Attempt(1, 100, NOW), NOW)
    with pytest.raises(TooMany) as refusal:
        GUARD.admit(Attempt(1, 101, NOW), NOW)
    assert refusal.value.retry_after == 1


def test_strangers_and_each_known_device_are_counted_apart() -> None:
    strangers = Bucket.sign_in("ada@example.com")
    phone = Bucket.sign_in("ada@example.com", "phone-1")
    laptop = Bucket.sign_in("ada@example.com", "laptop-1")
    assert len({strangers, phone, laptop}) == 3
    assert {strangers.account, phone.account, laptop.account} == {account_of("ada@example.com")}


def test_what_was_typed_is_not_stored() -> None:
    bucket = Bucket.sign_in("my password typed as a name", "phone-1")
    assert "password" not in repr(bucket)
    assert len(bucket.account) == len(bucket.device) == 32


def test_mails_and_sign_ins_are_counted_apart() -> None:
    assert Bucket.letters("ada@example.com").account != account_of("ada@example.com")


@pytest.mark.parametrize(
    "variant",
    ["ADA@example.com", " ada@example.com ", "Ada@EXAMPLE.com", "ａｄａ@example.com", "ada@EXAMPLE.COM\n"],
)
def test_all_spellings_of_an_address_are_counted_as_one(variant: str) -> None:
    contacts = LibraryContacts("NA")
    assert Bucket.sign_in(contacts.email_key(variant)) == Bucket.sign_in("ada@example.com")


def test_five_mails_an_hour_go_to_one_address() -> None:
    limit = LetterLimit()
    assert not limit.exceeded(Attempt(5, 5, NOW))
    assert limit.exceeded(Attempt(6, 6, NOW))
