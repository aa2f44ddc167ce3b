"""Where tests kill a process: at the marks before and after each transaction."""

import ast
import re
from collections.abc import Iterator, Sequence

from bailiwick.tooling.check.rules import each_file
from bailiwick.tooling.check.source import Source, last_name, literal
from bailiwick.tooling.project import PRODUCT

Found = Iterator[tuple[int, str]]


@each_file('Stand `reached("<unit>.<moment>")` above the first such call and below the last.')
def transaction_boundaries_have_failpoints(source: Source) -> Found:
    """In Bailiwick, a function that commits, publishes or acknowledges marks the moments before and after it.

    Tests kill, delay and count processes at these marks. `reached("<unit>.<moment>")` stands above the
    first such call of the function, and below the last, so that nothing is returned past it. A block of
    `transaction()` commits at its end, so there a mark inside is one before, and its caller has the other.
    """
    if not source.in_product or source.package != PRODUCT or {source.name, source.inner[0]} & UNMARKED:
        return  # projects build on what is marked already
    for function in source.functions():
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
UNMARKED = {"process_testing", "tooling"}
"""A kit for tests that crashes processes by itself, at points of its own; and what never serves."""
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
