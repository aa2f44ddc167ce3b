"""Which passwords are good enough: long, not everybody's, and not about the person or the product."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

from bailiwick.kernel.domain import Invalid

SHORTEST_ALLOWED_MINIMUM = 8
ROWS = (
    "qwertyuiop",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "abcdefghijklmnopqrstuvwxyz",
    "1234567890",
)
LOOKALIKES = str.maketrans("01345789@$!|", "oieastbgasii")
ENDS = re.compile(r"^[\W\d_]+|[\W\d_]+$")
LETTERS_BESIDE_CONTEXT = 4
SHORTEST_CONTEXT_WORD = 4


class WeakPassword(Invalid):
    """The password does not meet the policy; `reason` says which rule."""


class PasswordReused(Invalid):
    """The account has this password, or had it not long ago."""


def normalised(password: str) -> str:
    """One form for passwords that look the same but are typed differently (NFC)."""
    return unicodedata.normalize("NFC", password)


@dataclass(frozen=True)
class PasswordPolicy:
    """`common` holds case-folded passwords and words; a password is also refused if it is one of them
    with digits and punctuation around it, written with look-alikes, or said twice.

    `classic` also asks for the four classes: upper and lower case, a digit and anything else.
    `remembered` is how many passwords before the current one may not come back.
    """

    shortest: int = 12
    longest: int = 128
    classic: bool = False
    remembered: int = 5
    common: frozenset[str] = field(default=frozenset(), repr=False)

    def __post_init__(self) -> None:
        if not SHORTEST_ALLOWED_MINIMUM <= self.shortest <= self.longest:
            raise ValueError(f"the shortest password must be {SHORTEST_ALLOWED_MINIMUM} characters or more")

    def check(self, password: str, about: Iterable[str] = (), *, field: str = "password") -> None:
        """Raise WeakPassword, naming `field`, unless the password is good enough.

        `about` is text that an attacker would try first: names, the address, the product.
        """
        reason = self._flaw(normalised(password), about)
        if reason is not None:
            raise WeakPassword(_ADVICE[reason].format(policy=self), field=field, reason=reason)

    def _flaw(self, password: str, about: Iterable[str]) -> str | None:
        if "\0" in password or any(unicodedata.category(character) == "Cs" for character in password):
            return "not_text"
        if len(password) < self.shortest:
            return "too_short"
        if len(password) > self.longest:
            return "too_long"
        if self.classic and not _has_four_classes(password):
            return "missing_class"
        if self._is_common(password):
            return "common"
        if self._is_about(password, about):
            return "about_you"
        return None

    def _is_common(self, password: str) -> bool:
        return any(
            spelling in self.common or _is_pattern(spelling) or _unit(spelling) in self.common
            for spelling in _spellings(password)
        )

    def _is_about(self, password: str, about: Iterable[str]) -> bool:
        for spelling in _spellings(password):
            rest = spelling
            for word in sorted(_words(about), key=len, reverse=True):
                rest = rest.replace(word, "")
            letters, said = sum(character.isalpha() for character in rest), len(spelling) - len(rest)
            common = letters <= said and ENDS.sub("", rest) in self.common
            if said and (letters < LETTERS_BESIDE_CONTEXT or common):
                return True
        return False


_ADVICE = {
    "not_text": "use characters that can be typed",
    "too_short": "use at least {policy.shortest} characters",
    "too_long": "use at most {policy.longest} characters",
    "missing_class": "use an upper-case and a lower-case letter, a digit and another character",
    "common": "too many people use this password: choose another",
    "about_you": "leave out your name, your address and the name of this service",
}


def _has_four_classes(password: str) -> bool:
    return (
        any(character.isupper() for character in password)
        and any(character.islower() for character in password)
        and any(character.isdigit() for character in password)
        and any(not character.isalnum() for character in password)
    )


def _spellings(password: str) -> set[str]:
    """The ways to read a password: as typed, with look-alikes undone, each with and without its ends."""
    typed = unicodedata.normalize("NFKC", password).casefold()
    bare = ENDS.sub("", typed)
    readings = {typed, bare, typed.translate(LOOKALIKES), bare.translate(LOOKALIKES)}
    readings.add(ENDS.sub("", typed.translate(LOOKALIKES)))
    return {reading for reading in readings if reading}


def _words(about: Iterable[str]) -> set[str]:
    pieces = (unicodedata.normalize("NFKC", text).casefold() for text in about)
    return {
        word for text in pieces for word in re.split(r"[\W_]+", text) if len(word) >= SHORTEST_CONTEXT_WORD
    }


def _unit(text: str) -> str:
    """The shortest text whose repetition gives `text`."""
    return text[: (text + text).index(text, 1)]


def _is_pattern(text: str) -> bool:
    """Whether the text is up to four characters again and again, or a walk along a row of keys."""
    if len(text) > SHORTEST_ALLOWED_MINIMUM and len(_unit(text)) <= 4:
        return True
    walks = [row * (len(text) // len(row) + 2) for row in ROWS]
    return len(text) >= SHORTEST_ALLOWED_MINIMUM and any(text in walk or text[::-1] in walk for walk in walks)
