"""One more field: in the details of an aggregate, its table, a migration, what is shown and what is sent."""

import ast
from dataclasses import dataclass

from bailiwick.tooling.edit.context import Context, Told, aggregate_of
from bailiwick.tooling.edit.details import Details, Stored, View, bodies_of, details_of, stored, view_of
from bailiwick.tooling.edit.interface import add_to_bodies, send_money, show
from bailiwick.tooling.edit.migration import add_columns
from bailiwick.tooling.edit.page import tell_field
from bailiwick.tooling.edit.siblings import route_like, use_case_like
from bailiwick.tooling.edit.source import NotAsExpected, Source, methods_of
from bailiwick.tooling.edit.testing import Scene, scene_of
from bailiwick.tooling.generate import phrases
from bailiwick.tooling.generate.fields import OWN_COLUMNS, Field, Kind, parse_field
from bailiwick.tooling.generate.naming import Names, with_article
from bailiwick.tooling.generate.rendering import CannotGenerate
from bailiwick.tooling.project import Project

FROM = {"date": "datetime", "datetime": "datetime", "UUID": "uuid", "Money": "bailiwick.kernel.money"}
"""Where the domain imports the type of a field from."""


@dataclass(frozen=True)
class Added:
    """A field, and what those have that are there already: in Python, and as the server's default."""

    field: Field
    python: str = ""
    server: str = ""

    @property
    def name(self) -> str:
        return self.field.name

    @property
    def default(self) -> str:
        return f" = {self.python}" if self.python else self.field.default

    def shapes(self, dialect: str) -> list[tuple[str, str]]:
        """Its columns: names, and what is behind them. `dialect` stands before SQLAlchemy's types."""
        rest = f", nullable=False, server_default={self.server.format(sa=dialect)}" if self.server else ""
        return [
            (name, (kind if kind in OWN_COLUMNS else dialect + kind) + rest)
            for name, kind in self.field.columns
        ]


def new_field(
    context_name: str,
    aggregate_name: str,
    written: str,
    default: str | None = None,
    project: Project | None = None,
) -> Told:
    """Add a field to an aggregate. Raises CannotGenerate, and changes nothing then."""
    context = Context(project or Project.find(), context_name)
    aggregate = aggregate_of(context, aggregate_name)
    details, table = details_of(aggregate), stored(context, aggregate)
    names = Names(context.project.package, context.name, aggregate.name)
    added = _with_default(parse_field(written, names), default)
    if added.name in {*aggregate.fields, *details.fields}:
        raise CannotGenerate(f"Nothing was changed: {aggregate.name} has {added.name} already.")
    view = view_of(context, aggregate)
    _add_to_domain(details, added)
    shapes = _add_to_table(details, table, added)
    said = f"{with_article(aggregate.words)}'s {added.field.says}."
    step = f"{aggregate.word}_{added.name}"
    add_columns(context, table.name, shapes, f"{said[0].upper()}{said[1:]}", step)
    _add_to_view(context, names, details, table, view, added.field)
    add_to_bodies(context, details, list(bodies_of(context, details)), added.field, added.default)
    _add_to_audit(context, details, added.field)
    tell_field(context, details, added.field)
    _add_test(context, details, added.field)
    context.left.append(f"give {added.name} its rule in {details.source.path}, where its type is not all")
    context.left.append("apply the migration: bailiwick migrate up")
    return context.place()


def _with_default(field: Field, default: str | None) -> Added:
    if field.optional:
        if default is not None:
            raise CannotGenerate(f"{field.name} is optional, which is its default: leave out ? or --default.")
        return Added(field, server='""' if field.is_text else "")
    if default is None and field.kind is not Kind.BOOL:
        raise CannotGenerate(
            f"What {field.name} do those have that are there already? Make it optional ({field.name}:…?), or "
            "say it with --default."
        )
    return _defaulted(field, default if default is not None else "false")


def _defaulted(field: Field, text: str) -> Added:
    if field.is_text and text.strip() and len(text) <= field.most:
        return Added(field, _quoted(text), _quoted(text))
    if field.kind is Kind.INT and text.lstrip("-").isdigit() and field.least <= int(text) <= field.most:
        return Added(field, text, f'"{text}"')
    if field.kind is Kind.BOOL and text.lower() in ("true", "false"):
        return Added(field, text.capitalize(), f"{{sa}}{text.lower()}()")
    if field.is_choice and text in field.choices:
        return Added(field, f"{field.enum}.{text.upper()}", _quoted(text))
    if field.kind in (Kind.MONEY, Kind.DATE, Kind.DATETIME, Kind.UUID):
        raise CannotGenerate(
            f"{field.name}: only texts, numbers, bools and choices have a --default; write ?"
        )
    raise CannotGenerate(f"{field.name}: {text!r} is no {field.kind} that it may have.")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("{", "{{").replace("}", "}}") + '"'


def _add_to_domain(details: Details, added: Added) -> None:
    source, field = details.source, added.field
    last = list(details.fields.values())[-1]
    source.below(last, f"    {added.name}: {field.annotation}{added.default}")
    if field.python in FROM:
        source.imports(FROM[field.python], field.python)
    if field.is_choice:
        source.imports("enum", "StrEnum")
        members = "\n".join(f'    {name} = "{value}"' for name, value in field.members)
        said = with_article(details.aggregate.words)
        head = f'class {field.enum}(StrEnum):\n    """What the {field.says} of {said} can be."""\n'
        source.above(details.node, f"{head}\n{members}\n\n")
    if field.is_text:
        _add_constant(source, f"LONGEST_{field.constant} = {field.most:_}")
    if field.kind is Kind.INT:
        least, most = phrases.bound(field.least), phrases.bound(field.most)
        _add_constant(source, f"LEAST_{field.constant}, MOST_{field.constant} = {least}, {most}")
    for rule in phrases.rules([field]):
        _add_rule(details, last, rule)


def _add_constant(source: Source, text: str) -> None:
    constants = [
        node
        for node in source.tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).strip("()").split(",")[0].isupper()
    ]
    plain = [node for node in constants if isinstance(node.value, ast.Constant | ast.UnaryOp | ast.Tuple)]
    if plain:
        source.below(plain[-1], text)
    else:
        source.above(next(source.classes()), f"{text}\n\n")


def _add_rule(details: Details, last: ast.stmt, rule: str) -> None:
    details.source.imports("bailiwick.kernel.domain", "Invalid")
    checks = methods_of(details.node).get("__post_init__")
    body = f"        {rule}"
    if checks:
        details.source.below(checks.body[-1], body)
    else:
        details.source.below(last, f"\n    def __post_init__(self) -> None:\n{body}")


def _add_to_table(details: Details, table: Stored, added: Added) -> list[tuple[str, str]]:
    """Returns the columns as the migration makes them."""
    shapes = added.shapes("")
    if taken := [name for name, _ in shapes if name in table.columns]:
        raise CannotGenerate(f"Nothing was changed: the table {table.name} has a column {taken[0]} already.")
    lines = [f'Column("{name}", {shape})' for name, shape in shapes]
    table.source.after(table.last_of(details), _listed(lines))
    for _, kind in added.field.columns:
        kind = kind.partition("(")[0]
        table.source.imports(
            "bailiwick.kernel.database.columns" if kind in OWN_COLUMNS else "sqlalchemy", kind
        )
    if added.server.startswith("{sa}"):
        table.source.imports("sqlalchemy", added.server.removeprefix("{sa}").removesuffix("()"))
    return added.shapes("sa.")


def _listed(lines: list[str]) -> str:
    return "".join(f",\n    {line}" for line in lines)


def _add_to_view(
    context: Context, names: Names, details: Details, table: Stored, view: View, field: Field
) -> None:
    if f'.label("{field.name}")' in view.source.text:
        raise CannotGenerate(f"Nothing was changed: {view.source.path} calls something else {field.name}.")
    show(details, view, field)
    if field.is_choice and details.source is not view.source:
        view.source.imports(context.module_of(details.source), field.enum)
    elif field.python in FROM and not field.is_money:
        view.source.imports(FROM[field.python], field.python)
    if field.is_money:
        send_money(context, details, table, view)
    else:
        _add_to_selects(details, table, view, field)
    _add_to_listing(names, table, view, field)


def _add_to_selects(details: Details, table: Stored, view: View, field: Field) -> None:
    """Where a view is filled from named columns, in the order of its fields."""
    before = details.last_of({node.arg or "" for node in view.made.keywords})
    for call in view.source.calls("select"):
        for argument in call.args:
            if ast.unparse(argument) == f"{table.variable}.c.{before}":
                view.source.after(argument, f", {table.variable}.c.{field.name}")


def _add_to_listing(names: Names, table: Stored, view: View, field: Field) -> None:
    """Let the list of the view filter and sort by the field, and search it."""
    source, mine = view.source, f"{table.variable}.c."
    entries = {
        "sorts": phrases.sorts([field], names),
        "filters": phrases.filters([field], names),
    }
    for call in source.calls("Listing"):
        if ast.unparse(call.args[0]) != view.node.name:
            continue
        parts = {keyword.arg or "": keyword.value for keyword in call.keywords}
        for part, added in entries.items():
            given = parts.get(part)
            for name, text in added if isinstance(given, ast.Dict) and given.values else ():
                assert isinstance(given, ast.Dict)
                source.after(given.values[-1], f', "{name}": {text.replace(f"{names.many}.c.", mine)}')
                _import_for_listing(source, text)
        search = parts.get("search")
        if field.is_text and isinstance(search, ast.List) and search.elts:
            source.after(search.elts[-1], f", {mine}{field.name}")


def _import_for_listing(source: Source, text: str) -> None:
    known = {
        "bailiwick.kernel.database.listing": ["Filter"],
        "bailiwick.kernel.specification": ["Relation"],
        "sqlalchemy": ["func", "bindparam"],
    }
    for module, names in known.items():
        if used := [name for name in names if f"{name}(" in text or f"{name}." in text]:
            source.imports(module, *used)
    if "NEVER" in text and "NEVER = " not in source.text:
        source.imports("datetime", "UTC", "datetime")
        source.above(next(source.classes()), "NEVER = datetime(9999, 12, 31, tzinfo=UTC)\n\n")


def _add_to_audit(context: Context, details: Details, field: Field) -> None:
    """Let the audit trail tell the values, where they give nobody away."""
    if field.is_text or phrases.PRIVATE.search(field.name):
        return
    columns = ", ".join(f'"{name}"' for name, _ in field.columns)
    for source in context.adapters():
        for call in source.calls("Mapper"):
            told = next((keyword.value for keyword in call.keywords if keyword.arg == "audited"), None)
            if (
                ast.unparse(call.args[0]) == details.aggregate.name
                and isinstance(told, ast.Tuple)
                and told.elts
            ):
                source.after(told.elts[-1], f", {columns}")


def _add_test(context: Context, details: Details, field: Field) -> None:
    aggregate = details.aggregate
    try:
        route = route_like(context, aggregate, use_case_like(context, aggregate))
        scene = scene_of(context, aggregate, route.prefix + route.path.partition("/{")[0])
    except NotAsExpected:
        scene = None
    if scene is None or not scene.takes_fields:
        context.left.append(
            f"test it: {context.tests} has no function that makes one over HTTP, given fields"
        )
        return
    scene.source.at_the_end(_test(details, field, scene))


def _test(details: Details, field: Field, scene: Scene) -> str:
    word, name = scene.variable, field.name
    equals = "is" if field.kind is Kind.BOOL else "=="
    called = (
        f"the_{field.says.replace(' ', '_')}_of_{with_article(word).replace(' ', '_')}_is_kept_and_changed"
    )
    return f'''

async def test_{called}(ada: httpx.AsyncClient) -> None:
    {word} = {scene.made("ada", f"{name}={field.sent()}")}
    assert {word}["{name}"] {equals} {field.sent()}
    changed = await ada.patch({scene.at()}, json={{"{name}": {field.sent(1)}}})
    assert changed.json()["data"]["{name}"] {equals} {field.sent(1)}, changed.text
    read = await ada.get({scene.at()})
    assert read.json()["data"]["{name}"] {equals} {field.sent(1)}
    refused = await ada.patch({scene.at()}, json={{"{name}": {field.wrong}}})
    assert [error["field"] for error in refused.json()["errors"]] == ["{field.wrong_at}"]'''
