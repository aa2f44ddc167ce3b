"""How use cases are written: commands, subscribers, units of work, routes."""

import ast
import re
from collections.abc import Iterator

from bailiwick.tooling.check.rules import each_file
from bailiwick.tooling.check.source import (
    Source,
    is_frozen_dataclass,
    last_name,
    parameters,
    root_name,
    snake,
)

Found = Iterator[tuple[int, str]]

VERBS = {"get", "post", "put", "patch", "delete", "head", "options", "route"}
IRREGULAR = {
    "Begun", "Bought", "Broken", "Built", "Chosen", "Drawn", "Fallen", "Forgotten", "Found", "Frozen",
    "Given", "Gone", "Held", "Hidden", "Kept", "Left", "Lost", "Made", "Met", "Overdrawn", "Paid", "Put",
    "Rebuilt", "Run", "Seen", "Sent", "Set", "Shown", "Shut", "Sold", "Spent", "Split", "Spoken", "Stolen",
    "Taken", "Told", "Undone", "Withdrawn", "Won", "Written",
}  # fmt: skip
PARTICLES = {"Again", "Apart", "Back", "Down", "In", "Off", "On", "Out", "Over", "Together", "Up"}


@each_file("Put a frozen dataclass directly above `async def <its name>(command: <It>, ports)`.")
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


@each_file("Write `async def on_<event>(event: <Event>, ports)`.")
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


@each_file("In a use case say `await uow.commit(…)`; leave the connection to the kernel.")
def only_the_kernel_commits(source: Source) -> Found:
    """Commit and rollback are the kernel's; use cases say `uow.commit`."""
    if not source.in_product or source.inner[0] in {"kernel", "tooling"}:
        return
    for call in source.calls("commit", "rollback"):
        in_use_case = source.in_layer("application", "store") and root_name(call.func) == "uow"
        # Goods are committed, too: another context is asked for that.
        told = ast.unparse(call.func)
        asks = source.in_layer("application") and re.fullmatch(r"ports\.\w+\(\)\.commit", told)
        if not asks and not (in_use_case and last_name(call.func) == "commit"):
            yield call.lineno, f"{told} belongs to the kernel"


@each_file("Await it above the block, or leave it to a subscriber.")
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


@each_file("Move what decides into the command's handler or into the query.")
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


@each_file("Raise NotFound, Forbidden, Conflict or Invalid of bailiwick.kernel.domain, or a subclass.")
def refusals_are_domain_errors(source: Source) -> Found:
    """HTTPException nowhere: the edge turns domain errors into answers."""
    for node in source.nodes if source.in_product else ():
        names = (
            [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else [last_name(node)]
        )
        if "HTTPException" in names:
            yield getattr(node, "lineno", 1), "uses HTTPException"


@each_file("Write @dataclass(frozen=True, kw_only=True) above a name in the past tense, such as InvoiceSent.")
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
