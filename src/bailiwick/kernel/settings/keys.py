"""The catalogue of settings: every key by its TOML name, its environment name and its file name."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from bailiwick.kernel.settings.forms import MASK, without_password

PREFIX = "BAILIWICK_"
ALIASES = {
    "database.url": "DATABASE_URL",
    "redis.url": "REDIS_URL",
    "http.port": "PORT",
    "secret_key": "SECRET_KEY",
}

Path = tuple[str, ...]


@dataclass(frozen=True)
class Key:
    """One setting. `path` is where it sits: ("http", "port")."""

    path: Path
    field: FieldInfo

    @property
    def name(self) -> str:
        return ".".join(self.path)

    @property
    def environment(self) -> str:
        return PREFIX + "__".join(self.path).upper()

    @property
    def alias(self) -> str | None:
        return ALIASES.get(self.name)

    @property
    def is_secret(self) -> bool:
        return "SecretStr" in str(self.field.annotation)

    @property
    def unit(self) -> str:
        return str(self._extra.get("unit", ""))

    @property
    def _extra(self) -> dict[str, Any]:
        extra = self.field.json_schema_extra
        return extra if isinstance(extra, dict) else {}

    @property
    def bounds(self) -> tuple[Any, Any]:
        """Smallest and largest value, None where there is no bound."""
        low = next((m.ge for m in self.field.metadata if hasattr(m, "ge")), None)
        high = next((m.le for m in self.field.metadata if hasattr(m, "le")), None)
        return low, high

    @property
    def kind(self) -> str:
        """The type in words: `whole number, 1 to 65535, seconds`."""
        annotation = self.field.annotation
        if get_origin(annotation) is Literal:
            return " or ".join(f"`{choice}`" for choice in get_args(annotation))
        text = str(annotation)
        words = {"bool": "true or false", "int": "whole number", "float": "number", "list": "list of texts"}
        words["dict"] = "texts by name"
        kind = next((word for sign, word in words.items() if re.search(rf"\b{sign}\b", text)), "text")
        low, high = self.bounds
        span = f"{low:,} to {high:,}" if low is not None else ""
        return ", ".join(part for part in (kind, span, self.unit) if part)

    @property
    def default(self) -> str:
        """The default as people write it; that of a secret is not shown."""
        text = shown(self, self._extra.get("default", self.field.get_default()))
        return "a known value, for development only" if text == MASK else text


def keys_of(model: type[BaseModel], above: Path = ()) -> Iterator[Key]:
    """Every key of a model and of the sections inside it."""
    for name, field in model.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            yield from keys_of(section, (*above, name))
        else:
            yield Key((*above, name), field)


def shown(key: Key, value: Any) -> str:
    """A value for people: unset, written as in TOML, or masked."""
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value in (None, "", [], {}):
        return "unset"
    if key.is_secret:
        return MASK
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        value = [f"{name}={each}" for name, each in value.items()]
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(without_password(value))


def nearest(name: str, known: list[str]) -> str | None:
    """The known name most like `name`, if any is like it at all."""
    found = get_close_matches(name.lower(), [each.lower() for each in known], n=1, cutoff=0.6)
    return next((each for each in known if found and each.lower() == found[0]), None)
