"""What customers look for, as SQL: words, categories with all their parts, prices, attributes."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import Annotated, Any

import orjson
from pydantic import StringConstraints
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Dialect,
    Text,
    bindparam,
    exists,
    func,
    literal,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import BindParameter, FunctionElement
from sqlalchemy.types import TypeDecorator

from bailiwick.catalog.contract import CatalogPermission
from bailiwick.catalog.domain.product import ProductStatus
from bailiwick.catalog.infrastructure.tables import categories, facets, prices, products
from bailiwick.kernel.application import Actor
from bailiwick.kernel.database.conditions import Columns, Meaning
from bailiwick.kernel.database.listing import Filter, InvalidListing, ListRequest
from bailiwick.kernel.money import LARGEST_AMOUNT
from bailiwick.kernel.specification import All, Has, Relation, Specification, leaves

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=100)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,49}:.+$", max_length=151)]

ON_SALE = Has("status", Relation.IS, ProductStatus.ACTIVE)
PRICED = frozenset({"price_from", "price_to"})


class Words(TypeDecorator[str]):
    """What is searched for, as people write it in search engines: `red "rain coat" -wool`.

    PostgreSQL reads it so by itself (and knows `or`). For SQLite: each word, and whether it must be there.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or dialect.name != "sqlite":
            return value
        found = re.findall(r'(-?)(?:"([^"]*)"|([^\s"]+))', value.lower())
        wanted = [(phrase or word, not minus) for minus, phrase, word in found]
        return orjson.dumps([each for each in wanted if each[0]]).decode()


class _Matches(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True


@compiles(_Matches)
def _full_text(element: _Matches, compiler: SQLCompiler, **options: Any) -> str:
    document, words = (compiler.process(part, **options) for part in element.clauses)
    return f"{document} @@ websearch_to_tsquery('simple', {words})"


@compiles(_Matches, "sqlite")
def _every_word(element: _Matches, compiler: SQLCompiler, **options: Any) -> str:
    document, words = (compiler.process(part, **options) for part in element.clauses)
    found = f"instr(unicode_lower({document}), json_extract(word.value, '$[0]')) > 0"
    missed = f"SELECT 1 FROM json_each({words}) AS word WHERE json_extract(word.value, '$[1]') <> ({found})"  # noqa: S608  # SQLAlchemy's own text
    return f"NOT EXISTS ({missed})"


def _found_with(words: BindParameter[Any]) -> ColumnElement[bool]:
    return _Matches(products.c.search, words)


def _within(slug: BindParameter[Any]) -> ColumnElement[bool]:
    top = select(categories.c.id).where(categories.c.slug == slug)
    parts = top.cte(f"parts_{slug.key}", recursive=True)
    parts = parts.union(select(categories.c.id).where(categories.c.parent_id == parts.c.id))
    return products.c.category_id.in_(select(parts.c.id))


def _sold_in(currency: BindParameter[Any]) -> ColumnElement[bool]:
    return exists().where(prices.c.product_id == products.c.id, prices.c.currency == currency)


def _labelled(label: BindParameter[Any]) -> ColumnElement[bool]:
    return products.c.id.in_(select(facets.c.product_id).where(facets.c.label == label))


_lowest = (
    select(func.min(prices.c.amount))
    .where(prices.c.product_id == products.c.id, prices.c.currency == bindparam("currency", type_=Text()))
    .scalar_subquery()
)

SEARCHED = Meaning(Words(), _found_with)
FILTERS: Mapping[str, Filter] = {
    "category": Filter(Meaning(categories.c.slug.type, _within), Slug),
    "status": Filter(products.c.status, ProductStatus),
    "currency": Filter(Meaning(prices.c.currency.type, _sold_in), Currency),
    "price_from": Filter(_lowest, int, Relation.AT_LEAST),
    "price_to": Filter(_lowest, int, Relation.AT_MOST),
    "attributes": Filter(Meaning(facets.c.label.type, _labelled), Label),
    "created_before": Filter(products.c.created_at, datetime, Relation.BEFORE),
    "created_after": Filter(products.c.created_at, datetime, Relation.AFTER),
}
SORTS: Mapping[str, ColumnElement[Any]] = {
    "name": products.c.name,
    "created_at": products.c.created_at,
    "price": func.coalesce(_lowest, literal(LARGEST_AMOUNT, BigInteger())),
}
COLUMNS: Columns = {name: one.column for name, one in FILTERS.items()} | {"search 0": SEARCHED}


def as_seen_by(asked: ListRequest, actor: Actor | None) -> ListRequest:
    """What is asked, of what the caller may see: strangers see what is sold. Raises InvalidListing."""
    rule = All(tuple(_any_of_each(part) for part in _parts(asked.rule)))
    visible = rule if actor is not None and actor.may(CatalogPermission.MANAGE) else All((rule, ON_SALE))
    fields = {leaf.field for leaf in leaves(rule)} | {name for name, _ in asked.sort}
    if fields & {*PRICED, "price"} and currency_of(asked) is None:
        raise InvalidListing("prices are compared in one currency: name it", field="filter[currency]")
    return replace(asked, rule=visible)


def currency_of(asked: ListRequest) -> str | None:
    """The currency that the list is asked in. A product costs there what its cheapest variant does."""
    named = [leaf for leaf in leaves(asked.rule) if leaf.field == "currency"]
    return named[0].value if named and named[0].relation is Relation.IS else None


def _parts(rule: Specification) -> tuple[Specification, ...]:
    return rule.parts if isinstance(rule, All) else (rule,)


def _any_of_each(rule: Specification) -> Specification:
    """Of several values of one attribute any will do, but each attribute that is named must have one."""
    if not (isinstance(rule, Has) and rule.field == "attributes" and rule.relation is Relation.ANY_OF):
        return rule
    labels = groupby(sorted(rule.value), key=lambda label: label.partition(":")[0])
    return All(tuple(Has("attributes", Relation.ANY_OF, tuple(found)) for _, found in labels))
