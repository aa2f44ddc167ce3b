"""How tables are named, and who writes to them."""

import ast
from collections.abc import Iterator, Sequence

from bailiwick.tooling.check.rules import each_file, whole_tree
from bailiwick.tooling.check.source import Source, last_name, literal

Found = Iterator[tuple[int, str]]
Seen = Iterator[tuple[str, int, str]]


@each_file("Prefix the table with its context; keep the id of another context's thing without a foreign key.")
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


@whole_tree('Add Column("version", Integer, nullable=False), and a migration.')
def aggregate_tables_have_a_version(sources: Sequence[Source]) -> Seen:
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
                yield source.path, call.lineno, f"the table {table} of an aggregate has no column version"


@whole_tree("Write with the repository inside `async with ports.uow() as uow`.", part="audit")
def contexts_write_through_their_unit_of_work(sources: Sequence[Source]) -> Seen:
    """A context writes through a unit of work, whose commit is audited, so no command escapes the trail."""
    own = [source for source in sources if source.context and "migrations" not in source.inner]
    shared = {(source.context, name) for source in own for name in names_of_writes(source)}
    for source in own:
        imports = (alias for node in source.nodes if isinstance(node, ast.ImportFrom) for alias in node.names)
        imported = {alias.name for alias in imports if (source.context, alias.name) in shared}
        writing = {*names_of_writes(source), *imported}
        lines = sorted(getattr(node, "lineno") for node in source.nodes if writes_beside(node, writing))  # noqa: B009
        for line in lines:
            yield source.path, line, "writes beside the unit of work, so nobody would know who did it"


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
