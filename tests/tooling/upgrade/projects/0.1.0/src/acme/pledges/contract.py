"""What the rest of the system may know about pledges. Other contexts import this file and no other."""

from dataclasses import dataclass
from uuid import UUID

from bailiwick.kernel.domain import Event


@dataclass(frozen=True, kw_only=True)
class PledgeMade(Event):
    """Somebody has promised to give."""

    pledge_id: UUID
    owner_id: UUID
    amount: int
    currency: str

    def audience(self) -> UUID:
        return self.owner_id
