"""Fields of an aggregate, as the command line writes them: `number:str(40)`, `due_on:date?`, `kind:a|b`."""

import keyword
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from bailiwick.tooling.generate.naming import SNAKE, TAKEN_CLASSES, Names, camel, with_article, words
from bailiwick.tooling.generate.rendering import CannotGenerate

LONGEST_STR, LONGEST_TEXT, LONGEST_NAME, MOST_FIELDS = 200, 10_000, 21, 20
LEAST_INT, MOST_INT = -(2**31), 2**31 - 1
FORM = re.compile(r"(?P<name>[^:]*):(?P<kind>[a-z_|0-9]+)(\((?P<limit>[^)]*)\))?(?P<optional>\?)?")
OURS = frozenset({
    "audience", "changes", "cls", "created_at", "deleted_at", "details", "id", "now", "occurred_at", "owner",
    "owner_id", "schema", "self", "upcasts", "updated_at", "version",
})  # fmt: skip
"""What every generated aggregate, its events or its views have already."""
TAKEN_BY_THE_CODE = frozenset({"bool", "client", "date", "datetime", "int", "str"})
"""What the generated code and its tests call something else where a field would stand."""


class Kind(StrEnum):
    """What a field can be. `CHOICE` is written as its values: `red|green`."""

    STR = "str"
    TEXT = "text"
    INT = "int"
    BOOL = "bool"
    MONEY = "money"
    DATE = "date"
    DATETIME = "datetime"
    UUID = "uuid"
    CHOICE = "choice"


WRITTEN = "str, str(40), text, int, int(1..100), bool, money, date, datetime, uuid, or a choice: red|green"
PYTHON = {
    Kind.STR: "str",
    Kind.TEXT: "str",
    Kind.INT: "int",
    Kind.BOOL: "bool",
    Kind.MONEY: "Money",
    Kind.DATE: "date",
    Kind.DATETIME: "datetime",
    Kind.UUID: "UUID",
}
COLUMN = {
    Kind.TEXT: "Text",
    Kind.INT: "Integer",
    Kind.BOOL: "Boolean",
    Kind.DATE: "Date",
    Kind.DATETIME: "UtcDateTime",
    Kind.UUID: "Id",
}
OWN_COLUMNS = frozenset({"UtcDateTime", "Id"})
"""Column types of the kernel; the others are SQLAlchemy's."""


@dataclass(frozen=True)
class Field:
    """One field. `most` is the length of a text; `least` and `most` bound a number."""

    name: str
    kind: Kind
    optional: bool = False
    least: int = 0
    most: int = 0
    choices: tuple[str, ...] = ()
    owner: str = ""
    """The aggregate that has it, after which the class of a choice is called."""
    alias: str = ""
    """What the body of a request calls its type."""

    @property
    def is_text(self) -> bool:
        return self.kind in (Kind.STR, Kind.TEXT)

    @property
    def is_choice(self) -> bool:
        return self.kind is Kind.CHOICE

    @property
    def is_money(self) -> bool:
        return self.kind is Kind.MONEY

    @property
    def says(self) -> str:
        """`due at` is said as `due time`, `due on` as `due date`."""
        said = words(self.name)
        if self.kind is Kind.DATETIME and said.endswith(" at"):
            return f"{said[:-3]} time"
        return f"{said[:-3]} date" if self.kind is Kind.DATE and said.endswith(" on") else said

    @property
    def is_plural(self) -> bool:
        return self.says.endswith("s") and not self.says.endswith(("ss", "us", "is"))

    @property
    def says_a(self) -> str:
        return self.says if self.is_plural else with_article(self.says)

    @property
    def says_has(self) -> str:
        """`a number has`, `notes have`."""
        return f"{self.says_a} {'have' if self.is_plural else 'has'}"

    @property
    def says_is(self) -> str:
        return f"{self.says_a} {'are' if self.is_plural else 'is'}"

    @property
    def constant(self) -> str:
        return self.name.upper()

    @property
    def enum(self) -> str:
        """`InvoiceColour`."""
        return f"{self.owner}{camel(self.name)}"

    @property
    def members(self) -> list[tuple[str, str]]:
        """The names and values of a choice."""
        return [(choice.upper(), choice) for choice in self.choices]

    @property
    def python(self) -> str:
        return self.enum if self.is_choice else PYTHON[self.kind]

    @property
    def is_nullable(self) -> bool:
        """An optional text is empty instead: there are not two ways to have none."""
        return self.optional and not self.is_text

    @property
    def annotation(self) -> str:
        return f"{self.python} | None" if self.is_nullable else self.python

    @property
    def default(self) -> str:
        """What follows the annotation where the field may be left out."""
        if not self.optional:
            return ""
        return ' = ""' if self.is_text else " = None"

    @property
    def columns(self) -> list[tuple[str, str]]:
        """The names of its columns and their types, as tables.py writes them."""
        if self.is_money:
            return [(f"{self.name}_amount", "BigInteger"), (f"{self.name}_currency", "String(3)")]
        if self.kind is Kind.STR:
            return [(self.name, f"String({self.most})")]
        if self.is_choice:
            return [(self.name, f"String({self.width})")]
        return [(self.name, COLUMN[self.kind])]

    @property
    def migrated(self) -> list[tuple[str, str]]:
        """The same as a migration writes them."""
        return [(name, kind if kind in OWN_COLUMNS else f"sa.{kind}") for name, kind in self.columns]

    @property
    def width(self) -> int:
        """Of a choice's column: room for longer words to come."""
        return max(16, *(len(choice) for choice in self.choices))

    @property
    def is_bounded(self) -> bool:
        """Whether its type alone does not say what it may be."""
        return self.is_text or self.kind in (Kind.INT, Kind.MONEY)

    @property
    def body(self) -> str:
        """The type of what clients send."""
        if self.is_text or self.kind is Kind.INT:
            return self.alias
        return {Kind.MONEY: "MoneyBody", Kind.DATETIME: "Instant"}.get(self.kind, self.python)

    @property
    def body_annotation(self) -> str:
        return f"{self.body} | None" if self.is_nullable else self.body

    @property
    def view(self) -> str:
        shown = "MoneyView" if self.is_money else self.python
        return f"{shown} | None" if self.is_nullable else shown

    @property
    def unset(self) -> str:
        """What stands for a field that a PATCH leaves out; it is never read."""
        made = {
            Kind.STR: "str",
            Kind.TEXT: "str",
            Kind.INT: "int",
            Kind.BOOL: "bool",
            Kind.MONEY: "MoneyBody.model_construct",
            Kind.DATE: "lambda: date.min",
            Kind.DATETIME: "lambda: datetime.now(UTC)",
            Kind.UUID: "lambda: UUID(int=0)",
            Kind.CHOICE: f"lambda: {self.python}.{self.choices[0].upper()}" if self.choices else "",
        }
        return " = None" if self.is_nullable else f" = Field(default_factory={made[self.kind]})"

    @property
    def sample(self) -> str:
        """A value of it, in the tests."""
        if self.is_text:
            return repr(self.label()).replace("'", '"')
        return {
            Kind.INT: str(self.number()),
            Kind.BOOL: "True",
            Kind.MONEY: 'Money(1050, "NAD")',
            Kind.DATE: "date(2031, 2, 3)",
            Kind.DATETIME: "NOON",
            Kind.UUID: "UUID(int=3)",
            Kind.CHOICE: f"{self.enum}.{self.choices[0].upper()}" if self.choices else "",
        }[self.kind]

    @property
    def other_sample(self) -> str:
        """Another value of it."""
        if self.is_text:
            return repr(self.label(1)).replace("'", '"')
        return {
            Kind.INT: str(self.number(1)),
            Kind.BOOL: "False",
            Kind.MONEY: 'Money(2100, "NAD")',
            Kind.DATE: "date(2031, 2, 4)",
            Kind.DATETIME: "LATER",
            Kind.UUID: "UUID(int=4)",
            Kind.CHOICE: f"{self.enum}.{self.choices[-1].upper()}" if self.choices else "",
        }[self.kind]

    def sent(self, which: int = 0) -> str:
        """The same as JSON that a client sends, written in Python."""
        if self.is_text:
            return repr(self.label(which)).replace("'", '"')
        return {
            Kind.INT: str(self.number(which)),
            Kind.BOOL: str(not which),
            Kind.MONEY: f'{{"amount": {1050 + 1050 * which}, "currency": "NAD", "exponent": 2}}',
            Kind.DATE: f'"2031-02-0{3 + which}"',
            Kind.DATETIME: f'"2031-02-03T0{4 + which}:05:06Z"',
            Kind.UUID: f'"00000000-0000-0000-0000-00000000000{3 + which}"',
            Kind.CHOICE: f'"{self.choices[-1 if which else 0]}"' if self.choices else "",
        }[self.kind]

    @property
    def wrong(self) -> str:
        """A JSON value, written in Python, that is refused."""
        if self.is_text:
            return f'"x" * {self.most + 1:_}'
        return {
            Kind.INT: f"{self.most + 1:_}",
            Kind.BOOL: '"perhaps"',
            Kind.MONEY: '{"amount": -1, "currency": "NAD"}',
            Kind.DATE: '"tomorrow"',
            Kind.DATETIME: '"2031-01-01T00:00:00"',
            Kind.UUID: '"17"',
            Kind.CHOICE: '"unheard of"',
        }[self.kind]

    @property
    def wrong_at(self) -> str:
        """The field that the refusal of `wrong` names."""
        return f"{self.name}.amount" if self.is_money else self.name

    @property
    def in_order(self) -> bool:
        """Whether the second sample sorts after the first."""
        if self.is_choice:
            return self.choices[0] < self.choices[-1]
        return self.kind is not Kind.INT or self.number(0) < self.number(1)

    @property
    def described(self) -> str:
        """For the page of the docs."""
        least = 0 if self.optional else 1
        said = {
            Kind.STR: f"a text of {least} to {self.most:,} characters",
            Kind.TEXT: f"a text of {least} to {self.most:,} characters",
            Kind.INT: f"a whole number, {self.least:,} to {self.most:,}",
            Kind.BOOL: "yes or no",
            Kind.MONEY: "an amount of money, not negative",
            Kind.DATE: "a date",
            Kind.DATETIME: "a time",
            Kind.UUID: "an id",
            Kind.CHOICE: " or ".join(f"`{choice}`" for choice in self.choices),
        }[self.kind]
        return f"{said}; may be left out" if self.optional else said

    def label(self, which: int = 0) -> str:
        """A short text that fits."""
        said = ("One", "Two")[which]
        return said if self.most >= len(said) else "ab"[which]

    def number(self, which: int = 0) -> int:
        """Zero or the nearest number that is allowed; the one after it for the second."""
        first = min(max(self.least, 0), self.most)
        return first if not which else (first + 1 if first < self.most else first - 1)


def parse_fields(written: Sequence[str], names: Names) -> tuple[Field, ...]:
    """The fields of an aggregate. Raises CannotGenerate, with all that is wrong."""
    if not written:
        raise CannotGenerate(f"{names.aggregate} has no fields: give at least one, such as --field name:str")
    if len(written) > MOST_FIELDS:
        raise CannotGenerate(
            f"{names.aggregate} has {len(written)} fields; more than {MOST_FIELDS} are more than one thing."
        )
    fields, wrong = [], []
    for text in written:
        try:
            fields.append(parse_field(text, names))
        except CannotGenerate as error:
            wrong.append(str(error))
    wrong += [] if wrong else list(_clashes(fields))
    if wrong:
        raise CannotGenerate("\n".join(wrong))
    if all(field.optional for field in fields):
        raise CannotGenerate(
            f"Every field of {names.aggregate} is optional: an empty one would be one, too. "
            "Leave the question mark of one of them out."
        )
    return tuple(fields)


def parse_field(text: str, names: Names) -> Field:
    """One field, such as `number:str(40)`. Raises CannotGenerate."""
    match = FORM.fullmatch(text.strip())
    if match is None:
        raise CannotGenerate(f"{text!r} is no field: write name:type, and ? for optional; type is {WRITTEN}.")
    name, optional = match["name"].strip(), bool(match["optional"])
    _check_name(name, names)
    kind, choices = _kind(match["kind"], text)
    least, most = _limits(kind, match["limit"], text)
    alias = camel(name)
    taken = TAKEN_CLASSES | {names.aggregate, names.many_class, names.prefix}
    if alias in taken or alias.startswith(names.aggregate):
        alias = f"{names.aggregate}{alias}"
    return Field(name, kind, optional, least, most, choices, names.aggregate, alias)


def _check_name(name: str, names: Names) -> None:
    if not SNAKE.fullmatch(name):
        raise CannotGenerate(f"{name!r} is no name for a field: small letters, such as due_on.")
    if keyword.iskeyword(name):
        raise CannotGenerate(f"{name}: Python keeps this word for itself.")
    if len(name) > LONGEST_NAME:
        raise CannotGenerate(f"{name}: the name of a field has at most {LONGEST_NAME} characters.")
    if name in OURS or name == f"{names.one}_id" or name.startswith("details_"):
        raise CannotGenerate(f"{name}: every aggregate has this, or its events, without being asked.")
    if name in TAKEN_BY_THE_CODE or hasattr(BaseModel, name) or name.startswith("model_"):
        raise CannotGenerate(f"{name}: the code beside it uses this word for something else.")
    if hasattr(ReadOnlyColumnCollection, name):
        raise CannotGenerate(f"{name}: SQLAlchemy's tables use this word for something else.")


def _kind(written: str, text: str) -> tuple[Kind, tuple[str, ...]]:
    if "|" in written:
        choices = tuple(written.split("|"))
        if len(set(choices)) < len(choices) or not all(SNAKE.fullmatch(choice) for choice in choices):
            raise CannotGenerate(f"{text}: a choice is made of different words in small letters: red|green.")
        if taken := [choice for choice in choices if hasattr(str, choice) or len(choice) > LONGEST_NAME]:
            raise CannotGenerate(f"{text}: {taken[0]} cannot be the name of a choice.")
        return Kind.CHOICE, choices
    if written not in PYTHON:
        raise CannotGenerate(f"{text}: there is no type {written}; there are {WRITTEN}.")
    return Kind(written), ()


def _limits(kind: Kind, written: str | None, text: str) -> tuple[int, int]:
    """The least and the most that `(40)` or `(1..100)` allows."""
    usual = {Kind.STR: (0, LONGEST_STR), Kind.TEXT: (0, LONGEST_TEXT), Kind.INT: (LEAST_INT, MOST_INT)}
    if written is None:
        return usual.get(kind, (0, 0))
    if kind in (Kind.STR, Kind.TEXT) and re.fullmatch(r"[1-9]\d{0,5}", written):
        return 0, int(written)
    if kind is Kind.INT and (match := re.fullmatch(r"(-?\d{1,10})\.\.(-?\d{1,10})", written)):
        least, most = int(match[1]), int(match[2])
        if LEAST_INT <= least < most <= MOST_INT:
            return least, most
    raise CannotGenerate(f"{text}: ({written}) is no limit: write str(40), text(500) or int(1..100).")


def _clashes(fields: Iterable[Field]) -> Iterable[str]:
    seen: dict[str, str] = {}
    for field in fields:
        for called in {field.name, *(column for column, _ in field.columns)}:
            if called in seen:
                yield f"{field.name} and {seen[called]} would both have the column {called}."
            seen[called] = field.name
