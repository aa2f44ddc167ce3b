"""The ports of a context that was flat: its use cases knew the SQL, and will know what it can do."""

import ast
from collections.abc import Iterator, Sequence

from bailiwick.tooling.edit.layers import PORTS, UNIT_OF_WORK, Part, names_in
from bailiwick.tooling.edit.source import Function, NotAsExpected, Source, fields_of, last_name, methods_of

GET = "    async def get(self, id: {id}, *, version: int | None = None) -> {aggregate}:"
RAISES = '        """Raises NotFound, or Stale."""\n        ...'


def with_ports(store: Source, parts: Sequence[Part]) -> list[Part]:
    """The parts, and a protocol for each repository and unit of work, which the ports name from now on.

    Raises NotAsExpected for classes whose names do not begin with Sql.
    """
    adapters = [part for part in parts if part.place == UNIT_OF_WORK and isinstance(part.node, ast.ClassDef)]
    if not any(part.place == PORTS for part in parts) or not adapters:
        raise NotAsExpected(store.path, "the ports, a dataclass with `uow`, and the unit of work")
    made = []
    for part in adapters:
        assert isinstance(part.node, ast.ClassDef)
        if not part.name.startswith("Sql"):
            raise NotAsExpected(store.path, f"a name that begins with Sql for {part.name}")
        text = _protocol(store, part.node, parts)
        made.append(
            Part(part.node, part.name.removeprefix("Sql"), text, set(names_in(ast.parse(text))), PORTS)
        )
    return [*made, *(_renamed(part, adapters) for part in parts)]


def _renamed(part: Part, adapters: Sequence[Part]) -> Part:
    """Ports and use cases with the names of the protocols instead of those of the classes."""
    if not part.place.startswith("application/"):
        return part
    text = part.text
    for adapter in adapters:
        text = text.replace(adapter.name, adapter.name.removeprefix("Sql"))
    node = ast.parse(text).body[0]
    return Part(node, part.name, text, set(names_in(node)), part.place)


def _protocol(store: Source, node: ast.ClassDef, parts: Sequence[Part]) -> str:
    base = node.bases[0]
    if isinstance(base, ast.Subscript) and isinstance(base.slice, ast.Tuple):
        return _repository(store, node, [ast.unparse(each) for each in base.slice.elts], parts)
    return _unit_of_work(store, node)


def _repository(store: Source, node: ast.ClassDef, about: Sequence[str], parts: Sequence[Part]) -> str:
    name, (aggregate, id) = node.name.removeprefix("Sql"), about
    said = f'    """All {name.lower()}. Somebody else\'s is not found, exactly like one that never was."""'
    members = [f"    def add(self, aggregate: {aggregate}) -> None: ..."]
    called = {each for part in parts if part.place.startswith("application/") for each in _called(part.node)}
    if "get" in called:
        members.append(f"{GET.format(id=id, aggregate=aggregate)}\n{RAISES}")
    public = [method for name, method in methods_of(node).items() if not name.startswith("_")]
    members += [_declared(method) for method in public]
    return "\n\n".join([f"class {name}(Protocol):\n{said}", *members])


def _called(node: ast.AST) -> Iterator[str]:
    return (last_name(each.func) for each in ast.walk(node) if isinstance(each, ast.Call))


def _declared(method: Function) -> str:
    """A method without its body."""
    arguments, asynchronous = ast.unparse(method.args), isinstance(method, ast.AsyncFunctionDef)
    returns = f" -> {ast.unparse(method.returns)}" if method.returns else ""
    head = f"    {'async ' if asynchronous else ''}def {method.name}({arguments}){returns}:"
    told = ast.get_docstring(method, clean=False)
    return (
        f'{head}\n        """{told or "Raises NotFound, also for a deleted one, or Stale."}"""\n        ...'
    )


def _unit_of_work(store: Source, node: ast.ClassDef) -> str:
    name = node.name.removeprefix("Sql")
    members = []
    for method in methods_of(node).values():
        if "property" in map(last_name, method.decorator_list) and method.returns is not None:
            returns = ast.unparse(method.returns).removeprefix("Sql")
            members.append(f"    @property\n    def {method.name}(self) -> {returns}: ...")
    if not members or fields_of(node):
        raise NotAsExpected(store.path, f"the repositories of {node.name}, as properties, and no fields")
    members.append(f'    async def __aenter__(self) -> "{name}": ...')
    return "\n\n".join([f"class {name}(UnitOfWork, Protocol):", *members]).replace(":\n\n", ":\n", 1)
