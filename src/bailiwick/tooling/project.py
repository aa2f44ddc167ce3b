"""The project that the tools work on: one that builds on Bailiwick, or Bailiwick itself."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

PRODUCT = "bailiwick"


class NoProject(Exception):
    """Here is no project. The text says what to do."""


@dataclass(frozen=True)
class Project:
    """`package` is the package that the project's own contexts live in, `src/<package>/<context>`."""

    root: Path
    package: str

    @classmethod
    def find(cls, start: Path | None = None) -> Self:
        """The project of this folder or of one above it. Raises NoProject."""
        start = (start or Path.cwd()).resolve()
        for folder in (start, *start.parents):
            described = folder / "pyproject.toml"
            if described.is_file():
                tool = tomllib.loads(described.read_text()).get("tool", {})
                if package := tool.get("bailiwick", {}).get("package"):
                    return cls(folder, package)
        raise NoProject(
            f"{start} is not inside a project of Bailiwick.\n"
            "Make one: bailiwick new project acme\n"
            "Or name the package of your contexts in pyproject.toml:\n\n"
            '  [tool.bailiwick]\n  package = "acme"'
        )

    @property
    def source(self) -> Path:
        return self.root / "src" / self.package

    @property
    def is_product(self) -> bool:
        """Whether this is Bailiwick itself, whose contexts are enabled by their plain names."""
        return self.package == PRODUCT

    @property
    def contexts(self) -> tuple[str, ...]:
        """The names of the project's own contexts, in the order of the alphabet."""
        return tuple(sorted(contract.parent.name for contract in self.source.glob("*/contract.py")))

    @property
    def policy(self) -> Path:
        """The reviewed table of who may call each route."""
        return self.root / ("tests/policy/policy.md" if self.is_product else "tests/policy.md")

    def golden(self, context: str) -> Path:
        """The folder of the stored forms of a context's events, `<context>.<Event>.<schema>.json`."""
        return self.root / ("tests/contract/events" if self.is_product else f"tests/events/{context}")
