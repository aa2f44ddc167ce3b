"""Changes to projects' code that a newer version asks for and that no person needs to make."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import libcst as cst
from libcst.helpers import get_full_name_for_node
from libcst.metadata import MetadataWrapper, QualifiedName, QualifiedNameProvider, QualifiedNameSource

Modules = Mapping[str, cst.Module]
"""The parsed files of a project by the names of their modules, such as `acme.invoices.domain`."""


@dataclass(frozen=True, slots=True)
class Rename:
    """In version `since` the name `old` of a public module became `new`; in `until` the old one goes.

    It stays here for ever: a project may skip as many versions as it likes.
    """

    since: str
    until: str
    module: str
    old: str
    new: str

    @property
    def path(self) -> str:
        return f"{self.module}.{self.old}"

    def __str__(self) -> str:
        return f"{self.path} is called {self.new}"

    def apply(self, modules: Modules) -> dict[str, cst.Module]:
        """All modules. One that does not say the old name is the same object as before."""
        homes = self._homes(modules)
        return {name: self._applied(name, module, homes) for name, module in modules.items()}

    def leftovers(self, text: str) -> list[int]:
        """The lines of a changed file that may still mean the old name, such as texts that spell it out."""
        signs = (self.path, f"{self.module}:{self.old}", f"from {self.module} import *")
        lines = text.splitlines()
        return [at for at, line in enumerate(lines, 1) if any(_ends(line, sign) for sign in signs)]

    def _homes(self, modules: Modules) -> frozenset[str]:
        """The module itself, and every one of the project that hands the name on to others."""
        homes = {self.module}
        while True:
            found = {name for name, module in modules.items() if self._takes(module, homes)}
            if found <= homes:
                return frozenset(homes)
            homes |= found

    def _takes(self, module: cst.Module, homes: set[str]) -> bool:
        """Whether it imports the name as it is, so that others may import it from there."""
        lines = (line for line in module.body if isinstance(line, cst.SimpleStatementLine))
        imports = (small for line in lines for small in line.body if isinstance(small, cst.ImportFrom))
        return any(
            _home(each) in homes
            and not isinstance(each.names, cst.ImportStar)
            and any(alias.evaluated_name == self.old and not alias.asname for alias in each.names)
            for each in imports
        )

    def _applied(self, name: str, module: cst.Module, homes: frozenset[str]) -> cst.Module:
        if self.old not in module.code:
            return module
        wrapper = MetadataWrapper(module)
        names = wrapper.resolve(QualifiedNameProvider)
        paths = {f"{home}.{self.old}" for home in homes}
        taken = _says_otherwise(names, self.new, f"{self.module}.{self.new}")
        renaming = _Renaming(self, homes - {name}, paths, names, keep_alias=taken)
        changed = wrapper.module.visit(renaming)
        return module if changed.code == module.code else changed


class _Renaming(cst.CSTTransformer):
    """Changes the one word and leaves every other character of the file as it was."""

    def __init__(
        self, rename: Rename, homes: frozenset[str], paths: set[str], names: "_Names", *, keep_alias: bool
    ) -> None:
        super().__init__()
        self.rename, self.homes, self.paths, self.names = rename, homes, paths, names
        self.keep_alias = keep_alias
        self.new = cst.Name(rename.new)
        self.other_words: set[cst.CSTNode | None] = set()

    def visit_Attribute(self, node: cst.Attribute) -> None:
        self.other_words.add(node.attr)

    def visit_Arg(self, node: cst.Arg) -> None:
        self.other_words.add(node.keyword)

    def visit_Param(self, node: cst.Param) -> None:
        self.other_words.add(node.name)

    def leave_ImportFrom(self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom) -> cst.ImportFrom:
        if _home(original_node) not in self.homes or isinstance(updated_node.names, cst.ImportStar):
            return updated_node
        return updated_node.with_changes(names=[self._imported(alias) for alias in original_node.names])  # type: ignore[union-attr]  # no star, as we have seen

    def _imported(self, alias: cst.ImportAlias) -> cst.ImportAlias:
        if alias.evaluated_name != self.rename.old:
            return alias
        if self.keep_alias and not alias.asname:
            return alias.with_changes(name=self.new, asname=cst.AsName(name=cst.Name(self.rename.old)))
        return alias.with_changes(name=self.new)

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.Name:
        meant = original_node.value == self.rename.old and not self.keep_alias
        meant = meant and original_node not in self.other_words
        return self.new if meant and self._is_it(original_node) else updated_node

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.Attribute:
        meant = original_node.attr.value == self.rename.old and self._is_it(original_node)
        return updated_node.with_changes(attr=self.new) if meant else updated_node

    def _is_it(self, node: cst.CSTNode) -> bool:
        found = _resolved(self.names, node)
        return any(each.name in self.paths and each.source is QualifiedNameSource.IMPORT for each in found)


_Names = Mapping[cst.CSTNode, Any]  # a set, or a function that makes it


def _resolved(names: _Names, node: cst.CSTNode) -> set[QualifiedName]:
    found = names.get(node, ())
    return set(found() if callable(found) else found)


def _says_otherwise(names: _Names, word: str, path: str) -> bool:
    """Whether a file uses a word already, for something else than the one with this path."""
    return any(
        isinstance(node, cst.Name)
        and node.value == word
        and any(each.name != path for each in _resolved(names, node))
        for node in names
    )


def _home(statement: cst.ImportFrom) -> str:
    """The module that is imported from; empty for one that is named relative to the file."""
    return "" if statement.relative else get_full_name_for_node(statement.module or "") or ""


def _ends(line: str, sign: str) -> bool:
    _, found, rest = line.partition(sign)
    return bool(found) and not (rest[:1].isidentifier() or rest[:1].isdigit())


CODEMODS = (
    Rename(
        since="0.2.0",
        until="0.4.0",
        module="bailiwick.kernel.money",
        old="LARGEST",
        new="LARGEST_AMOUNT",
    ),
)
