"""Names: a context's, an aggregate's, and everything that is called after them."""

import keyword
import re
from dataclasses import dataclass
from functools import cached_property

from bailiwick.tooling.generate.rendering import CannotGenerate

LONGEST = 22
SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*")
CAMEL = re.compile(r"([A-Z][a-z0-9]*)+")
VAGUE = re.compile(r"(util|helper|common|misc|base|manager|constant|type|exception)s?")
TAKEN_CLASSES = frozenset({
    "Actor", "Aggregate", "Annotated", "Any", "BaseModel", "BigInteger", "Boolean", "Callable", "Clock",
    "Column", "ConfigDict", "Database", "Date", "Event", "ExpectedVersion", "Field", "Filter", "Id", "Index",
    "Instant", "Integer", "Invalid", "Json", "Listing", "ListRequest", "Mapper", "Mapping", "Module", "Money",
    "MoneyBody", "MoneyView", "NewId", "NewType", "NotFound", "Page", "Platform", "Protocol", "Relation",
    "Router", "Self", "StrEnum", "String", "Subscription", "Table", "Text", "UnitOfWork", "UtcDateTime",
})  # fmt: skip
"""What the generated code imports, so that nothing of its own may be called so."""
NOT_CONTEXTS = frozenset({"kernel", "tooling", "contract", "module"})
PLACES = ("migrations", "tests", "test", "docs", "cli", "main")


def snake(name: str) -> str:
    """`CreditNote` is `credit_note`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def camel(name: str) -> str:
    """`credit_note` is `CreditNote`."""
    return "".join(word.capitalize() for word in name.split("_"))


def words(name: str) -> str:
    """`credit_note` is `credit note`."""
    return name.replace("_", " ")


def with_article(text: str) -> str:
    """`invoice` is `an invoice`. It is the sound that decides; these are the nouns whose letter misleads."""
    consonant = text.startswith(("uni", "use", "usa", "eur", "one", "ut")) and not text.startswith("unin")
    vowel = text[0] in "aeiou" or text.startswith(("hour", "honour", "honor", "heir"))
    return f"{'an' if vowel and not consonant else 'a'} {text}"


def plural(name: str) -> str:
    """`category` is `categories`, `box` is `boxes`, `invoice` is `invoices`."""
    if re.search(r"[^aeiou]y$", name):
        return f"{name[:-1]}ies"
    return f"{name}es" if re.search(r"(s|x|z|ch|sh)$", name) else f"{name}s"


@dataclass(frozen=True)
class Names:
    """What is called after an aggregate `Invoice` in a context `billing` of the package `acme`."""

    package: str
    context: str
    aggregate: str

    @property
    def here(self) -> str:
        """`acme.billing`."""
        return f"{self.package}.{self.context}"

    @property
    def prefix(self) -> str:
        """`Billing`, as in `BillingPorts`."""
        return camel(self.context)

    @cached_property
    def one(self) -> str:
        """`invoice`."""
        return snake(self.aggregate)

    @cached_property
    def many(self) -> str:
        """`invoices`, also the name of the table in the code."""
        return plural(self.one)

    @property
    def many_class(self) -> str:
        """`Invoices`: all of them, as a port."""
        return camel(self.many)

    @property
    def listing(self) -> str:
        """`INVOICES`."""
        return self.many.upper()

    @property
    def table(self) -> str:
        """`billing_invoice`."""
        return f"{self.context}_{self.one}"

    @property
    def path(self) -> str:
        """`/api/v1/invoices`."""
        return f"/api/v1/{self.many.replace('_', '-')}"

    @property
    def says_one(self) -> str:
        return words(self.one)

    @property
    def says_a(self) -> str:
        return with_article(self.says_one)

    @property
    def a_one(self) -> str:
        """`an_invoice`, as in the name of a test."""
        return self.says_a.replace(" ", "_")

    @property
    def says_many(self) -> str:
        return words(self.many)

    @property
    def says_context(self) -> str:
        return words(self.context)


def checked_names(package: str, context: str, aggregate: str) -> Names:
    """Raises CannotGenerate for names that the code could not have, and says which it could."""
    if not SNAKE.fullmatch(context):
        raise CannotGenerate(
            f"{context!r} is no name for a context: it is a package, such as invoices or credit_checks, "
            "in small letters."
        )
    if keyword.iskeyword(context):
        raise CannotGenerate(f"{context!r} is no name for a context: Python keeps this word for itself.")
    if context in NOT_CONTEXTS or context in PLACES or VAGUE.fullmatch(context):
        raise CannotGenerate(f"{context!r} says nothing about a business: name what the context is about.")
    if not CAMEL.fullmatch(aggregate):
        raise CannotGenerate(
            f"{aggregate!r} is no name for an aggregate: it is a class in the singular, such as Invoice or "
            "CreditNote."
        )
    if keyword.iskeyword(snake(aggregate)) or VAGUE.fullmatch(snake(aggregate)):
        raise CannotGenerate(f"{aggregate!r} says nothing about a business, or Python keeps it for itself.")
    names = Names(package, context, aggregate)
    taken = {names.aggregate, names.many_class} & TAKEN_CLASSES
    if taken:
        raise CannotGenerate(f"{sorted(taken)[0]} is a word of the kernel: choose another than {aggregate}.")
    if max(len(context), len(names.one)) > LONGEST:
        raise CannotGenerate(
            f"{context} and {aggregate}: a name has at most {LONGEST} characters, for tables and indexes are "
            "called after it, and a database knows 63."
        )
    return names
