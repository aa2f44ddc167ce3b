"""Events as users hear of them: read from the log, written once for all who hear them."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import ARRAY, Uuid, any_, bindparam, column, func, select
from sqlalchemy.sql.expression import ClauseElement

from bailiwick.kernel.database.columns import Id, Json
from bailiwick.kernel.database.connections import Database, Row
from bailiwick.kernel.encoding import plain
from bailiwick.kernel.ids import first_id
from bailiwick.kernel.live.positions import Position
from bailiwick.kernel.messaging.tables import events

_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_FIELDS = (events.c.id, events.c.audience, events.c.type, events.c.schema, events.c.payload)

_floor, _ceiling = bindparam("floor", type_=Id), bindparam("ceiling", type_=Id)
_user: Any = bindparam("user", type_=Id)
_users: Any = bindparam("users", type_=ARRAY(Uuid()))
_known: Any = bindparam("known", type_=ARRAY(Uuid()))
_as_text: Any = column("value")

_RECENT = select(*_FIELDS).where(events.c.id >= _floor).order_by(events.c.id)
_NEW: Mapping[str, ClauseElement] = {
    "postgresql": _RECENT.where(events.c.audience == any_(_users), ~(events.c.id == any_(_known))),
    "sqlite": _RECENT.where(
        events.c.audience.in_(
            select(func.json_each(bindparam("users", type_=Json)).table_valued("value", name="user").c.value)
        ),
        events.c.id.not_in(
            select(func.json_each(bindparam("known", type_=Json)).table_valued("value", name="heard").c.value)
        ),
    ),
}
_OF_USER = _RECENT.where(events.c.audience == _user)
_MISSED = _OF_USER.where(events.c.id < _ceiling).limit(bindparam("most"))


async def new_ones(
    database: Database, users: Sequence[UUID], floor: int, known: Sequence[UUID]
) -> Sequence[Row]:
    """Events that concern `users`, made since `floor` (milliseconds), apart from the `known` ones."""
    lists: dict[str, Any] = {"users": users, "known": known}
    if database.dialect.name == "sqlite":
        lists = {name: [id.hex for id in ids] for name, ids in lists.items()}
    return await database.all(_NEW[database.dialect.name], floor=first_id(floor), **lists)


async def recent_ones(database: Database, user: UUID, floor: int) -> Sequence[Row]:
    return await database.all(_OF_USER, user=user, floor=first_id(floor))


async def missed_ones(database: Database, user: UUID, floor: int, ceiling: int, most: int) -> Sequence[Row]:
    """The first `most` events of `user` made from `floor` up to `ceiling`, in milliseconds."""
    return await database.all(_MISSED, user=user, floor=first_id(floor), ceiling=first_id(ceiling), most=most)


class Message:
    """Something to tell, in the two forms in which it travels. Each is made once, when first needed."""

    def __init__(self, name: str, cursor: str | None = None, **rest: object) -> None:
        self.name, self.cursor = name, cursor
        content = {"type": name, **({"cursor": cursor} if cursor else {}), **rest}
        self.body = orjson.dumps(content, default=plain, option=orjson.OPT_UTC_Z)
        self.size = len(self.body)

    @cached_property
    def frame(self) -> dict[str, Any]:
        """For a web socket, as the server takes it."""
        return {"type": "websocket.send", "text": self.body.decode()}

    @cached_property
    def event(self) -> bytes:
        """For a stream of server-sent events."""
        id = b"id: %s\n" % self.cursor.encode() if self.cursor else b""
        return b"%sevent: %s\ndata: %s\n\n" % (id, self.name.encode(), self.body)


def message_of(row: Row, position: Position) -> Message:
    """An event to those whom it concerns; `position` is where they are once they have heard it."""
    id, _, kind, schema, payload = row
    return Message(public_name(kind), position.written(), id=id, schema=schema, data=payload)


@lru_cache(1024)
def public_name(kind: str) -> str:
    """`tasks.TaskMoved` is `tasks.task_moved` to users: a name that, once published, does not change."""
    context, _, fact = kind.partition(".")
    return f"{context}.{_WORDS.sub('_', fact).lower()}"
