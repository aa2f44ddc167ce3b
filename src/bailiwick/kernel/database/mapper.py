"""How a dataclass aggregate sits in its table and its children in theirs, derived from annotations.

A field is stored in the column of its name. A frozen dataclass (a value object) is stored in one
column for each of its fields, `<field>_<part>` or, where the table has no such column, `<part>`.
A tuple, frozenset or dict is one JSON column. A list of dataclasses is a child table with the primary
key (parent, position). Enums are stored by value. Loading skips `__init__`: what was stored is trusted.
"""

import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    true,
    update,
)

from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.domain import Aggregate

A = TypeVar("A", bound=Aggregate)
Snapshot = tuple[dict[str, Any], list[list[dict[str, Any]]]]


class Changes(NamedTuple):
    """What it takes to store an aggregate, and what the audit trail says of it.

    `fields` are the names of what changed; `values` gives old and new only for those that may be shown.
    `subject` is the id of what the aggregate is about, where that is something else.
    """

    removals: list[Write]
    writes: list[Write]
    fields: list[str]
    values: dict[str, tuple[Any, Any]]
    subject: Any = None


NOTHING = Changes([], [], [], {})


@dataclass(frozen=True)
class Limit:
    """What must never be used up: the sum of some counters, each by its weight, stays at `floor` or above.

    Counters are columns that many change at once; they are stored as what is added, not as what they then
    are. As long as there is enough left for all, those who have read the same state do not get into each
    other's way. A `floor` that is NULL sets no limit.
    """

    weights: Mapping[str, int]
    floor: ColumnElement[Any]

    def taken(self, added: Mapping[str, int]) -> int:
        """How much less is left after this; 0 where it is not less."""
        return max(0, -sum(weight * added[name] for name, weight in self.weights.items()))

    def kept(self, table: Table, taken: ColumnElement[int]) -> ColumnElement[bool]:
        """Whether the row, as it is when its turn comes, has enough left."""
        left: Any = -taken
        for name, weight in self.weights.items():
            left = left + table.c[name] * literal_column(str(weight))
        return or_(taken == literal_column("0"), func.coalesce(left >= self.floor, true()))


@dataclass(frozen=True, slots=True)
class _Part:
    """One field: the columns it fills, and the way there and back. A plain one is stored as it is."""

    field: str
    columns: tuple[str, ...]
    dump: Callable[[Any], Sequence[Any]]
    load: Callable[[Sequence[Any]], Any]
    plain: bool = False


def _plain(annotation: Any) -> Any:
    """The runtime class behind NewType and Optional."""
    while hasattr(annotation, "__supertype__"):
        annotation = annotation.__supertype__
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [a for a in get_args(annotation) if a is not type(None)]
        return _plain(inner[0]) if len(inner) == 1 else annotation
    return annotation


def _allows_none(annotation: Any) -> bool:
    return type(None) in get_args(annotation)


def _json(field: str, column: str, annotation: Any, sort: bool) -> _Part:
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)

    def dump(value: Any) -> Sequence[Any]:
        plain = adapter.dump_python(value, mode="json")
        # Equal sets may be walked in different orders; what is stored must not differ.
        return (sorted(plain, key=repr) if sort and plain else plain,)

    return _Part(field, (column,), dump, lambda row: adapter.validate_python(row[0]))


def _part(field: str, column: str, annotation: Any, table: Table) -> _Part:
    plain = _plain(annotation)
    if get_origin(plain) in (tuple, frozenset, dict):
        return _json(field, column, annotation, sort=get_origin(plain) is frozenset)
    if isinstance(plain, type) and issubclass(plain, Enum):
        return _Part(
            field,
            (column,),
            lambda value: (None if value is None else value.value,),
            lambda row: None if row[0] is None else plain(row[0]),
        )
    if is_dataclass(plain):
        return _value_object(field, plain, table, prefix=f"{column}_", optional=_allows_none(annotation))
    return _Part(field, (column,), lambda value: (value,), lambda row: row[0], plain=True)


def _value_object(field: str, kind: Any, table: Table, prefix: str, optional: bool) -> _Part:
    hints = get_type_hints(kind)
    if optional and all(_allows_none(hints[f.name]) for f in fields(kind)):
        raise TypeError(f"{field}: a {kind.__name__} without values could not be told from None")
    inner = _parts(kind, table, prefix)
    columns = tuple(column for part in inner for column in part.columns)
    empty = (None,) * len(columns)

    def dump(value: Any) -> Sequence[Any]:
        return empty if value is None else _dump(inner, value)

    def load(row: Sequence[Any]) -> Any:
        return None if optional and tuple(row) == empty else _load(inner, kind, row)

    return _Part(field, columns, dump, load)


def _parts(kind: Any, table: Table, prefix: str = "", children: Collection[str] = frozenset()) -> list[_Part]:
    hints = get_type_hints(kind)
    if {f.name for f in fields(kind) if get_origin(hints[f.name]) is list} != set(children):
        raise TypeError(f"{kind.__name__}: a list needs its child table, and only an aggregate has lists")
    parts = []
    for f in fields(kind):
        if f.name in children:
            continue
        prefixed = f"{prefix}{f.name}"
        short = _begins_columns(f.name, table) and not _begins_columns(prefixed, table)
        parts.append(_part(f.name, f.name if short else prefixed, hints[f.name], table))
    return parts


def _begins_columns(name: str, table: Table) -> bool:
    """Whether the table has a column of this name, or those of a value object that is called so."""
    return any(key == name or key.startswith(f"{name}_") for key in table.c.keys())  # noqa: SIM118  # no dict


def _dump(parts: Sequence[_Part], thing: Any) -> list[Any]:
    values: list[Any] = []
    for part in parts:
        value = getattr(thing, part.field)
        if part.plain:
            values.append(value)
        else:
            values += part.dump(value)
    return values


def _load(parts: Sequence[_Part], kind: Any, row: Sequence[Any]) -> Any:
    revived, at, assign = object.__new__(kind), 0, object.__setattr__
    for part in parts:
        if part.plain:
            assign(revived, part.field, row[at])
            at += 1
        else:
            end = at + len(part.columns)
            assign(revived, part.field, part.load(row[at:end]))
            at = end
    return revived


def _own(table: Table) -> list[str]:
    """The columns, but for those that the database computes."""
    return [column.key for column in table.c if column.computed is None]


def _check(kind: Any, table: Table, columns: Sequence[str]) -> None:
    if odd := set(columns) ^ set(_own(table)):
        raise TypeError(f"{kind.__name__} and {table.name} differ in {sorted(odd)}")
    if len(set(columns)) < len(columns):
        raise TypeError(f"two fields of {kind.__name__} share a column of {table.name}")


class Mapper(Generic[A]):
    """Loads and stores one kind of aggregate. Every column of the table must belong to a field, but for those
    that the database computes; `row` are the columns that an aggregate is loaded from.

    `children` names the table of each list field. `audited` are the columns whose values, old and new, the
    audit trail may keep: of all others it knows only that they changed. `subject` is the column that says
    whom it is about, where that is not itself. Raises TypeError for a table that does not fit.
    """

    def __init__(
        self,
        kind: type[A],
        table: Table,
        *,
        audited: Collection[str] = (),
        subject: str = "id",
        limits: Sequence[Limit] = (),
        **children: Table,
    ) -> None:
        self.kind, self.table, self._limits = kind, table, limits
        self._counters = {name for limit in limits for name in limit.weights}
        if unknown := set(audited) - set(table.c.keys()):
            raise TypeError(f"{table.name} has no columns {sorted(unknown)} to be audited")
        self.audited, self._subject = frozenset(audited), table.c[subject].name
        self._parts = _parts(kind, table, children=children)
        self._columns = tuple(column for part in self._parts for column in part.columns)
        _check(kind, table, self._columns)
        self._keys = _own(table)
        self.row = [table.c[key] for key in self._keys]
        self.id_at = self._keys.index("id")
        self._order = [self._keys.index(column) for column in self._columns]
        hints = get_type_hints(kind)
        self.children = [_Children(name, get_args(hints[name])[0], child) for name, child in children.items()]
        self.by_id: Select[Any] = select(*self.row).where(table.c.id == bindparam("id"))
        self._insert = insert(table).values({key: bindparam(key) for key in self._keys})
        self._updates: dict[frozenset[str], Update] = {}
        if limits:
            if known := self.audited & self._counters:
                raise TypeError(f"{sorted(known)}: what a counter was is not known when it is stored")
            self._addition = _addition(table, limits, self._counters)

    def load(self, row: Sequence[Any], *children: Sequence[Sequence[Any]]) -> A:
        """An aggregate from the row of its table and the rows of each child table, in their order."""
        aggregate: A = _load(self._parts, self.kind, [row[i] for i in self._order])
        for collection, rows in zip(self.children, children, strict=True):
            setattr(aggregate, collection.field, [collection.load(child) for child in rows])
        return aggregate

    def dump(self, aggregate: A) -> dict[str, Any]:
        return dict(zip(self._columns, _dump(self._parts, aggregate), strict=True))

    def stored(self, row: Sequence[Any], *children: Sequence[Sequence[Any]]) -> Snapshot:
        """What is stored now, from the rows that `load` takes: the values are those that `snapshot` makes."""
        rows = [
            [dict(zip(c.columns, r, strict=True)) for r in of]
            for c, of in zip(self.children, children, strict=True)
        ]
        return dict(zip(self._keys, row, strict=True)), rows

    def snapshot(self, aggregate: A) -> Snapshot:
        """What would be stored now: the root's columns, and those of each child."""
        return self.dump(aggregate), [c.dump_all(getattr(aggregate, c.field)) for c in self.children]

    def writes(self, aggregate: A, loaded: Snapshot | None) -> Changes:
        """What it takes to store the aggregate; nothing if nothing changed.

        Otherwise the root's version is written one higher, guarded by the version that was loaded, also
        where only a child changed.
        """
        root, children = self.snapshot(aggregate)
        before = loaded[1] if loaded else [[] for _ in children]
        removals, rest, fields = [], [], []
        for collection, old, new in zip(self.children, before, children, strict=True):
            gone, changed = collection.writes(root["id"], old, new)
            removals += gone
            rest += changed
            fields += [collection.field] if gone or changed else []
        root["version"], subject = aggregate.version + 1, root[self._subject]
        if loaded is None:
            values = {name: (None, root[name]) for name in self.audited}
            return Changes(removals, [Write(self._insert, root), *rest], [], values, subject)
        was = loaded[0]
        changes = {name: value for name, value in root.items() if value != was[name]}
        if len(changes) == 1 and not removals and not rest:
            return NOTHING
        update = self._update(root["id"], aggregate.version, was, changes)
        fields += [name for name in changes if name != "version"]
        values = {name: (was[name], changes[name]) for name in self.audited & changes.keys()}
        return Changes(removals, [update, *rest], fields, values, subject)

    def _update(self, id: Any, version: int, was: Mapping[str, Any], changes: Mapping[str, Any]) -> Write:
        if self._limits and changes.keys() <= {"version", *self._counters}:
            added = {name: changes[name] - was[name] if name in changes else 0 for name in self._counters}
            sums = {f"add_{name}": amount for name, amount in added.items()}
            sums |= {f"taken_{i}": limit.taken(added) for i, limit in enumerate(self._limits)}
            return Write(self._addition, {"old_id": id}, exactly=1, sums=sums)
        guard = {"old_id": id, "old_version": version}
        return Write(self._update_of(changes), _new(changes) | guard, exactly=1)

    def _update_of(self, changes: Mapping[str, Any]) -> Update:
        shape = frozenset(changes)
        if shape not in self._updates:
            table = self.table
            guard = and_(table.c.id == bindparam("old_id"), table.c.version == bindparam("old_version"))
            self._updates[shape] = update(table).where(guard).values(_binds(shape))
        return self._updates[shape]


def _addition(table: Table, limits: Sequence[Limit], counters: Iterable[str]) -> Update:
    """Adds to the counters of a row that has enough left. It has another version then, too."""
    added: dict[str, Any] = {
        name: table.c[name] + bindparam(f"add_{name}", type_=BigInteger) for name in sorted(counters)
    }
    added["version"] = table.c.version + literal_column("1")
    kept = (limit.kept(table, bindparam(f"taken_{i}", type_=BigInteger)) for i, limit in enumerate(limits))
    return update(table).where(table.c.id == bindparam("old_id"), *kept).values(added)


def _binds(columns: Iterable[str]) -> dict[str, Any]:
    return {column: bindparam(f"new_{column}") for column in columns}


def _new(values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"new_{column}": value for column, value in values.items()}


class _Children:
    """One list of an aggregate: its rows have the key (parent, position), so order is kept.

    Rows are overwritten where they stand. In a table that has a unique index besides its key they are removed
    first and then added, so that children may exchange what is unique.
    """

    def __init__(self, field: str, kind: Any, table: Table) -> None:
        self.field, self.kind = field, kind
        [key] = table.foreign_keys
        self.parent = key.parent
        self._parts = _parts(kind, table)
        self.columns = tuple(column for part in self._parts for column in part.columns)
        self._unique = any(index.unique for index in table.indexes)
        _check(kind, table, (*self.columns, self.parent.name, "position"))
        at = and_(self.parent == bindparam("parent"), table.c.position == bindparam("at"))
        self.of_parent = (
            select(*(table.c[c] for c in self.columns))
            .where(self.parent == bindparam("parent"))
            .order_by(table.c.position)
        )
        self._insert = insert(table)
        self._update = update(table).where(at).values(_binds(self.columns))
        self._delete = delete(table).where(
            self.parent == bindparam("parent"), table.c.position >= bindparam("at")
        )
        self._delete_one = delete(table).where(at)

    def load(self, row: Sequence[Any]) -> Any:
        return _load(self._parts, self.kind, row)

    def dump_all(self, items: Sequence[Any]) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, _dump(self._parts, item), strict=True)) for item in items]

    def writes(
        self, parent: Any, old: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]
    ) -> tuple[list[Write], list[Write]]:
        removals = []
        if len(new) < len(old):
            gone = {"parent": parent, "at": len(new)}
            removals.append(Write(self._delete, gone, exactly=len(old) - len(new)))
        places = [{"parent": parent, "at": at} for at in range(len(new))]
        others = [at for at, (row, before) in enumerate(zip(new, old, strict=False)) if row != before]
        added = [*(others if self._unique else ()), *range(len(old), len(new))]
        changed = []
        if self._unique:
            removals += [Write(self._delete_one, places[at], exactly=1) for at in others]
        else:
            changed = [Write(self._update, _new(new[at]) | places[at], exactly=1) for at in others]
        inserts = [Write(self._insert, new[at] | {self.parent.name: parent, "position": at}) for at in added]
        return removals, changed + inserts
