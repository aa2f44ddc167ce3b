"""Events of other contexts that a new one reacts to, and what they have for the fields of its aggregate."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import Enum
from importlib import import_module
from typing import Any, get_type_hints
from uuid import UUID

from bailiwick.kernel.domain import Event
from bailiwick.kernel.messaging.publishing import published_events
from bailiwick.kernel.money import Money
from bailiwick.kernel.settings import Settings
from bailiwick.tooling.generate.fields import Field, Kind
from bailiwick.tooling.generate.naming import snake, words
from bailiwick.tooling.generate.rendering import CannotGenerate
from bailiwick.tooling.project import Project

OWNERS = ("owner_id", "user_id", "customer_id")
SAME = {Kind.STR: str, Kind.TEXT: str, Kind.INT: int, Kind.BOOL: bool, Kind.MONEY: Money}
SAME |= {Kind.DATE: date, Kind.DATETIME: datetime, Kind.UUID: UUID}
EXAMPLES: dict[Any, str] = {
    UUID: "uuid4()", datetime: "NOON", int: "1050", bool: "True", float: "0.5", date: "NOON.date()",
    Money: 'Money(1050, "NAD")',
}  # fmt: skip


@dataclass(frozen=True)
class Heard:
    """One event that a subscriber makes an aggregate of. `arguments` are those of the aggregate's details;
    `fitting` are values, in Python, for what the event calls as the aggregate does."""

    kind: type[Event]
    owner: str
    arguments: tuple[str, ...]
    fitting: Mapping[str, str]

    @property
    def module(self) -> str:
        return self.kind.__module__

    @property
    def name(self) -> str:
        return self.kind.__name__

    @property
    def type(self) -> str:
        """`orders.OrderPlaced`."""
        return f"{self.module.split('.')[-2]}.{self.name}"

    @property
    def fact(self) -> str:
        return snake(self.name)

    @property
    def function(self) -> str:
        return f"on_{self.fact}"

    @property
    def _hints(self) -> Mapping[str, Any]:
        hints = get_type_hints(self.kind)
        return {each.name: hints[each.name] for each in fields(self.kind) if each.init}

    @property
    def example(self) -> list[str]:
        """The arguments of one, for a test that has an `owner_id`."""
        known = {"occurred_at": "NOON", "currency": '"NAD"', **self.fitting, self.owner: "owner_id"}
        return [f"{name}={known.get(name) or _example(kind, name)}" for name, kind in self._hints.items()]

    @property
    def imports(self) -> list[tuple[str, str]]:
        """What the example needs: modules and names."""
        kinds = [kind for kind in self._hints.values() if _is_enum(kind) or kind is Money]
        return [(kind.__module__, kind.__name__) for kind in (self.kind, *kinds)]


def heard(project: Project, written: str, own: Sequence[Field]) -> Heard:
    """The event `<context>.<Event>`. Raises CannotGenerate where it is unknown or says too little."""
    kind = _event(project, written)
    hints = get_type_hints(kind)
    owner = next((name for name in OWNERS if hints.get(name) is UUID), None)
    if owner is None:
        raise CannotGenerate(
            f"{written} names no user ({', '.join(OWNERS)}), so nobody would own what is made of it.\n"
            "Leave --on out, and write application/subscribers.py as `profiles` does."
        )
    given = [(field.name, _argument(field, hints, words(snake(kind.__name__)), written)) for field in own]
    bounded = {each.name: each.sample for each in own if each.is_text or each.kind is Kind.INT}
    fitting = {name: value for name, value in bounded.items() if f"event.{name}" in dict(given).values()}
    return Heard(kind, owner, tuple(f"{name}={value}" for name, value in given if value), fitting)


def _event(project: Project, written: str) -> type[Event]:
    context, _, name = written.rpartition(".")
    source = str(project.root / "src")
    if source not in sys.path:
        sys.path.insert(0, source)
    own = {each: f"{project.package}.{each}" for each in project.contexts if not project.is_product}
    known = dict.fromkeys(Settings().contexts) | own
    if context.removeprefix(f"{project.package}.") not in known:
        raise CannotGenerate(
            f"{written!r} is no event: write <context>.<Event>, such as orders.OrderPlaced; there are the "
            f"contexts {', '.join(known)}."
        )
    context = context.removeprefix(f"{project.package}.")
    events = {kind.__name__: kind for kind in published_events([known[context] or context])}
    if name not in events:
        raise CannotGenerate(f"{context} has no event {name}; it has {', '.join(sorted(events))}.")
    import_module(events[name].__module__)
    return events[name]


def _argument(field: Field, hints: Mapping[str, Any], fact: str, written: str) -> str | None:
    """What the field is made of: what the event calls so, or else a beginning that a person can change."""
    if field.name in hints and hints[field.name] is SAME.get(field.kind):
        return f"event.{field.name}"
    if field.is_money:
        return _money(field, hints, written)
    if field.optional:
        return None
    if field.is_text:
        return f'"{fact.capitalize()[: field.most]}"'
    ids = [name for name, kind in hints.items() if kind is UUID and name not in OWNERS]
    return {
        Kind.INT: str(field.number()),
        Kind.BOOL: "False",
        Kind.DATE: "event.occurred_at.date()",
        Kind.DATETIME: "event.occurred_at",
        Kind.UUID: f"event.{ids[0]}" if ids else "ports.new_id()",
        Kind.CHOICE: f"{field.enum}.{field.choices[0].upper()}" if field.choices else "",
    }[field.kind]


def _money(field: Field, hints: Mapping[str, Any], written: str) -> str | None:
    amounts = [name for name in (field.name, "total", "amount", "price") if hints.get(name) is int]
    if amounts and hints.get("currency") is str:
        return f"Money(event.{amounts[0]}, event.currency)"
    if field.optional:
        return None
    raise CannotGenerate(
        f"{written} says nothing about money for {field.name}: make it optional ({field.name}:money?), or "
        "leave --on out."
    )


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _example(kind: Any, name: str) -> str:
    if _is_enum(kind):
        return f"{kind.__name__}.{next(iter(kind)).name}"
    if kind is str:
        return f'"{words(name)}"'
    if type(None) in getattr(kind, "__args__", ()):
        return "None"
    return EXAMPLES.get(kind, "()")
