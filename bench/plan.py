"""What the floor knows of the product: its SQL, and whose token is whose."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Query:
    """SQL text and the names of its parameters in their order."""

    sql: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that the floor needs to give the product's answers.

    `creation_values` are (table, column) in the order of the parameters of `creation`; those of `transfer`
    are (table, how many rows of it came before, parameter), and `constants` what never changes of them.
    `view` are the columns of a task that its owner sees; `owners` says which access token speaks for whom.
    """

    one: Query
    first_page: Query
    next_page: Query
    session: Query
    rotation: Query
    creation: Query
    creation_values: tuple[tuple[str, str], ...]
    wallets: Query
    transfer: Query
    transfer_values: tuple[tuple[str, int, str], ...]
    constants: dict[str, Any]
    view: tuple[str, ...]
    access_token: str
    expires_in: int
    owners: dict[str, str]

    def write(self, path: Path) -> None:
        path.write_bytes(orjson.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "Plan":
        stored: dict[str, Any] = orjson.loads(path.read_bytes())
        queries = ("one", "first_page", "next_page", "session", "rotation", "creation", "wallets", "transfer")
        for name in queries:
            stored[name] = Query(stored[name]["sql"], tuple(stored[name]["names"]))
        return cls(**stored)
