"""Reads the map from the code: what each context publishes, answers, owns, hears and asks."""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from bailiwick.tooling.map.asking import asks_in
from bailiwick.tooling.map.atlas import (
    Atlas,
    Context,
    Contract,
    Event,
    Import,
    Question,
    Route,
    Subscriber,
    Table,
)
from bailiwick.tooling.map.sources import Code, Files, Source, Unreadable, code_of, files_here
from bailiwick.tooling.project import Project

EVENT = "bailiwick.kernel.domain.Event"
PROTOCOL = "typing.Protocol"
ROUTER = "bailiwick.kernel.http.routing.Router"
SUBSCRIPTION = "bailiwick.kernel.messaging.handlers.Subscription"
PROCESS = "bailiwick.kernel.processes.Process"
ON = "bailiwick.kernel.processes.On"
TABLE = "sqlalchemy.Table"
METHODS = {"get", "post", "put", "patch", "delete"}
Classes = Mapping[str, tuple[Source, Sequence[str], ast.ClassDef]]


def atlas_of(project: Project, files: Files | None = None) -> Atlas:
    """The map of a project, as its files are now or as `files` are. Raises Unreadable and NoSuchMap."""
    code = code_of(project, files_here(project) if files is None else files)
    return Atlas(tuple(Reading(each, code).context for each in code))


def called(name: str, public: str) -> str:
    """`acme.invoices.contract.InvoiceSent` as it is called in public: `invoices.InvoiceSent`."""
    module, _, last = name.rpartition(".")
    return f"{module.split('.')[-2]}.{last}" if module.endswith(".contract") else public


@dataclass(frozen=True)
class Reading:
    """One context, read among all of them."""

    code: Code
    every: Sequence[Code]

    @cached_property
    def context(self) -> Context:
        code = self.code
        contracts = tuple(contracts_in(code))
        others = {name: each for other in self.every if other is not code for name, each in _known(other)}
        return Context(
            name=code.name,
            package=code.package,
            says=code.says,
            events=tuple(events_in(code)),
            contracts=contracts,
            tables=tuple(tables_in(code)),
            routes=tuple(self._routes()),
            subscribers=tuple(self._subscribers()),
            asks=tuple(asks_in(code, others)),
            imports=tuple(self._imports()),
        )

    @cached_property
    def _sources(self) -> Mapping[str, Source]:
        return {source.module: source for source in self.code.sources}

    def _meant(self, source: Source, node: ast.expr) -> str:
        """The full name of what an expression names, followed to where it is defined in this context."""
        name = source.full_name(node)
        module, _, last = name.rpartition(".")
        while module in self._sources and (further := self._sources[module].names.get(last, name)) != name:
            name = further
            module, _, last = name.rpartition(".")
        return name

    def _calls(self, kind: str) -> Iterator[tuple[Source, ast.Call]]:
        for source in self.code.sources:
            yield from ((source, call) for call in source.calls if _is(source, call, kind))

    def _routes(self) -> Iterator[Route]:
        prefixes = dict(self._prefixes())
        seen = set()
        for source, function in _functions(self.code):
            for node in function.decorator_list:
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                    continue
                router = self._meant(source, node.func.value)
                if node.func.attr in METHODS and router in prefixes:
                    path = prefixes[router] + _text(source, node, 0, "path", "")
                    name = f"{node.func.attr.upper()} {path}"
                    if name not in seen:  # one of several routers that are never served together
                        yield Route(name, _says(function), source.at(function))
                    seen.add(name)

    def _prefixes(self) -> Iterator[tuple[str, str]]:
        for source in self.code.sources:
            for node in source.tree.body:
                call = node.value if isinstance(node, ast.Assign) else None
                if isinstance(node, ast.Assign) and isinstance(call, ast.Call) and _is(source, call, ROUTER):
                    prefix = _text(source, call, 1, "prefix", "")
                    names = [each.id for each in node.targets if isinstance(each, ast.Name)]
                    yield from ((f"{source.module}.{name}", prefix) for name in names)

    def _subscribers(self) -> Iterator[Subscriber]:
        for source, call in self._calls(SUBSCRIPTION):
            name = _text(source, call, 0, "name")
            react = _argument(source, call, 2, "react")
            yield Subscriber(name, self._event(source, call, 1), self._defined_at(source, react))
        for source, call in self._calls(PROCESS):
            name, seen = _text(source, call, 0, "name"), set()
            for node in ast.walk(call):
                if isinstance(node, ast.Call) and _is(source, node, ON):
                    event = self._event(source, node, 0)
                    if event not in seen:
                        yield Subscriber(f"{name}.{event.partition('.')[2]}", event, source.at(node))
                    seen.add(event)

    def _event(self, source: Source, call: ast.Call, position: int) -> str:
        node = _argument(source, call, position, "kind")
        name = self._meant(source, node)
        event = called(name, "")
        if not event:
            raise Unreadable(
                f"{source.at(call)}: name the event by its class, from a contract; "
                f"{ast.unparse(node)} is not one."
            )
        return event

    def _defined_at(self, source: Source, react: ast.expr) -> str:
        """Where the function is that a subscription calls; where it is wired, if that cannot be seen."""
        named = react.args[0] if isinstance(react, ast.Call) and react.args else react
        module, _, last = self._meant(source, named).rpartition(".")
        if module in self._sources:
            for node in self._sources[module].tree.body:
                if getattr(node, "name", None) == last:
                    return self._sources[module].at(node)
        return source.at(react)

    def _imports(self) -> Iterator[Import]:
        owners = {f"{other.package}.contract" for other in self.every if other is not self.code}
        for source in self.code.sources:
            for node in source.nodes:
                if isinstance(node, ast.ImportFrom) and node.module in owners:
                    for each in node.names:
                        yield Import(called(f"{node.module}.{each.name}", ""), source.at(node))
                elif isinstance(node, ast.Attribute):
                    name = source.full_name(node)
                    if name.rpartition(".")[0] in owners:
                        yield Import(called(name, ""), source.at(node))


def events_in(code: Code) -> Iterator[Event]:
    """The events of a contract, without the bases that some of them share."""
    kinds = _classes(code)
    found = [name for name in kinds if EVENT in _lineage(name, kinds)]
    bases = {base for name in found for base in kinds[name][1]}
    for name in found:
        source, _, node = kinds[name]
        if name not in bases:
            yield Event(called(name, name), _says(node), source.at(node))


def contracts_in(code: Code) -> Iterator[Contract]:
    """The sets of questions of a contract: its protocols."""
    for name, (source, bases, node) in _classes(code).items():
        if PROTOCOL in bases:
            public = called(name, name)
            questions = tuple(
                Question(f"{public}.{each.name}", _says(each), source.at(each))
                for each in node.body
                if isinstance(each, ast.AsyncFunctionDef) and not each.name.startswith("_")
            )
            yield Contract(public, questions, source.at(node))


def tables_in(code: Code) -> Iterator[Table]:
    for source in code.sources:
        for call in source.calls:
            if _is(source, call, TABLE):
                yield Table(_text(source, call, 0, "name"), source.at(call))


def _is(source: Source, call: ast.Call, kind: str) -> bool:
    return source.full_name(call.func) == kind


def _classes(code: Code) -> Classes:
    source = code.contract
    if source is None:
        return {}
    return {
        f"{source.module}.{node.name}": (source, [source.full_name(base) for base in node.bases], node)
        for node in source.tree.body
        if isinstance(node, ast.ClassDef)
    }


def _lineage(name: str, kinds: Classes) -> Iterator[str]:
    if name in kinds:
        for base in kinds[name][1]:
            yield base
            yield from _lineage(base, kinds)


def _known(code: Code) -> Iterator[tuple[str, Contract]]:
    return ((f"{code.package}.contract.{each.name.partition('.')[2]}", each) for each in contracts_in(code))


def _functions(code: Code) -> Iterator[tuple[Source, ast.AsyncFunctionDef]]:
    for source in code.sources:
        for node in source.tree.body:
            if isinstance(node, ast.AsyncFunctionDef):
                yield source, node


def _says(node: ast.ClassDef | ast.AsyncFunctionDef) -> str:
    return (ast.get_docstring(node) or "").partition("\n")[0]


def _argument(source: Source, call: ast.Call, position: int, name: str) -> ast.expr:
    named: Iterable[ast.expr] = (each.value for each in call.keywords if each.arg == name)
    found = call.args[position] if len(call.args) > position else next(iter(named), None)
    if found is None or isinstance(found, ast.Starred):
        raise Unreadable(f"{source.at(call)}: write {name} out; it cannot be seen in {_start(call)}")
    return found


def _text(source: Source, call: ast.Call, position: int, name: str, otherwise: str | None = None) -> str:
    given = len(call.args) > position or any(each.arg == name for each in call.keywords)
    if not given and otherwise is not None:
        return otherwise
    node = _argument(source, call, position, name)
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        raise Unreadable(
            f"{source.at(call)}: write {name} as a plain string; "
            f"{ast.unparse(node)} is known only when it runs."
        )
    return node.value


def _start(call: ast.Call) -> str:
    return f"{ast.unparse(call.func)}(…)"
