"""The form in which events travel between services: JSON that anybody can read and write."""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import orjson
from pydantic import Field, TypeAdapter, ValidationError

from bailiwick.kernel.encoding import plain

LARGEST_INTEGER = 2**31 - 1


class Undecodable(Exception):
    """A message is no envelope. The text says why, without anything of its content."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event. `id` is the same however often it is sent; `position` is its place in its commit."""

    id: UUID
    type: Annotated[str, Field(max_length=128, pattern=r"^\w+\.\w+$")]
    schema: Annotated[int, Field(ge=1, le=LARGEST_INTEGER)]
    payload: dict[str, Any]
    occurred_at: str
    aggregate_id: UUID
    aggregate_version: Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]
    position: Annotated[int, Field(ge=0, le=999)]
    actor_id: UUID | None
    correlation_id: Annotated[str, Field(max_length=64)]

    @property
    def context(self) -> str:
        """Who publishes it: `identity`."""
        return self.type.partition(".")[0]

    def encoded(self) -> bytes:
        return orjson.dumps(self, default=plain)


_ADAPTER = TypeAdapter(Envelope)


def decoded(message: bytes) -> Envelope:
    """Raises Undecodable. Fields that we do not know are left out: a newer service may send some."""
    try:
        return _ADAPTER.validate_json(message)
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False, include_context=False)
        found = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'message'}: {each['type']}" for each in wrong)
        raise Undecodable(found[:500]) from None
