"""One more event: its class in the contract, what records it, and how it looks when it is stored."""

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bailiwick.tooling.check.style.use_cases import IRREGULAR, PARTICLES
from bailiwick.tooling.edit.context import Aggregate, Context, Told, aggregate_of, aggregates_of
from bailiwick.tooling.edit.page import tell_event
from bailiwick.tooling.edit.source import (
    Function,
    NotAsExpected,
    Source,
    fields_of,
    last_name,
    parameters_of,
)
from bailiwick.tooling.generate.fields import Field, Kind, parse_field
from bailiwick.tooling.generate.naming import Names, snake, with_article, words
from bailiwick.tooling.generate.rendering import CannotGenerate
from bailiwick.tooling.project import Project

PLAIN = {
    "UUID": "00000000-0000-0000-0000-000000000007",
    "datetime": "2031-01-01T12:00:00+00:00",
    "int": 7,
    "bool": True,
    "float": 0.5,
}
"""What a stored event has in its fields, as the golden files of all events have it. A text is its name."""
IMPORTS = {"UUID": "uuid", "datetime": "datetime", "date": "datetime"}


@dataclass(frozen=True)
class Asked:
    name: str
    aggregate: Aggregate
    fields: Sequence[Field]

    @property
    def sentence(self) -> str:
        said = words(snake(self.name.removeprefix(self.aggregate.name)))
        told = with_article(self.aggregate.words)
        return f"{told[0].upper()}{told[1:]} was {said}." if " " not in said else f"{said.capitalize()}."


def new_event(
    context_name: str,
    name: str,
    written: Sequence[str] = (),
    recorded_by: str | None = None,
    aggregate_name: str | None = None,
    project: Project | None = None,
) -> Told:
    """Add an event to the contract of a context. Raises CannotGenerate, and changes nothing then."""
    if not is_past(name):
        raise CannotGenerate(
            f"{name} is no fact: name what has happened in the past tense, as in InvoiceSent."
        )
    context = Context(project or Project.find(), context_name)
    aggregate = _aggregate(context, name, aggregate_name)
    names = Names(context.project.package, context.name, aggregate.name)
    asked = Asked(name, aggregate, [parse_field(text, names) for text in written])
    [contract] = context.sources("contract")
    if name in {node.name for node in contract.classes()}:
        raise CannotGenerate(f"Nothing was changed: {contract.path} has {name} already.")
    family = next((each for each in contract.classes() if each.name == f"{aggregate.name}Event"), None)
    carried = _carried(asked, family)
    _add_class(contract, asked, family)
    _add_golden(context, contract, asked, carried)
    tell_event(context, aggregate.name, name)
    if recorded_by is None:
        context.left.append(
            f"record {name} where it happens: self._record({name}(…)) in {aggregate.source.path}"
        )
    else:
        _record(context, contract, asked, recorded_by, [each for each in carried if each != "occurred_at"])
    context.left.append(f"say in {contract.path} what {name} means to others")
    return context.place()


def is_past(name: str) -> bool:
    said = re.findall(r"[A-Z][a-z0-9]*", name)
    while said and said[-1] in PARTICLES:
        said.pop()
    formed = "".join(re.findall(r"[A-Z][a-z0-9]*", name)) == name
    return formed and len(said) > 1 and (said[-1].endswith("ed") or said[-1] in IRREGULAR)


def _aggregate(context: Context, event: str, asked: str | None) -> Aggregate:
    """The one that is asked for, else the one that the name begins with, else the only one."""
    if asked is not None:
        return aggregate_of(context, asked)
    known = aggregates_of(context)
    fitting = [each for each in known if event.startswith(each.name)] or known
    named = sorted(fitting, key=lambda each: len(each.name))[-1:]
    if not named or (len(fitting) > 1 and not event.startswith(named[0].name)):
        told = ", ".join(each.name for each in known) or "none"
        raise CannotGenerate(f"To which aggregate does {event} happen? Say --aggregate; there are {told}.")
    return named[0]


def _carried(asked: Asked, family: ast.ClassDef | None) -> dict[str, str]:
    """All fields of the event and their annotations, in their order."""
    inherited = (
        {name: ast.unparse(node.annotation) for name, node in fields_of(family).items()} if family else {}
    )
    own = {field.name: field.annotation for field in asked.fields}
    first = inherited or {f"{asked.aggregate.word}_id": "UUID"}
    if twice := sorted(own.keys() & {*first, "occurred_at"}):
        raise CannotGenerate(f"Nothing was changed: {asked.name} has {twice[0]} already.")
    return {"occurred_at": "datetime", **first, **own}


def _add_class(contract: Source, asked: Asked, family: ast.ClassDef | None) -> None:
    for field in asked.fields:
        if field.kind in (Kind.MONEY, Kind.DATE):
            instead = (
                f"{field.name}:int {field.name}_currency:str(3)"
                if field.is_money
                else f"{field.name}:str(10)"
            )
            raise CannotGenerate(f"{field.name}: an event carries plain data; write {instead}.")
        if field.is_choice:
            contract.above(_first_event(contract), _choice(field))
            contract.imports("enum", "StrEnum")
        elif field.python in IMPORTS:
            contract.imports(IMPORTS[field.python], field.python)
    lines = [f"    {field.name}: {field.annotation}" for field in asked.fields]
    if family is None:
        lines.insert(0, f"    {asked.aggregate.word}_id: UUID")
        contract.imports("uuid", "UUID")
        contract.imports("bailiwick.kernel.domain", "Event")
    contract.imports("dataclasses", "dataclass")
    text = [
        "\n\n@dataclass(frozen=True, kw_only=True)",
        f"class {asked.name}({family.name if family else 'Event'}):",
        f'    """{asked.sentence}"""',
        *(["", *lines] if lines else []),
    ]
    contract.below(_last_event(contract, family) or contract.tree.body[-1], "\n".join(text))


def _choice(field: Field) -> str:
    members = [f'    {name} = "{value}"' for name, value in field.members]
    head = f'class {field.enum}(StrEnum):\n    """The {field.says} of what has happened."""\n'
    return "\n".join([head, *members, "\n"])


def events_of(contract: Source) -> Iterator[ast.ClassDef]:
    families = {"Event"}
    for node in contract.classes():
        if families & set(map(last_name, node.bases)):
            families.add(node.name)
            yield node


def _first_event(contract: Source) -> ast.stmt:
    return next(events_of(contract), contract.tree.body[-1])


def _last_event(contract: Source, family: ast.ClassDef | None) -> ast.ClassDef | None:
    found = list(events_of(contract))
    if family is not None:
        found = [each for each in found if each is family or family.name in map(last_name, each.bases)]
    return found[-1] if found else None


def _add_golden(context: Context, contract: Source, asked: Asked, carried: Mapping[str, str]) -> None:
    choices = {field.name: field.choices[0] for field in asked.fields if field.is_choice}
    stored = {name: choices.get(name) or _sample(contract, name, kind) for name, kind in carried.items()}
    folder = context.project.golden(context.name).relative_to(context.project.root)
    content = json.dumps(stored, indent=2, ensure_ascii=False) + "\n"
    context.add(folder / f"{context.name}.{asked.name}.1.json", content)


def _sample(contract: Source, name: str, annotation: str) -> object:
    kind = annotation.replace("None", "").strip(" |")
    if kind == "str":
        return name
    if kind in PLAIN:
        return PLAIN[kind]
    for node in contract.classes():
        values = [each.value for each in node.body if isinstance(each, ast.Assign)]
        if node.name == kind and values and isinstance(values[0], ast.Constant):
            return values[0].value
    raise NotAsExpected(contract.path, f"the values of {kind}, for the golden file of the event")


def _record(
    context: Context, contract: Source, asked: Asked, method_name: str, carried: Sequence[str]
) -> None:
    aggregate = asked.aggregate
    method = aggregate.methods.get(method_name)
    if method is None:
        public = ", ".join(name for name in aggregate.methods if not name.startswith("_")) or "none"
        raise NotAsExpected(
            aggregate.source.path, f"the method {method_name} of {aggregate.name}; it has {public}"
        )
    if "now" not in parameters_of(method):
        raise NotAsExpected(aggregate.source.path, f"`now: datetime` among the parameters of {method_name}")
    if isinstance(method.body[-1], ast.Return | ast.Raise):
        raise NotAsExpected(
            aggregate.source.path,
            f"the end of {method_name} where it records; line {method.end_lineno} leaves it",
        )
    given = [f"{name}={_value_of(aggregate, method, name)}" for name in carried]
    recorded = f"self._record({asked.name}(occurred_at=now, {', '.join(given)}))"
    aggregate.source.below(method.body[-1], f"        {recorded}")
    aggregate.source.imports(context.module_of(contract), asked.name)


def _value_of(aggregate: Aggregate, method: Function, name: str) -> str:
    """Where the aggregate finds what the event carries. Raises NotAsExpected."""
    if name == f"{aggregate.word}_id":
        return "self.id"
    if name in parameters_of(method):
        return name
    if name in aggregate.fields:
        return f"self.{name}"
    inner = {node.name: fields_of(node) for node in aggregate.source.classes()}
    for field, node in aggregate.fields.items():
        if name in inner.get(ast.unparse(node.annotation), {}):
            return f"self.{field}.{name}"
    raise NotAsExpected(
        aggregate.source.path,
        f"{name}, which the event carries, among the parameters of {method.name} or the fields of "
        f"{aggregate.name}",
    )
