"""Addresses, telephone numbers, and the mails that go to them."""

from datetime import timedelta
from email import message_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.identity.application.letters import (
    password_changed_letter,
    repeated_registration_letter,
    reset_letter,
    verification_letter,
)
from bailiwick.identity.application.ports import EmailInvalid, IdentityRules, Message, PhoneInvalid
from bailiwick.identity.infrastructure.contacts import LibraryContacts
from bailiwick.identity.infrastructure.mail import MailRefused, SmtpMail, composed
from bailiwick.kernel.application import Unavailable

CONTACTS = LibraryContacts("NA")
RULES = IdentityRules(public_url="https://app.example.com/", product="Acme")


@pytest.mark.parametrize(
    ("typed", "address", "key"),
    [
        ("  Ada@Example.COM ", "Ada@example.com", "ada@example.com"),
        ("o'brien+x@example.com", "o'brien+x@example.com", "o'brien+x@example.com"),
        ("x@Bücher.de", "x@bücher.de", "x@xn--bcher-kva.de"),
        ("x@xn--bcher-kva.de", "x@bücher.de", "x@xn--bcher-kva.de"),
    ],
)
def test_an_address_keeps_its_spelling_and_gets_a_key(typed: str, address: str, key: str) -> None:
    email = CONTACTS.email(typed)
    assert (email.address, email.key) == (address, key)
    assert CONTACTS.email_key(typed) == key


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "ada",
        "a b@c d.e f",
        "a@localhost",
        "a@b.test",
        '"q q"@example.com',
        "x@[127.0.0.1]",
        "a\0@example.com",
        "a@example.com\r\nBcc: x@y.de",
        "Bob <a@example.com>",
        "а@example.com",
        f"{'x' * 65}@example.com",
        f"a@{'x' * 60}.{'x' * 60}.{'x' * 60}.{'x' * 60}.example.com",
        "a@b@example.com",
        "a@exam\u202eple.com",
    ],
)
def test_what_mail_cannot_be_sent_to_is_no_address(typed: str) -> None:
    with pytest.raises(EmailInvalid) as refusal:
        CONTACTS.email(typed)
    assert refusal.value.field == "email"


@given(st.one_of(st.text(max_size=300), st.emails()))
def test_any_text_has_a_key_and_only_addresses_have_an_accounts_key(text: str) -> None:
    key = CONTACTS.email_key(text)
    try:
        assert key == CONTACTS.email(text).key
    except EmailInvalid:
        assert ("@" not in key and len(key) == 64) or not text.isascii()


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("0811234567", "+264811234567"),
        ("+264 81 123 4567", "+264811234567"),
        ("+49 30 901820", "+4930901820"),
    ],
)
def test_a_number_without_a_country_is_from_here(typed: str, number: str) -> None:
    assert CONTACTS.phone(typed) == number


@pytest.mark.parametrize("typed", ["", "123", "call me", "+999 123456", "0811234567 ext. 5", "1" * 5_000])
def test_what_nobody_can_be_called_by_is_no_number(typed: str) -> None:
    with pytest.raises(PhoneInvalid) as refusal:
        CONTACTS.phone(typed)
    assert refusal.value.field == "phone"


def test_links_lead_to_the_configured_address_and_hide_the_token_from_logs() -> None:
    for letter in (reset_letter, verification_letter, repeated_registration_letter):
        message = letter("ada@example.com", "t0ken", RULES)
        (link,) = (word for word in message.text.split() if "t0ken" in word)
        assert link.startswith("https://app.example.com/")
        assert link.endswith("#token=t0ken")
        assert "t0ken" not in message.subject


def test_a_letter_says_how_long_its_link_works() -> None:
    assert "within 60 minutes" in reset_letter("a@example.com", "t", RULES).text
    rules = IdentityRules(public_url="https://x.example", verify_lifetime=timedelta(hours=2))
    assert "within 2 hours" in verification_letter("a@example.com", "t", rules).text


def test_the_notice_of_a_new_password_has_no_token() -> None:
    assert "#token" not in password_changed_letter("a@example.com", RULES).text


def test_a_mail_says_that_a_machine_wrote_it_and_keeps_its_text() -> None:
    mail = composed(Message("x@bücher.de", "Grüße", "Zeile 1\n.\nZeile 2\n"), "Acme <no-reply@acme.example>")
    read = message_from_bytes(mail.as_bytes())
    assert read["To"] == "x@xn--bcher-kva.de"
    assert read["Auto-Submitted"] == "auto-generated"
    assert read["Message-ID"].endswith("@acme.example>")
    assert read["From"] == "Acme <no-reply@acme.example>"
    assert mail.get_content().replace("\r\n", "\n") == "Zeile 1\n.\nZeile 2\n"


@pytest.mark.parametrize(
    ("to", "subject"),
    [
        ("a@example.com\r\nBcc: b@example.com", "Hello"),
        ("a@example.com", "Hello\r\nBcc: b@example.com"),
        ("a@example.com", "Hello\nX: y"),
        ("a@example.com", "Hello\x0bX"),
        ("a@example.com", "Hello\u2028X"),
    ],
)
def test_nothing_is_smuggled_into_the_headers_of_a_mail(to: str, subject: str) -> None:
    with pytest.raises(MailRefused):
        composed(Message(to, subject, "text"), "no-reply@example.com")


def test_a_mail_goes_to_one_address() -> None:
    with pytest.raises(ValueError, match="@-sign"):
        composed(Message("a@example.com, b@example.com", "Hello", "text"), "no-reply@example.com")


async def test_a_mail_server_that_is_away_is_no_error_of_ours() -> None:
    with pytest.raises(Unavailable):
        await SmtpMail("127.0.0.1", 1, "no-reply@example.com").send(Message("a@example.com", "Hello", "text"))


def test_the_password_of_the_mail_account_is_not_shown() -> None:
    assert "s3cret" not in repr(SmtpMail("mail.example.com", 587, "a@example.com", "me", "s3cret"))
