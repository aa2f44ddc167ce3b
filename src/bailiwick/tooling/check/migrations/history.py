"""Each context has one line of migrations, and each of them a way down."""

import ast
from collections.abc import Iterator

from bailiwick.tooling.check.ground import Ground
from bailiwick.tooling.check.rules import Finding, rule
from bailiwick.tooling.check.source import Source, literal


@rule("migrations", "Let the later one name the other as its down_revision.")
def every_context_has_one_head(ground: Ground) -> Iterator[Finding]:
    """The migrations of a context make one line: two made at the same time are put in an order."""
    for context, files in _by_context(ground).items():
        revisions = {_assigned(source, "revision"): source for source in files}
        followed = {_assigned(source, "down_revision"): source for source in files}
        heads = [source for name, source in revisions.items() if name not in followed]
        for source in heads[1:]:
            what = f"{context} has two newest migrations; the other is {heads[0].path}"
            yield Finding(source.path, 1, what)
        for name, source in followed.items():
            if name is not None and name not in revisions:
                yield Finding(source.path, 1, f"follows {name}, which is no migration of {context}")
    for source in ground.sources:
        has_tables = source.in_layer("infrastructure", "tables") and any(source.calls("Table"))
        if has_tables and source.context not in _by_context(ground):
            what = f"{source.context} has tables, but no migration"
            yield Finding(source.path, 1, what, "Write migrations/0001_….py that makes them.")


@rule("migrations", "Undo in `downgrade` what `upgrade` does, in the opposite order.")
def every_migration_has_a_way_down(ground: Ground) -> Iterator[Finding]:
    """Each migration can be taken back: its `downgrade` does something, and leaves no table behind."""
    for files in _by_context(ground).values():
        for source in files:
            down = next((each for each in source.functions() if each.name == "downgrade"), None)
            if down is None or all(
                isinstance(node, ast.Pass | ast.Expr | ast.Raise) and not _does(node) for node in down.body
            ):
                yield Finding(source.path, down.lineno if down else 1, "has no way down")
    for table in ground.trial.left:
        context = max((name for name in _by_context(ground) if table.startswith(f"{name}_")), key=len)
        newest = _by_context(ground)[context][-1]
        yield Finding(newest.path, 1, f"all migrations of {context} taken back leave the table {table}")


def _does(node: ast.AST) -> bool:
    """Whether it is more than a docstring, `pass` or a refusal."""
    return not isinstance(node, ast.Raise) and any(
        isinstance(inner, ast.Call | ast.Await) for inner in ast.walk(node)
    )


def _by_context(ground: Ground) -> dict[str, list[Source]]:
    """The migrations of each context, the kernel's too where it is ours, as their files are sorted."""
    found: dict[str, list[Source]] = {}
    for source in ground.sources:
        if len(source.inner) == 3 and source.inner[1] == "migrations" and source.name != "__init__":
            found.setdefault(source.inner[0], []).append(source)
    return found


def _assigned(source: Source, name: str) -> str | None:
    """The text that a module gives to a name."""
    for node in source.tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return literal(getattr(node, "value", None))
    return None
