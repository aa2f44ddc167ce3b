"""What stands in which file, how long it may be, and how it opens."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from bailiwick.tooling.check.rules import each_file, whole_tree
from bailiwick.tooling.check.source import Source, last_name

Found = Iterator[tuple[int, str]]

VAGUE_NAMES = re.compile(r"(util|helper|common|misc|base|manager|constant|type|exception)s?")
LAYERS = {"domain", "application", "infrastructure", "interfaces"}
FULL_SHAPE = {"contract", *LAYERS, "migrations", "client", "module"}
FLAT_SHAPE = {"contract", "tables", "store", "http", "migrations", "client", "module"}
INTERFACES = {"__init__", "http", "cli"}
ALWAYS_THERE = {"__init__", "contract", "module"}


@each_file("Move the import to the top; where that makes a cycle, move the shared thing down.")
def imports_stand_at_the_top(source: Source) -> Found:
    """An import inside a function or under a condition hides a cycle; so does TYPE_CHECKING."""
    top = {id(node) for node in source.tree.body}
    for node in source.nodes:
        if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in top:
            yield node.lineno, "imports below the top of the module"
        names = (
            [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else [last_name(node)]
        )
        if "TYPE_CHECKING" in names:
            yield getattr(node, "lineno", 1), "uses TYPE_CHECKING"


@each_file("Name the file after the thing or the deed of the business that it holds.")
def file_names_say_what_is_inside(source: Source) -> Found:
    """No file or package is named after a kind of thing."""
    steps = source.path.removesuffix(".py").removeprefix("src/").split("/")
    for step in steps:
        if VAGUE_NAMES.fullmatch(step):
            yield 1, f"{step} says nothing about the business"


@each_file("Split it where its subject changes.")
def files_and_functions_are_short(source: Source) -> Found:
    """At most 400 lines in a file, fewer than 40 in a function; a migration lists its tables at length."""
    lines = len(source.text.splitlines())
    if source.in_product and lines > 400:
        yield 1, f"has {lines} lines: make it a package of the same name"
    for function in source.functions() if source.in_product and "migrations" not in source.inner else ():
        length = (function.end_lineno or 0) - function.lineno + 1
        if length >= 40:
            yield function.lineno, f"{function.name} has {length} lines"


@each_file("Move it to application/ports.py, or to contract.py where others ask it.")
def protocols_live_at_the_edges(source: Source) -> Found:
    """A Protocol is a port, a contract or the kernel's."""
    if not source.in_product or source.inner[0] == "kernel" or source.in_layer("contract"):
        return
    for node in source.classes():
        bases = [base.value if isinstance(base, ast.Subscript) else base for base in node.bases]
        port = source.in_layer("application") and "ports" in (source.name, *source.inner[2:-1])
        if "Protocol" in map(last_name, bases) and not port:
            yield node.lineno, f"{node.name} is a Protocol outside ports.py and contract.py"


@each_file("Name the type; where several are possible, a Protocol or a TypeVar.")
def the_business_is_typed(source: Source) -> Found:
    """No Any in domain and application."""
    for node in source.nodes if source.in_layer("domain", "application") else ():
        names = (
            [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else [last_name(node)]
        )
        if "Any" in names:
            yield getattr(node, "lineno", 1), "uses Any"


@each_file("Open the module with a docstring of one sentence.")
def modules_open_with_a_sentence(source: Source) -> Found:
    """A module says first what it is for. Only an empty __init__ inside a context may be silent."""
    silent = source.name == "__init__" and not source.tree.body and len(source.inner) > 2
    if source.in_product and not silent and not ast.get_docstring(source.tree):
        yield 1, "opens without a docstring"


@each_file("Log it with structlog, or return it.")
def only_commands_print(source: Source) -> Found:
    """Print is for the command line; everything else logs."""
    for call in source.calls("print") if source.in_product else ():
        if isinstance(call.func, ast.Name) and "cli" not in {source.name, *source.inner[:-1]}:
            yield call.lineno, "prints"


@each_file("Take the time from `ports.clock()`, or name the zone: datetime.now(UTC).")
def times_know_their_zone(source: Source) -> Found:
    """No naive times: `now` and `fromtimestamp` name their zone."""
    for call in source.calls("now", "fromtimestamp", "utcnow", "utcfromtimestamp", "today"):
        name, owner = last_name(call.func), getattr(call.func, "value", None)
        if last_name(owner) not in {"datetime", "date"}:
            continue
        zoned = {"now": 1, "fromtimestamp": 2}.get(name, 99)
        if len(call.args) + len(call.keywords) < zoned:
            yield call.lineno, f"{ast.unparse(call)} has no time zone"


@each_file("Say in the name what holds: test_a_sent_invoice_cannot_be_changed.")
def test_names_are_sentences(source: Source) -> Found:
    """The name of a test says what holds, in three words at least."""
    if source.in_product:
        return
    for function in source.functions() if source.name.startswith("test_") else ():
        words = [word for word in function.name.split("_") if word]
        if words[0] == "test" and len(words) < 4:
            yield function.lineno, f"{function.name} is not a sentence"


@each_file("Write a second implementation of the port.")
def our_code_is_not_mocked(source: Source) -> Found:
    """A test double is a second implementation of a port, not a recording."""
    for node in source.nodes:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        if any(
            name.startswith(("unittest.mock", "pytest_mock", "mock.")) or name == "mock" for name in names
        ):
            yield node.lineno, "imports a mocking library"


@whole_tree("Move the file to where it belongs in the shape of docs/architecture.md.")
def contexts_have_one_of_two_shapes(sources: Sequence[Source]) -> Iterator[tuple[str, int, str]]:
    """A context is full or flat; a file may be a package of the same name; nothing else stands beside."""
    contexts: dict[str, list[Source]] = defaultdict(list)
    for source in sources:
        if source.context:
            contexts[source.context].append(source)
    for context, files in contexts.items():
        parts = {source.inner[1].removesuffix(".py") for source in files}
        flat = "store" in parts
        place = f"src/{files[0].package}/{context}"
        for missing in sorted(ALWAYS_THERE - parts):
            yield place, 1, f"{missing} is missing in the context {context}"
        for extra in sorted(parts - {"__init__"} - (FLAT_SHAPE if flat else FULL_SHAPE)):
            yield place, 1, f"{extra} is no part of a {'flat' if flat else 'full'} context"
        for source in files:
            if source.inner[1] == "interfaces" and source.inner[2].removesuffix(".py") not in INTERFACES:
                yield source.path, 1, "interfaces are http and cli"
