"""What somebody agreed to: written once, never changed."""

from dataclasses import dataclass
from datetime import datetime
from typing import NewType, Self
from uuid import UUID

from bailiwick.identity.domain.user import UserId
from bailiwick.kernel.domain import Aggregate, Invalid

ConsentId = NewType("ConsentId", UUID)


class TermsNotAccepted(Invalid):
    """Consent is given by the person, never by default."""


@dataclass(eq=False, kw_only=True)
class Consent(Aggregate):
    """`edition` names the text of `document` that was shown."""

    id: ConsentId
    user_id: UserId
    document: str
    edition: str
    given_at: datetime
    address: str

    @classmethod
    def give(
        cls,
        id: ConsentId,
        user_id: UserId,
        *,
        accepted: bool,
        document: str,
        edition: str,
        address: str,
        now: datetime,
    ) -> Self:
        """Record that the person agreed. Raises TermsNotAccepted where they did not."""
        if not accepted:
            raise TermsNotAccepted(f"the {document} must be accepted", field="accept_terms")
        return cls(id=id, user_id=user_id, document=document, edition=edition, given_at=now, address=address)
