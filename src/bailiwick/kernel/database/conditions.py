"""Specifications as SQL: the same rule that an object is asked, in a WHERE."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, ColumnElement, and_, bindparam, false, not_, or_, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import BindParameter, FunctionElement
from sqlalchemy.types import TypeEngine

from bailiwick.kernel.specification import All, AnyOf, Has, Not, Relation, Specification, leaves


@dataclass(frozen=True, slots=True)
class Meaning:
    """What stands in the place of a column where no comparison says it: `of` makes the condition for a value
    of `type`. Whatever the relation, the value is given as it is."""

    type: TypeEngine[Any]
    of: Callable[[BindParameter[Any]], ColumnElement[bool]]


Columns = Mapping[str, ColumnElement[Any] | Meaning]


def shape_of(specification: Specification) -> tuple[Any, ...]:
    """All of a specification but its values: equal shapes become equal SQL."""
    match specification:
        case Has(field, relation, value):
            return (field, relation, len(value) if relation is Relation.ANY_OF else value is None)
        case All(parts) | AnyOf(parts):
            return (type(specification).__name__, *map(shape_of, parts))
        case Not(part):
            return ("Not", shape_of(part))
    raise TypeError(f"not a specification: {specification!r}")


def condition(specification: Specification, columns: Columns) -> ColumnElement[bool]:
    """The WHERE of a specification. Its parameters are named s0, s1 … in the order of `leaves`."""
    return _condition(specification, columns, _names())


def parameters(specification: Specification) -> dict[str, Any]:
    """The values for the parameters of `condition`."""
    names, values = _names(), dict[str, Any]()
    for leaf in leaves(specification):
        if leaf.relation is Relation.ANY_OF:
            values |= {next(names): value for value in leaf.value}
        elif leaf.relation is Relation.CONTAINS:
            values[next(names)] = f"%{_escaped(str(leaf.value))}%"
        else:
            values[next(names)] = leaf.value
    return values


def _names() -> Iterator[str]:
    return (f"s{i}" for i in range(10_000))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _condition(specification: Specification, columns: Columns, names: Iterator[str]) -> ColumnElement[bool]:
    match specification:
        case Has():
            column = columns[specification.field]
            if isinstance(column, Meaning):
                return _meant(specification, column, names)
            return _about(specification, column, names)
        case All(parts):
            return and_(true(), *(_condition(part, columns, names) for part in parts))
        case AnyOf(parts):
            return or_(false(), *(_condition(part, columns, names) for part in parts))
        case Not(part):
            # An unknown (NULL) comparison counts as not satisfied, so its negation is satisfied.
            inner = _condition(part, columns, names)
            return or_(not_(inner), inner.is_(None))
    raise TypeError(f"not a specification: {specification!r}")


def _meant(has: Has, meaning: Meaning, names: Iterator[str]) -> ColumnElement[bool]:
    values = has.value if has.relation is Relation.ANY_OF else (has.value,)
    return or_(false(), *(meaning.of(_bind(next(names), meaning)) for _ in values))


def _about(has: Has, column: ColumnElement[Any], names: Iterator[str]) -> ColumnElement[bool]:
    if has.relation is Relation.ANY_OF:
        return or_(false(), *(column == _bind(next(names), column) for _ in has.value))
    if has.relation is Relation.IS and has.value is None:
        next(names)
        return column.is_(None)
    bind = _bind(next(names), column)
    match has.relation:
        case Relation.BEFORE:
            return column < bind
        case Relation.AFTER:
            return column > bind
        case Relation.AT_MOST:
            return column <= bind
        case Relation.AT_LEAST:
            return column >= bind
        case Relation.CONTAINS:
            return _Contains(column, bind)
        case _:
            return column == bind


class _Contains(FunctionElement[bool]):
    """LIKE whatever the case, with a backslash before what is no wildcard."""

    type = Boolean()
    inherit_cache = True


@compiles(_Contains)
def _ilike(element: _Contains, compiler: SQLCompiler, **options: Any) -> str:
    column, bind = (compiler.process(part, **options) for part in element.clauses)
    return f"{column} ILIKE {bind} ESCAPE '\\'"


@compiles(_Contains, "sqlite")
def _lowered_like(element: _Contains, compiler: SQLCompiler, **options: Any) -> str:
    """SQLite by itself knows the case of A to Z only: `unicode_lower` is ours."""
    column, bind = (compiler.process(part, **options) for part in element.clauses)
    return f"unicode_lower({column}) LIKE unicode_lower({bind}) ESCAPE '\\'"


def _bind(name: str, column: ColumnElement[Any] | Meaning) -> BindParameter[Any]:
    return bindparam(name, type_=column.type)
