"""Accounts, as identity knows them."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from bailiwick.identity.contract import Identity
from bailiwick.kernel.domain import NotFound
from bailiwick.profiles.domain.profile import Account


@dataclass(frozen=True)
class IdentityAccounts:
    """`identity` finds who answers when it is needed: contexts may be wired in any order."""

    identity: Callable[[], Identity]

    async def of(self, user_id: UUID) -> Account:
        people = await self.identity().people([user_id])
        if user_id not in people:
            raise NotFound("no such profile")
        person = people[user_id]
        return Account(email=person.email, full_name=person.full_name, email_verified=person.email_verified)
