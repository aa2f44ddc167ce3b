"""Names and fields as the command line takes them, and the sentences that are made of them."""

import pytest

from bailiwick.tooling.generate.fields import Kind, parse_field, parse_fields
from bailiwick.tooling.generate.merging import merged
from bailiwick.tooling.generate.naming import Names, checked_names, plural, with_article
from bailiwick.tooling.generate.phrases import WIDTH, docstring, rules
from bailiwick.tooling.generate.rendering import CannotGenerate

NAMES = Names("acme", "billing", "CreditNote")


def test_everything_is_called_after_the_aggregate() -> None:
    assert (NAMES.one, NAMES.many, NAMES.many_class) == ("credit_note", "credit_notes", "CreditNotes")
    assert (NAMES.table, NAMES.path) == ("billing_credit_note", "/api/v1/credit-notes")
    assert (NAMES.says_a, NAMES.a_one, NAMES.listing) == ("a credit note", "a_credit_note", "CREDIT_NOTES")


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("category", "categories"),
        ("day", "days"),
        ("box", "boxes"),
        ("address", "addresses"),
        ("hero", "heros"),
    ],
)
def test_more_than_one_is_said_as_in_english(one: str, many: str) -> None:
    assert plural(one) == many


@pytest.mark.parametrize(
    "said", ["an invoice", "a unit", "a user", "an hour", "an unpaid bill", "a euro", "a task", "an order"]
)
def test_the_article_follows_the_sound(said: str) -> None:
    assert with_article(said.partition(" ")[2]) == said


@pytest.mark.parametrize(
    ("context", "aggregate", "told"),
    [
        ("Billing", "Invoice", "in small letters"),
        ("credit-notes", "Note", "in small letters"),
        ("import", "Note", "Python keeps this word"),
        ("helpers", "Note", "nothing about a business"),
        ("kernel", "Note", "nothing about a business"),
        ("billing", "invoice", "in the singular"),
        ("billing", "Credit_Note", "in the singular"),
        ("billing", "Class", "Python keeps it"),
        ("billing", "Manager", "nothing about a business"),
        ("billing", "Event", "a word of the kernel"),
        ("billing", "Thing" * 6, "at most 22 characters"),
    ],
)
def test_a_name_that_the_code_could_not_have_is_refused(context: str, aggregate: str, told: str) -> None:
    with pytest.raises(CannotGenerate, match=told):
        checked_names("acme", context, aggregate)


def test_a_field_is_written_with_its_type_its_limit_and_a_question_mark() -> None:
    number, size, kind = parse_fields(["number:str(40)", "size:int(1..9)?", "kind:a|b"], NAMES)
    assert (number.kind, number.most, number.annotation, number.optional) == (Kind.STR, 40, "str", False)
    assert (size.least, size.most, size.annotation, size.default) == (1, 9, "int | None", " = None")
    assert (kind.enum, kind.members) == ("CreditNoteKind", [("A", "a"), ("B", "b")])


def test_an_optional_text_is_empty_and_never_null() -> None:
    notes = parse_field("notes:text?", NAMES)
    assert (notes.annotation, notes.default, notes.is_nullable) == ("str", ' = ""', False)
    assert rules([notes])[0].startswith("if len(self.notes) > LONGEST_NOTES:\n")
    assert "notes have at most" in rules([notes])[0]


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("number", "write name:type"),
        ("number:", "write name:type"),
        ("number:string", "there is no type string"),
        ("number:str(0)", "is no limit"),
        ("number:int(9..1)", "is no limit"),
        ("number:int(0..9999999999)", "is no limit"),
        ("number:date(3)", "is no limit"),
        ("Number:str", "small letters"),
        ("class:str", "Python keeps this word"),
        ("id:uuid", "every aggregate has this"),
        ("version:int", "every aggregate has this"),
        ("owner_id:uuid", "every aggregate has this"),
        ("credit_note_id:uuid", "every aggregate has this"),
        ("created_at:datetime", "every aggregate has this"),
        ("values:text", "SQLAlchemy"),
        ("copy:bool", "the code beside it"),
        ("model_name:str", "the code beside it"),
        ("date:date", "the code beside it"),
        ("colour:red|red", "different words"),
        ("colour:red|Green", "there is no type|write name:type"),
        ("how:title|upper", "cannot be the name of a choice"),
        ("x" * 22 + ":int", "at most 21 characters"),
    ],
)
def test_a_field_that_makes_no_sense_is_refused(field: str, told: str) -> None:
    with pytest.raises(CannotGenerate, match=told):
        parse_field(field, NAMES)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ([], "has no fields"),
        (["a:str?", "b:int?"], "every field|Every field"),
        (["a:str", "a:int"], "would both have the column a"),
        (["total:money", "total_amount:int"], "would both have the column total_amount"),
        (["a:stri", "class:int"], "there is no type stri.*\n.*Python keeps"),
        ([f"a{i}:int" for i in range(21)], "more than 20"),
    ],
)
def test_fields_that_make_no_sense_together_are_refused(written: list[str], told: str) -> None:
    with pytest.raises(CannotGenerate, match=told):
        parse_fields(written, NAMES)


@pytest.mark.parametrize("length", [20, 103, 104, 105, 107, 108, 110, 300])
def test_a_docstring_fits_whatever_its_length(length: int) -> None:
    text = ("word " * length)[: length - 1].strip() + "."
    for indent in (0, 4):
        made = docstring(text, indent).splitlines()
        assert all(len(line) <= WIDTH for line in (" " * indent + made[0], *made[1:]))
        assert " ".join(line.strip() for line in made) == f'"""{text}"""'


def test_two_modules_become_one_without_moving_what_was_there() -> None:
    old = '"""Old."""\n\nimport a\n\nx = 1  # mine\n\n\nclass All:\n    one = 1\n\n    def end(self): ...\n'
    new = "import b\n\nx = 2\n# why\ny = 3\n\nclass All:\n    two = 2\n\n    def end(self): ...\n\n\nz = 4"
    assert [line for line in merged(old, new).splitlines() if line] == [
        '"""Old."""', "import a", "import b", "x = 1  # mine", "# why", "y = 3", "class All:", "    one = 1",
        "    two = 2", "    def end(self): ...", "z = 4",
    ]  # fmt: skip
