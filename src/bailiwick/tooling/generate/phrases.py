"""What templates ask for besides names and fields: sentences, and lines of code that depend on the fields."""

import re
import textwrap
from collections.abc import Mapping, Sequence

from bailiwick.tooling.generate.fields import Field, Kind
from bailiwick.tooling.generate.naming import Names

WIDTH = 110
WORD = "Überweisung"
"""What the tests search for: a letter outside ASCII, which SQLite by itself knows in one case only."""
MOST_RULES = 7
"""More branches in one function than these are too many to read."""
PRIVATE = re.compile(r"passw|hash|seed|token|secret|key|email|phone|address|name|agent|title|bio|description")
"""What the audit trail does not tell the values of."""


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def docstring(text: str, indent: int = 0) -> str:
    """The text as a docstring that starts at this column, on as many lines as it needs."""
    lines = textwrap.wrap(text, WIDTH - indent - 3)
    if len(lines[-1]) + indent + 3 + 3 * (len(lines) == 1) > WIDTH:
        lines = textwrap.wrap(text, WIDTH - indent - 6)
    return '"""' + ("\n" + " " * indent).join(lines) + '"""'


def one_of(fields: Sequence[Field]) -> str:
    """`number, total or due date`."""
    said = [field.says for field in fields]
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} or {said[-1]}"


def quoted(fields: Sequence[Field]) -> str:
    return ", ".join(f'"{field.name}"' for field in fields)


def bound(number: int) -> str:
    """A bound of whole numbers, as people write it."""
    if number == 2**31 - 1:
        return "2**31 - 1"
    return "-(2**31)" if number == -(2**31) else f"{number:_}"


def rules(fields: Sequence[Field]) -> list[str]:
    """What a field must be, as statements."""
    return [_rule(field) for field in fields if field.is_bounded]


def _rule(field: Field) -> str:
    here = f"self.{field.name}"
    given = f"{here} is not None and " if field.is_nullable else ""
    if field.is_money:
        what, said = f"{given}{here}.amount < 0", f'"{field.says_is} not negative"'
    elif field.kind is Kind.INT:
        least, most = f"LEAST_{field.constant}", f"MOST_{field.constant}"
        what = f"{given}not {least} <= {here} <= {most}"
        said = f'f"{field.says_is} {{{least}}} to {{{most}}}"'
    elif field.optional:
        longest = f"LONGEST_{field.constant}"
        what, said = f"len({here}) > {longest}", f'f"{field.says_has} at most {{{longest}}} characters"'
    else:
        longest = f"LONGEST_{field.constant}"
        what = f"not 1 <= len({here}.strip()) <= len({here}) <= {longest}"
        said = f'f"{field.says_has} 1 to {{{longest}}} characters"'
    return f'if {what}:\n            raise Invalid({said}, field="{field.name}")'


def loops(fields: Sequence[Field]) -> str:
    """The same for many fields: one loop for each kind of rule."""
    texts = [field for field in fields if field.is_text]
    numbers = [field for field in fields if field.kind is Kind.INT]
    sums = [field for field in fields if field.is_money]
    lines: list[str] = []
    if texts:
        given = "".join(
            f'("{f.name}", self.{f.name}, {0 if f.optional else 1}, LONGEST_{f.constant}), ' for f in texts
        )
        lines += [
            f"for field, text, least, most in ({given}):",
            "    if not least <= len(text.strip()) <= len(text) <= most:",
            '        raise Invalid(f"it has {least} to {most} characters", field=field)',
        ]
    if numbers:
        ranges = "".join(
            f'("{f.name}", self.{f.name}, LEAST_{f.constant}, MOST_{f.constant}), ' for f in numbers
        )
        given = "number is not None and " if any(field.optional for field in numbers) else ""
        lines += [
            f"for field, number, least, most in ({ranges}):",
            f"    if {given}not least <= number <= most:",
            '        raise Invalid(f"it is {least} to {most}", field=field)',
        ]
    if sums:
        pairs = "".join(f'("{field.name}", self.{field.name}), ' for field in sums)
        given = "money is not None and " if any(field.optional for field in sums) else ""
        lines += [
            f"for field, money in ({pairs}):",
            f"    if {given}money.amount < 0:",
            '        raise Invalid("it is not negative", field=field)',
        ]
    return "\n".join(" " * 8 + line for line in lines)


def broken(fields: Sequence[Field]) -> list[tuple[str, Field]]:
    """Values that break a rule of the domain, in Python."""
    found = []
    for field in fields:
        if field.is_text:
            found += [] if field.optional else [('" "', field)]
            found.append((f'"x" * {field.most + 1:_}', field))
        elif field.kind is Kind.INT:
            found += [(f"{field.least - 1:_}", field), (f"{field.most + 1:_}", field)]
        elif field.is_money:
            found.append(('Money(-1, "NAD")', field))
    return found


def limits(fields: Sequence[Field]) -> list[str]:
    """The names of what bounds texts and numbers."""
    longest = [f"LONGEST_{field.constant}" for field in fields if field.is_text]
    numbers = [field.constant for field in fields if field.kind is Kind.INT]
    return [*longest, *(f"{bound}_{name}" for name in numbers for bound in ("LEAST", "MOST"))]


def sorts(fields: Sequence[Field], names: Names) -> list[tuple[str, str]]:
    """What a list may be sorted by: never NULL. Who has no time yet comes last."""
    found = []
    for field in fields:
        column = f"{names.many}.c.{field.columns[0][0]}"
        if field.kind is Kind.DATETIME and field.optional:
            never = f'bindparam("never", NEVER, type_={column}.type)'
            found.append((field.name, f"func.coalesce({column}, {never})"))
        elif is_sorted(field):
            found.append((field.name, column))
    return found


def is_sorted(field: Field) -> bool:
    """Whether a list sorts by it; money only where all of it is of one currency, which nobody knows."""
    return not field.is_nullable and field.kind in (Kind.STR, Kind.INT, Kind.DATE, Kind.DATETIME, Kind.CHOICE)


def filters(fields: Sequence[Field], names: Names) -> list[tuple[str, str]]:
    """What a list may be filtered by."""
    found: dict[str, str] = {}
    for field in fields:
        column = f"{names.many}.c.{field.columns[0][0]}"
        if is_matched(field):
            found[field.name] = f"Filter({column}, {field.python})"
        elif field.kind in (Kind.DATE, Kind.DATETIME):
            short = re.sub(r"_(at|on)$", "", field.name)
            stem = field.name if f"{short}_before" in found or short in ("created", "updated") else short
            found[f"{stem}_before"] = f"Filter({column}, {field.python}, Relation.BEFORE)"
            found[f"{stem}_after"] = f"Filter({column}, {field.python}, Relation.AFTER)"
        elif field.kind is Kind.INT:
            found[f"{field.name}_at_least"] = f"Filter({column}, int, Relation.AT_LEAST)"
            found[f"{field.name}_at_most"] = f"Filter({column}, int, Relation.AT_MOST)"
    return list(found.items())


def is_matched(field: Field) -> bool:
    """Whether a list is filtered by its very value."""
    return field.kind in (Kind.STR, Kind.BOOL, Kind.UUID, Kind.CHOICE)


def audited(fields: Sequence[Field]) -> str:
    """The columns whose values the audit trail may tell: no texts, which say what they like."""
    told = [
        column
        for field in fields
        if not field.is_text and not PRIVATE.search(field.name)
        for column, _ in field.columns
    ]
    names = [f'"{column}"' for column in (*told, "deleted_at")]
    return f"({', '.join(names)}{',' if len(names) == 1 else ''})"


def filter_value(field: Field, which: int) -> str:
    """What a query asks for to find this sample, in Python."""
    return f'"{str(not which).lower()}"' if field.kind is Kind.BOOL else field.sent(which)


def named(pairs: Sequence[tuple[str, str]]) -> str:
    """The names of sorts or filters, for the page of the docs."""
    return ", ".join(f"`{name}`" for name, _ in pairs)


SPOKEN: Mapping[str, object] = {
    "doc": docstring,
    "capital": capital,
    "one_of": one_of,
    "quoted": quoted,
    "bound": bound,
    "filter_value": filter_value,
    "named": named,
    "search_word": WORD,
}
"""What the templates call."""


def of_fields(fields: Sequence[Field], names: Names) -> dict[str, object]:
    """What the code of an aggregate needs to know of its fields."""
    texts = [field for field in fields if field.is_text]
    return {
        "fields": fields,
        "required": [field for field in fields if not field.optional],
        "label": next((field for field in fields if field.kind is Kind.STR and not field.optional), None),
        "searched": [f"{names.many}.c.{field.name}" for field in texts],
        "enums": [field.enum for field in fields if field.is_choice],
        "limits": limits(fields),
        "rules": rules(fields),
        "loops": loops(fields),
        "sorts": sorts(fields, names),
        "filters": filters(fields, names),
        "audited": audited(fields),
        "has_money": any(field.is_money for field in fields),
        "never": any(field.kind is Kind.DATETIME and field.optional for field in fields),
    }


def samples(fields: Sequence[Field]) -> dict[str, object]:
    """Those fields that the tests take as examples."""
    required = [field for field in fields if not field.optional]
    return {
        "changed": required[0],
        "cleared": next((field for field in fields if field.is_nullable), None),
        "filtered": next((field for field in required if is_matched(field)), None),
        "sorted_by": next((field for field in required if is_sorted(field)), None),
        "search_field": next((f for f in fields if f.is_text and f.most >= len(WORD)), None),
        "broken": broken(fields),
    }
