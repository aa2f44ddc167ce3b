"""Which passwords are good enough."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.identity.domain.password import PasswordPolicy, WeakPassword, normalised
from bailiwick.identity.infrastructure.passwords import common_passwords

MODERN = PasswordPolicy(common=common_passwords())
CLASSIC = PasswordPolicy(common=common_passwords(), classic=True)
ABOUT = ("margaret.hamilton", "Margaret Hamilton", "Bailiwick")


def flaw(password: str, policy: PasswordPolicy = MODERN, about: tuple[str, ...] = ABOUT) -> str | None:
    try:
        policy.check(password, about, field="new_password")
    except WeakPassword as refusal:
        return str(refusal.extra["reason"])
    return None


def test_a_refusal_names_the_field_and_repeats_nothing_of_the_password() -> None:
    with pytest.raises(WeakPassword) as refusal:
        MODERN.check("iloveyou1234", field="new_password")
    assert refusal.value.field == "new_password"
    assert "iloveyou" not in refusal.value.detail


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "tr0ub4dor & three",
        "zebra-quilt-94",
        "Sup3r-S3cret!Phrase",
        "grün ist die Heide",
        "密码是一个很长的句子没有人猜到",
        "🦓🦒🐘🦏🦛🐪🐫🦙🦘🐃🐂🐄",
        "x7#Kp9!mQ2$v",
        "    spaces count    ",
        "kilometre-margaret-walks",
    ],
)
def test_a_long_password_of_any_composition_is_good(password: str) -> None:
    assert flaw(password) is None


def test_a_password_has_12_to_128_characters() -> None:
    assert flaw("zebra-quilt") == "too_short"
    assert flaw("zebra-quilts") is None
    assert flaw("zebra quilt " * 10 + "94852716") is None
    assert flaw("zebra quilt " * 10 + "948527163") == "too_long"


def test_characters_are_counted_in_their_composed_form() -> None:
    decomposed = "e\u0301" * 6
    assert len(decomposed) == 12
    assert flaw(decomposed) == "too_short"


@pytest.mark.parametrize("password", ["zebra\0quilt-94-x", "zebra-quilt-94\ud800"])
def test_what_is_no_text_is_no_password(password: str) -> None:
    assert flaw(password) == "not_text"


@pytest.mark.parametrize(
    "password",
    [
        "password1234",
        "Password123!",
        "P@ssw0rd2024",
        "passwordpassword",
        "Welcome12345",
        "iloveyou1234!",
        "ILoveYouPrincess",
        "123456789012",
        "098765432109",
        "qwertyuiopas",
        "qwertyuiopqw",
        "1qaz2wsx3edc",
        "1q2w3e4r5t6y",
        "aaaaaaaaaaaa",
        "abcabcabcabc",
        "abcdefghijkl",
        "administrator",
        "!!!letmein!!!",
        "12345678administrator",
        "dragondragondragon",
        "1qaz2wsx3edc!",
        "ｐａｓｓｗｏｒｄ１２３４",
    ],
)
def test_what_everybody_uses_is_refused_with_its_obvious_variants(password: str) -> None:
    assert flaw(password) in ("common", "too_short")
    assert flaw(password) == "common"


@pytest.mark.parametrize(
    "password",
    [
        "margaret-2024",
        "Hamilton12345",
        "margarethamilton!",
        "bailiwick2026!",
        "Marg4ret!!2026",
        "bailiwick-P4ssword",
    ],
)
def test_what_is_about_the_person_or_the_product_is_refused(password: str) -> None:
    assert flaw(password) == "about_you"


def test_short_words_about_a_person_do_not_count() -> None:
    assert flaw("bo-likes-cycling-94", about=("bo", "Bo Li")) is None


def test_the_blocklist_has_3000_entries_that_the_length_would_let_pass() -> None:
    assert sum(len(each) >= MODERN.shortest for each in common_passwords()) >= 3_000


WORDS = sorted(word for word in common_passwords() if word.isalpha())


@given(st.sampled_from(WORDS), st.text("0123456789!?.-_ ", max_size=12))
def test_no_common_word_gets_through_with_digits_around_it(word: str, digits: str) -> None:
    assert flaw(digits[:3] + word + digits, about=()) is not None


@pytest.mark.parametrize("password", ["zebra-quilt-94", "ZEBRA-QUILT-94", "Zebra-quilt-xx", "Zebraquilt9494"])
def test_the_classic_profile_wants_four_classes(password: str) -> None:
    assert flaw(password, CLASSIC) == "missing_class"
    assert flaw(password, MODERN) is None


@pytest.mark.parametrize("special", list(" !@#€§ß…"))
def test_any_character_that_is_neither_letter_nor_digit_is_special(special: str) -> None:
    answer = flaw(f"Zebraquilt94{special}x", CLASSIC)
    assert answer == ("missing_class" if special.isalnum() else None)


def test_nobody_can_ask_for_less_than_8_characters() -> None:
    with pytest.raises(ValueError, match="8 characters"):
        PasswordPolicy(shortest=7)


@given(st.text(max_size=200))
def test_any_text_gets_an_answer(password: str) -> None:
    flaw(password)
    assert normalised(normalised(password)) == normalised(password)
