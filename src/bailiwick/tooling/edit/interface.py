"""A new field where people meet it: in the view of an aggregate, and in the bodies of requests."""

import ast
from collections.abc import Sequence

from bailiwick.tooling.edit.context import Context
from bailiwick.tooling.edit.details import Body, Details, Stored, View
from bailiwick.tooling.edit.source import NotAsExpected, Source, fields_of, methods_of
from bailiwick.tooling.generate.fields import Field, Kind


def show(details: Details, view: View, field: Field) -> None:
    """Add the field to a view, below the last of the details that it shows. Raises NotAsExpected."""
    given = {keyword.arg or "": keyword.value for keyword in view.made.keywords}
    before = details.last_of(given.keys() & fields_of(view.node).keys())
    if before is None:
        raise NotAsExpected(view.source.path, f"a field of {details.name} in {view.node.name}")
    view.source.below(fields_of(view.node)[before], f"    {field.name}: {field.view}")
    value = f"{view.variable}.{details.attribute}.{field.name}"
    if field.is_money:
        view.source.imports("bailiwick.kernel.http.money", "MoneyView")
        value = f"MoneyView.of({value})" + (f" if {value} else None" if field.optional else "")
    view.source.after(given[before], f", {field.name}={value}")


def add_to_bodies(
    context: Context, details: Details, bodies: Sequence[Body], field: Field, default: str
) -> None:
    """Let clients send the field: with its default, or in a partial body as what may be left out."""
    for source in {body.source for body in bodies}:
        _declare(context, details, source, field)
    for body in bodies:
        known = fields_of(body.node)
        before = details.last_of(set(known))
        assert before is not None
        rest = field.unset if body.partial else default
        body.source.below(known[before], f"    {field.name}: {field.body_annotation}{rest}")
        _hand_over(details, body, field)


def _declare(context: Context, details: Details, source: Source, field: Field) -> None:
    """The type of what is sent, and what it needs."""
    domain, here = context.module_of(details.source), context.module_of(source)
    needed = []
    if field.is_text:
        needed, longest = [f"LONGEST_{field.constant}"], f"max_length=LONGEST_{field.constant}"
        least = "" if field.optional else "min_length=1, "
        said = "" if field.optional else ', pattern=r"\\S"'
        _alias(source, f"{field.alias} = Annotated[str, StringConstraints({least}{longest}{said})]")
        source.imports("pydantic", "StringConstraints")
    elif field.kind is Kind.INT:
        needed = [f"LEAST_{field.constant}", f"MOST_{field.constant}"]
        _alias(source, f"{field.alias} = Annotated[int, Field(ge={needed[0]}, le={needed[1]})]")
    elif field.is_choice:
        needed = [field.enum]
    for module, name in {
        Kind.MONEY: [("bailiwick.kernel.http.money", "MoneyBody")],
        Kind.DATETIME: [("bailiwick.kernel.times", "Instant"), ("datetime", "datetime")],
        Kind.DATE: [("datetime", "date")],
        Kind.UUID: [("uuid", "UUID")],
    }.get(field.kind, []):
        source.imports(module, name)
    source.imports("pydantic", "Field")
    if domain != here and needed:
        source.imports(domain, *needed)


def _alias(source: Source, text: str) -> None:
    source.imports("typing", "Annotated")
    there = [
        node
        for node in source.tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("Annotated[")
    ]
    if any(text.startswith(f"{ast.unparse(node.targets[0])} = ") for node in there):
        raise NotAsExpected(source.path, f"no other {text.partition(' = ')[0]}; choose another name")
    if there:
        source.below(there[-1], text)
    else:
        source.above(next(source.classes()), f"{text}\n\n")


def _hand_over(details: Details, body: Body, field: Field) -> None:
    """Where a method of the body names every field of the details, name this one, too."""
    for method in methods_of(body.node).values():
        for call in body.source.calls(details.name, method):
            named = {keyword.arg: keyword.value for keyword in call.keywords}
            before = details.last_of({name for name in named if name})
            if before is not None:
                value = f"self.{field.name}"
                if field.is_money:
                    value += ".money()" + (f" if self.{field.name} else None" if field.optional else "")
                body.source.after(named[before], f", {field.name}={value}")
            elif field.is_money:
                _name_all(details, body, call, field)
    if field.is_money:
        _unpack_money(body)


def _name_all(details: Details, body: Body, call: ast.Call, field: Field) -> None:
    """`Details(**self.model_dump())` would hand over an amount as a dictionary."""
    known = [name for name in details.fields if name in fields_of(body.node)]
    given = [f"{name}=self.{name}" for name in known]
    last = f"{field.name}=self.{field.name}.money()" + (
        f" if self.{field.name} else None" if field.optional else ""
    )
    body.source.replace(call, f"{details.name}({', '.join([*given, last])})")


def _unpack_money(body: Body) -> None:
    """Raises NotAsExpected for a route that takes the body apart by itself."""
    if not body.partial:
        taken = [
            call for function in body.source.functions() for call in body.source.calls("model_dump", function)
        ]
        if any(ast.unparse(call.func) == "body.model_dump" for call in taken):
            raise NotAsExpected(
                body.source.path,
                f"routes that leave it to {body.node.name} to unpack itself: line {taken[0].lineno} calls "
                "body.model_dump, which would hand over an amount as a dictionary",
            )
        return
    for method in methods_of(body.node).values():
        said = method.body[-1]
        dumps = body.source.calls("model_dump", said)
        if not dumps or not isinstance(said, ast.Return) or said.value is not dumps[0]:
            continue
        left_out = [k.value for k in dumps[0].keywords if k.arg == "exclude"]
        names = "self.model_fields_set" + (f" - {body.source.text_of(left_out[0])}" if left_out else "")
        body.source.replace(
            said,
            f"sent = {{name: getattr(self, name) for name in {names}}}\n"
            "        return {name: value.money() if isinstance(value, MoneyBody) else value "
            "for name, value in sent.items()}",
        )


def send_money(context: Context, details: Details, table: Stored, view: View) -> None:
    """Have a view made from the aggregate: an amount is two columns, so its row is not its fields.

    Nothing where it is so already. Raises NotAsExpected where `columns_of` is not what fills it.
    """
    source, name = view.source, view.node.name
    plain = [call for call in source.calls("columns_of") if ast.unparse(call.args[0]) == name]
    unpacked = [call for call in source.calls(name) if call.args and isinstance(call.args[0], ast.Starred)]
    if not plain and unpacked:
        raise NotAsExpected(source.path, f"`columns_of({name}, {table.variable})`, which fills {name}")
    if not plain:
        return
    made = f"_{details.aggregate.word}_view"
    module, repository = _mapper_of(context, details.aggregate.name)
    first = next(node for node in source.tree.body if plain[0] in ast.walk(node))
    loaded = f"{name}.of({repository}.mapper.load(row))"
    source.above(first, f"def {made}(*row: object) -> {name}:\n    return {loaded}\n\n")
    source.imports(module, repository)
    for argument in (argument for call in source.calls("select") for argument in call.args):
        if isinstance(argument, ast.Starred) and argument.value in plain:
            source.replace(argument, table.variable)
    for call in unpacked:
        source.replace(call.func, made)
    for call in source.calls("Listing"):
        if ast.unparse(call.args[0]) == name:
            source.add_argument(call, f"make={made}")


def _mapper_of(context: Context, aggregate: str) -> tuple[str, str]:
    """The module and the name of the repository that maps the aggregate. Raises NotAsExpected."""
    for source in context.adapters():
        for node in source.classes():
            for call in source.calls("Mapper", node):
                if ast.unparse(call.args[0]) == aggregate:
                    return context.module_of(source), node.name
    raise NotAsExpected(context.folder / "infrastructure", f"a repository with `Mapper({aggregate}, …)`")
