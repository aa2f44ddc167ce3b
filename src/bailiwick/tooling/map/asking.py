"""Where a context asks the questions of others: followed from what is declared to answer them."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bailiwick.tooling.map.atlas import Ask, Contract
from bailiwick.tooling.map.sources import Code, Source

FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


def asks_in(code: Code, contracts: Mapping[str, Contract]) -> Iterator[Ask]:
    """Each place in the context's code that asks one of `contracts`, which are known by their full names."""
    declared = {name: kind for source in code.sources for name, kind in _declared(source, contracts)}
    for source in code.sources:
        answerers = Answerers(source, contracts, dict(declared))
        for within, node in _statements(source.tree, ""):
            answerers.learn(node)
            if ask := answerers.ask(node, within):
                yield ask


def _declared(source: Source, contracts: Mapping[str, Contract]) -> Iterator[tuple[str, Contract]]:
    """The attributes, parameters and functions whose declared type names a contract."""
    for node in source.nodes:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name) | ast.Attribute(attr=name), annotation=kind):
                declared = kind
            case ast.arg(arg=name, annotation=ast.expr() as kind):
                declared = kind
            case ast.FunctionDef(name=name, returns=ast.expr() as kind):
                declared = kind
            case _:
                continue
        for part in ast.walk(declared):
            if contract := contracts.get(source.full_name(part)):
                yield name, contract


def _statements(node: ast.AST, within: str) -> Iterator[tuple[str, ast.AST]]:
    """Everything in the order of the file, with the function that it is in."""
    for child in ast.iter_child_nodes(node):
        name = child.name if isinstance(child, FUNCTIONS) else within
        yield name, child
        yield from _statements(child, name)


@dataclass
class Answerers:
    """What names stand for an answerer, in one file."""

    source: Source
    contracts: Mapping[str, Contract]
    known: dict[str, Contract]

    def learn(self, node: ast.AST) -> None:
        """A variable that is given an answerer is one."""
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            contract = self.answerer(node.value)
            for target in node.targets:
                if contract and isinstance(target, ast.Name):
                    self.known[target.id] = contract

    def ask(self, node: ast.AST, within: str) -> Ask | None:
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            return None
        contract = self.answerer(node.func.value)
        asked = f"{contract.name}.{node.func.attr}" if contract else ""
        if contract and any(each.name == asked for each in contract.questions):
            return Ask(asked, within, self.source.at(node))
        return None

    def answerer(self, node: ast.expr) -> Contract | None:
        """The contract that an expression answers, such as `ports.payments()`."""
        match node:
            case ast.Call(func=ast.Attribute(attr="contract"), args=[kind]):
                return self._named(kind)
            case ast.Call(func=inner) | ast.Await(value=inner):
                return self.answerer(inner)
            case ast.Subscript(slice=kind):
                return self._named(kind)
            case ast.Attribute(attr=name) | ast.Name(id=name):
                return self.known.get(name)
        return None

    def _named(self, kind: ast.expr) -> Contract | None:
        return self.contracts.get(self.source.full_name(kind))
