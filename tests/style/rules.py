"""The design rules that no linter knows. Each is a function from source files to what is wrong in them."""

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from tests.style.source import (
    Source,
    is_frozen_dataclass,
    last_name,
    literal,
    parameters,
    root_name,
    snake,
)

Found = Iterator[tuple[int, str]]
Rule = Callable[[Sequence[Source]], list[str]]
RULES: dict[str, Rule] = {}

VAGUE_NAMES = re.compile(r"(util|helper|common|misc|base|manager|constant|type|exception)s?")
LAYERS = {"domain", "application", "infrastructure", "interfaces"}
FULL_SHAPE = {"contract", *LAYERS, "migrations", "client", "module"}
FLAT_SHAPE = {"contract", "tables", "store", "http", "migrations", "client", "module"}
INTERFACES = {"__init__", "http", "cli"}
ALWAYS_THERE = {"__init__", "contract", "module"}
VERBS = {"get", "post", "put", "patch", "delete", "head", "options", "route"}
IRREGULAR = {
    "Begun", "Bought", "Broken", "Built", "Chosen", "Drawn", "Fallen", "Forgotten", "Found", "Frozen",
    "Given", "Gone", "Held", "Hidden", "Kept", "Left", "Lost", "Made", "Met", "Overdrawn", "Paid", "Put",
    "Rebuilt", "Run", "Seen", "Sent", "Set", "Shown", "Shut", "Sold", "Spent", "Split", "Spoken", "Stolen",
    "Taken", "Told", "Undone", "Withdrawn", "Won", "Written",
}  # fmt: skip
PARTICLES = {"Again", "Apart", "Back", "Down", "In", "Off", "On", "Out", "Over", "Together", "Up"}


def each_file(rule: Callable[[Source], Found]) -> Rule:
    """Register a rule that looks at one file at a time."""

    def check(sources: Sequence[Source]) -> list[str]:
        return [f"{source.path}:{line}: {text}" for source in sources for line, text in rule(source)]

    return registered(rule, check)


def whole_tree(rule: Callable[[Sequence[Source]], Iterator[str]]) -> Rule:
    """Register a rule that needs several files at once."""

    def check(sources: Sequence[Source]) -> list[str]:
        return list(rule(sources))

    return registered(rule, check)


def registered(rule: Callable[..., object], check: Rule) -> Rule:
    check.__doc__ = rule.__doc__
    RULES[rule.__name__] = check
    return check


@each_file
def commands_stand_above_their_handlers(source: Source) -> Found:
    """In the application, a command stands directly above its handler: same name, (command, ports)."""
    if not source.in_layer("application") or source.name in {"ports", "subscribers", "processes", "__init__"}:
        return
    above = dict(zip(source.tree.body[1:], source.tree.body, strict=False))
    classes = {node.name for node in source.tree.body if isinstance(node, ast.ClassDef)}
    for node in source.tree.body:
        if not isinstance(node, ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        taken = [p.arg for p in parameters(node)]
        subject = last_name(parameters(node)[0].annotation) if taken else ""
        if node.name not in map(snake, classes) and subject not in classes and taken[:1] != ["command"]:
            continue  # shared by handlers, not one of them
        command = above.get(node)
        if not isinstance(command, ast.ClassDef) or not is_frozen_dataclass(command):
            yield node.lineno, f"{node.name} does not stand directly under its frozen command"
        elif not node.name == snake(command.name) == snake(subject) or taken != ["command", "ports"]:
            yield node.lineno, f"{node.name} does not take (command: {command.name}, ports) or is misnamed"


@each_file
def subscribers_are_named_after_their_events(source: Source) -> Found:
    """A subscriber is `on_<event>(event: <Event>, ports)`."""
    if not source.in_layer("application") or source.name != "subscribers":
        return
    for node in source.tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        taken = parameters(node)
        named = bool(taken) and node.name == f"on_{snake(last_name(taken[0].annotation))}"
        if not named or [p.arg for p in taken] != ["event", "ports"]:
            yield node.lineno, f"{node.name} is not on_<event>(event: <Event>, ports)"


@each_file
def only_the_kernel_commits(source: Source) -> Found:
    """Commit and rollback are the kernel's; use cases say `uow.commit`."""
    if not source.in_product or source.inner[0] == "kernel":
        return
    for call in source.calls("commit", "rollback"):
        in_use_case = source.in_layer("application", "store") and root_name(call.func) == "uow"
        # Goods are committed, too: another context is asked for that.
        told = ast.unparse(call.func)
        asks = source.in_layer("application") and re.fullmatch(r"ports\.\w+\(\)\.commit", told)
        if not asks and not (in_use_case and last_name(call.func) == "commit"):
            yield call.lineno, f"{told} belongs to the kernel"


@each_file
def units_of_work_await_nothing_else(source: Source) -> Found:
    """No network inside a unit of work: only `uow.…` is awaited there."""
    for block in source.nodes:
        if not source.in_product or not isinstance(block, ast.AsyncWith):
            continue
        units = {last_name(i.optional_vars) for i in block.items if opens_unit_of_work(i.context_expr)}
        if not units:
            continue
        for node in (inner for statement in block.body for inner in ast.walk(statement)):
            if isinstance(node, ast.Await):
                waits = isinstance(node.value, ast.Call) and root_name(node.value.func) in units
            else:
                waits = not isinstance(node, ast.AsyncFor | ast.AsyncWith)
            if not waits:
                yield getattr(node, "lineno", block.lineno), "awaits something besides the unit of work"


def opens_unit_of_work(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and last_name(node.func) == "uow"


@each_file
def imports_stand_at_the_top(source: Source) -> Found:
    """An import inside a function or under a condition hides a cycle; so does TYPE_CHECKING."""
    for node in source.nodes:
        if isinstance(node, ast.Import | ast.ImportFrom) and node not in source.tree.body:
            yield node.lineno, "imports below the top of the module"
        names = (
            [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else [last_name(node)]
        )
        if "TYPE_CHECKING" in names:
            yield getattr(node, "lineno", 1), "uses TYPE_CHECKING"


@each_file
def file_names_say_what_is_inside(source: Source) -> Found:
    """No file or package is named after a kind of thing."""
    steps = source.path.removesuffix(".py").removeprefix("src/").split("/")
    for step in steps:
        if VAGUE_NAMES.fullmatch(step):
            yield 1, f"{step} says nothing about the business"


@each_file
def files_and_functions_are_short(source: Source) -> Found:
    """At most 400 lines in a file, fewer than 40 in a function; a migration lists its tables at length."""
    lines = len(source.text.splitlines())
    if source.in_product and lines > 400:
        yield 1, f"has {lines} lines: make it a package of the same name"
    for function in source.functions() if source.in_product and "migrations" not in source.inner else ():
        length = (function.end_lineno or 0) - function.lineno + 1
        if length >= 40:
            yield function.lineno, f"{function.name} has {length} lines"


@each_file
def protocols_live_at_the_edges(source: Source) -> Found:
    """A Protocol is a port, a contract or the kernel's."""
    if not source.in_product or source.inner[0] == "kernel" or source.in_layer("contract"):
        return
    for node in source.classes():
        bases = [base.value if isinstance(base, ast.Subscript) else base for base in node.bases]
        port = source.in_layer("application") and "ports" in (source.name, *source.inner[2:-1])
        if "Protocol" in map(last_name, bases) and not port:
            yield node.lineno, f"{node.name} is a Protocol outside ports.py and contract.py"


@each_file
def tables_belong_to_one_context(source: Source) -> Found:
    """A context's tables are named `<context>_…`, and no foreign key leaves the context."""
    if source.context is None:
        return
    prefix = f"{source.context}_"
    for call in source.calls("Table", "create_table"):
        if not (literal(call.args[0] if call.args else None) or "").startswith(prefix):
            yield call.lineno, f"a table that is not named {prefix}…"
    for call in source.calls("ForeignKey", "ForeignKeyConstraint", "create_foreign_key"):
        # Where a key points to: its only name, the names of its second list, or the third name.
        place = {"ForeignKey": 0, "ForeignKeyConstraint": 1, "create_foreign_key": 2}[last_name(call.func)]
        target = call.args[place] if len(call.args) > place else None
        targets = target.elts if isinstance(target, ast.List | ast.Tuple) else [target]
        if not all((literal(one) or "").startswith(prefix) for one in targets):
            yield call.lineno, "a foreign key that leaves its context"


@whole_tree
def aggregate_tables_have_a_version(sources: Sequence[Source]) -> Iterator[str]:
    """Every table that a Mapper stores an aggregate in has a version column."""
    columns: dict[tuple[str | None, str], set[str | None]] = {}
    for source in sources:
        for node in source.nodes if source.in_layer("infrastructure", "tables") else ():
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                calls = [arg for arg in node.value.args if isinstance(arg, ast.Call)]
                names = {
                    literal(call.args[0]) for call in calls if last_name(call.func) == "Column" and call.args
                }
                columns[source.context, last_name(node.targets[0])] = names
    for source in sources:
        for call in source.calls("Mapper") if source.context else ():
            table = last_name(call.args[1]) if len(call.args) > 1 else ""
            if "version" not in columns.get((source.context, table), set()):
                yield f"{source.path}:{call.lineno}: the table {table} of an aggregate has no column version"


@each_file
def refusals_are_domain_errors(source: Source) -> Found:
    """HTTPException nowhere: the edge turns domain errors into answers."""
    for node in source.nodes if source.in_product else ():
        names = (
            [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else [last_name(node)]
        )
        if "HTTPException" in names:
            yield getattr(node, "lineno", 1), "uses HTTPException"


@each_file
def times_know_their_zone(source: Source) -> Found:
    """No naive times: `now` and `fromtimestamp` name their zone."""
    for call in source.calls("now", "fromtimestamp", "utcnow", "utcfromtimestamp", "today"):
        name, owner = last_name(call.func), getattr(call.func, "value", None)
        if last_name(owner) not in {"datetime", "date"}:
            continue
        zoned = {"now": 1, "fromtimestamp": 2}.get(name, 99)
        if len(call.args) + len(call.keywords) < zoned:
            yield call.lineno, f"{ast.unparse(call)} has no time zone"


@each_file
def the_business_is_typed(source: Source) -> Found:
    """No Any in domain and application."""
    for node in source.nodes if source.in_layer("domain", "application") else ():
        names = (
            [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else [last_name(node)]
        )
        if "Any" in names:
            yield getattr(node, "lineno", 1), "uses Any"


@each_file
def modules_open_with_a_sentence(source: Source) -> Found:
    """A module says first what it is for. Only an empty __init__ inside a context may be silent."""
    silent = source.name == "__init__" and not source.tree.body and len(source.inner) > 2
    if source.in_product and not silent and not ast.get_docstring(source.tree):
        yield 1, "opens without a docstring"


@each_file
def published_events_are_facts(source: Source) -> Found:
    """An event in a contract is frozen, and its name is in the past tense."""
    if not source.in_layer("contract"):
        return
    families = {"Event"}
    for node in source.classes():
        if not families & set(map(last_name, node.bases)):
            continue
        families.add(node.name)
        words = re.findall(r"[A-Z][a-z0-9]*", node.name)
        while words and words[-1] in PARTICLES:
            words.pop()
        family = node.name.endswith("Event")
        if not family and not (words and (words[-1].endswith("ed") or words[-1] in IRREGULAR)):
            yield node.lineno, f"{node.name} is not in the past tense"
        if not is_frozen_dataclass(node):
            yield node.lineno, f"{node.name} is not a frozen dataclass"


@each_file
def routes_only_translate(source: Source) -> Found:
    """The body of a route has at most three statements: translate, call, translate."""
    if not (source.in_layer("http") or (source.in_layer("interfaces") and "cli" not in source.inner[2])):
        return
    for function in source.functions():
        marks = [mark.func for mark in function.decorator_list if isinstance(mark, ast.Call)]
        if not any(isinstance(mark, ast.Attribute) and mark.attr in VERBS for mark in marks):
            continue
        statements = [node for one in function.body for node in ast.walk(one) if isinstance(node, ast.stmt)]
        said = len(statements) - (ast.get_docstring(function) is not None)
        if said > 3:
            yield function.lineno, f"{function.name} has {said} statements"


@each_file
def only_commands_print(source: Source) -> Found:
    """Print is for the command line; everything else logs."""
    for call in source.calls("print") if source.in_product else ():
        if isinstance(call.func, ast.Name) and "cli" not in {source.name, *source.inner[:-1]}:
            yield call.lineno, "prints"


@each_file
def test_names_are_sentences(source: Source) -> Found:
    """The name of a test says what holds, in three words at least."""
    if source.in_product:
        return
    for function in source.functions() if source.name.startswith("test_") else ():
        words = [word for word in function.name.split("_") if word]
        if words[0] == "test" and len(words) < 4:
            yield function.lineno, f"{function.name} is not a sentence"


@each_file
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


@whole_tree
def contexts_have_one_of_two_shapes(sources: Sequence[Source]) -> Iterator[str]:
    """A context is full or flat; a file may be a package of the same name; nothing else stands beside."""
    contexts: dict[str, list[Source]] = defaultdict(list)
    for source in sources:
        if source.context:
            contexts[source.context].append(source)
    for context, files in contexts.items():
        parts = {source.inner[1].removesuffix(".py") for source in files}
        flat = "store" in parts
        for missing in sorted(ALWAYS_THERE - parts):
            yield f"{context}: {missing} is missing"
        for extra in sorted(parts - {"__init__"} - (FLAT_SHAPE if flat else FULL_SHAPE)):
            yield f"{context}: {extra} is no part of a {'flat' if flat else 'full'} context"
        for source in files:
            if source.inner[1] == "interfaces" and source.inner[2].removesuffix(".py") not in INTERFACES:
                yield f"{source.path}: interfaces are http and cli"


@whole_tree
def contexts_write_through_their_unit_of_work(sources: Sequence[Source]) -> Iterator[str]:
    """A context writes through a unit of work, whose commit is audited, unless it is listed with a reason."""
    own = [source for source in sources if source.context and "migrations" not in source.inner]
    shared = {(source.context, name) for source in own for name in names_of_writes(source)}
    for source in own:
        imports = (alias for node in source.nodes if isinstance(node, ast.ImportFrom) for alias in node.names)
        imported = {alias.name for alias in imports if (source.context, alias.name) in shared}
        writing = {*names_of_writes(source), *imported}
        lines = sorted(getattr(node, "lineno") for node in source.nodes if writes_beside(node, writing))  # noqa: B009
        if source.path in WRITES_BESIDE:
            if not lines:
                yield f"{source.path}: is listed, but writes nothing beside its unit of work"
            continue
        for line in lines:
            yield f"{source.path}:{line}: writes beside the unit of work, so nobody would know who did it"


WRITES_BESIDE = {
    "src/bailiwick/identity/infrastructure/attempts.py": "counts before it is known who asks",
    "src/bailiwick/identity/infrastructure/cleaning.py": "forgets by the clock; nobody asks for it",
    "src/bailiwick/payments/infrastructure/proof.py": "remembers how far it has looked; nothing is changed",
}
SQL_THAT_WRITES = {"insert", "update", "delete", "text"}


def names_of_writes(source: Source) -> Iterator[str]:
    for node in source.nodes:
        if isinstance(node, ast.Assign) and contains_write(node.value):
            yield from (last_name(target) for target in node.targets)


def contains_write(node: ast.AST) -> bool:
    calls = (inner for inner in ast.walk(node) if isinstance(inner, ast.Call))
    return any(last_name(call.func) in SQL_THAT_WRITES for call in calls)


def writes_beside(node: ast.AST, writing: set[str]) -> bool:
    """Whether a node takes hold of the database's write, or reads with a statement that writes."""
    if isinstance(node, ast.Attribute) and node.attr == "write":
        return last_name(node.value).endswith("database")
    if not isinstance(node, ast.Call) or last_name(node.func).lstrip("_") not in {"all", "first"}:
        return False
    return any(last_name(arg) in writing or contains_write(arg) for arg in node.args)


@each_file
def transaction_boundaries_have_failpoints(source: Source) -> Found:
    """A function that commits, publishes or acknowledges marks the moment before and the one after.

    Tests kill, delay and count processes at these marks. `reached("<unit>.<moment>")` stands above the
    first such call of the function, and below the last, so that nothing is returned past it. A block of
    `transaction()` commits at its end, so there a mark inside is one before, and its caller has the other.
    """
    for function in source.functions() if source.in_product and source.name not in UNMARKED else ():
        own = list(own_nodes(function))
        calls = [node for node in own if isinstance(node, ast.Call)]
        boundaries = [call.lineno for call in calls if is_boundary(call)]
        begun = [call.lineno for call in calls if last_name(call.func) == "transaction"]
        marks = [call for call in calls if last_name(call.func) == "reached"]
        for mark in marks:
            if not MOMENT.fullmatch(literal(mark.args[0]) or ""):
                yield mark.lineno, "a failpoint that is not named <unit>.<moment>"
        lines = [mark.lineno for mark in marks]
        if boundaries and not any(line < min(boundaries) for line in lines):
            yield min(boundaries), f"{function.name} has no failpoint before its transaction"
        if boundaries and not any(line > max(boundaries) for line in lines):
            yield max(boundaries), f"{function.name} has no failpoint after its transaction"
        if begun and not any(line > max(begun) for line in lines):
            yield max(begun), f"{function.name} has no failpoint before its transaction ends"


MOMENT = re.compile(r"[a-z_]+\.[a-z_]+")
UNMARKED = {"process_testing"}
"""A kit for tests that crashes processes by itself, at points of its own."""
SENT = {"publish", "ack", "xadd", "xack", "send_task", "apply_async"}


def is_boundary(call: ast.Call) -> bool:
    """Whether this call ends a transaction, hands a message over, or says that one is done with."""
    name, owner = last_name(call.func), last_name(getattr(call.func, "value", None)).lstrip("_")
    if name == "write":
        return owner.endswith("database") or isinstance(call.func, ast.Name)
    if name == "execute":
        return bool(call.args) and (literal(call.args[0]) or "").startswith("COMMIT")
    return name in SENT and bool(owner)


def own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function without those of the functions inside it; lambdas are its own."""
    for node in ast.iter_child_nodes(function):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node
            yield from own_nodes(node)


def failpoint_names(sources: Sequence[Source]) -> list[str]:
    """The names of all failpoints of the product, from its code."""
    inside = (source for source in sources if source.in_product)
    marks = (call for source in inside for call in source.calls("reached") if call.args)
    return sorted({name for mark in marks if (name := literal(mark.args[0]))})
