"""Email addresses and telephone numbers, read by the libraries that know their rules."""

import unicodedata
from hashlib import sha256

from email_validator import EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneNumberFormat, format_number, is_valid_number, parse

from bailiwick.identity.application.ports import EmailInvalid, PhoneInvalid
from bailiwick.identity.domain.user import Email

LONGEST_EMAIL = 254
LONGEST_PHONE = 40


class LibraryContacts:
    """`region` is the country (two letters) of numbers that are written without one.

    An address must look right; only a mail to it can prove that it is.
    """

    def __init__(self, region: str) -> None:
        self._region = region

    def email(self, text: str) -> Email:
        text = text.strip()
        if len(text) > LONGEST_EMAIL:
            raise EmailInvalid(f"use at most {LONGEST_EMAIL} characters", field="email")
        try:
            # Letters beyond ASCII before the @ are refused: look-alikes would pass for somebody else.
            found = validate_email(text, check_deliverability=False, allow_smtputf8=False, strict=True)
        except EmailNotValidError as error:
            raise EmailInvalid("this is not a valid email address", field="email") from error
        return Email(found.normalized, f"{found.local_part.casefold()}@{found.ascii_domain.casefold()}")

    def email_key(self, text: str) -> str:
        folded = unicodedata.normalize("NFKC", text[: 4 * LONGEST_EMAIL]).strip()
        try:
            return self.email(folded).key
        except EmailInvalid:
            # A digest: it has no @, so no account has it, and it holds nothing that a database refuses.
            return sha256(folded.casefold().encode("utf-8", "replace")).hexdigest()

    def phone(self, text: str) -> str:
        if len(text) > LONGEST_PHONE:
            raise PhoneInvalid("this is not a valid telephone number", field="phone")
        try:
            number = parse(text, self._region)
        except NumberParseException as error:
            raise PhoneInvalid("this is not a valid telephone number", field="phone") from error
        if not is_valid_number(number) or number.extension:
            raise PhoneInvalid("this is not a valid telephone number", field="phone")
        return format_number(number, PhoneNumberFormat.E164)
