"""A coupon: who shows it pays less, as often as the shop allows."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NewType, Self
from uuid import UUID

from bailiwick.kernel.domain import Aggregate, Conflict, Invalid
from bailiwick.kernel.money import Money

CouponId = NewType("CouponId", UUID)
RedemptionId = NewType("RedemptionId", UUID)

CODE = re.compile(r"[A-Z0-9][A-Z0-9-]{2,39}")
MOST_USES = 1_000_000_000


class CouponUnknown(Invalid):
    """No coupon has this code."""


class CouponCodeTaken(Conflict):
    """There is a coupon with this code."""


class CouponNotValid(Conflict):
    """The coupon is switched off, not valid yet, or not any more."""


class CouponUsedUp(Conflict):
    """The coupon was used as often as it may be."""


class CouponUsedBefore(Conflict):
    """Each customer may use this coupon once, and this one has."""


class CouponNotForThisOrder(Conflict):
    """The order is worth less than the coupon asks for (`minimum`), or is in another currency."""


def code_of(text: str) -> str:
    """A code as it is compared, whatever the case. Raises Invalid."""
    code = text.strip().upper()
    if not CODE.fullmatch(code):
        raise Invalid("a code has 3 to 40 letters, digits and hyphens", field="code")
    return code


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a coupon gives, and on what conditions. Either `percent` (1 to 100) off the goods or `off`."""

    percent: int | None = None
    off: Money | None = None
    minimum: Money | None = None
    most_uses: int | None = None
    once_per_customer: bool = True
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    active: bool = True

    def __post_init__(self) -> None:
        if (self.percent is None) == (self.off is None):
            raise Invalid("a coupon takes off either so many percent or an amount", field="percent")
        if self.percent is not None and not 1 <= self.percent <= 100:
            raise Invalid("1 to 100 percent", field="percent")
        if self.off is not None and self.off.amount < 1:
            raise Invalid("an amount above 0", field="off")
        if self.most_uses is not None and not 0 <= self.most_uses <= MOST_USES:
            raise Invalid(f"0 to {MOST_USES} uses", field="most_uses")

    def discount_on(self, goods: Money) -> Money:
        """At most what the goods cost; parts of a cent are left out."""
        if self.off is not None:
            return min(self.off, goods)
        return Money(goods.amount * (self.percent or 0) // 100, goods.currency)


@dataclass(eq=False, kw_only=True)
class Redemption(Aggregate):
    """One use of a coupon. `once_for` is the customer, where that one may not use it again."""

    id: RedemptionId
    coupon_id: CouponId
    order_id: UUID
    customer_id: UUID
    once_for: UUID | None
    redeemed_at: datetime
    given_back_at: datetime | None = None


@dataclass(eq=False, kw_only=True)
class Coupon(Aggregate):
    """`used` counts the uses that hold; so many customers at once cannot bring it above the most."""

    id: CouponId
    code: str
    terms: Terms
    used: int = 0
    created_at: datetime

    @classmethod
    def issue(cls, id: CouponId, code: str, terms: Terms, now: datetime) -> Self:
        return cls(id=id, code=code_of(code), terms=terms, created_at=now)

    def change(self, changes: Mapping[str, object]) -> None:
        """Take over the named terms. Orders that have used it keep their discount. Raises Invalid."""
        self.terms = replace(self.terms, **changes)  # type: ignore[arg-type]  # names and types come from the body

    def discount_on(self, goods: Money, now: datetime) -> Money:
        """What it takes off goods worth so much. Raises a Conflict that says why it does not."""
        terms = self.terms
        starts, ends = terms.valid_from or now, terms.valid_until
        if not terms.active or now < starts or (ends is not None and now >= ends):
            raise CouponNotValid("this coupon is not valid now", field="coupon")
        if terms.most_uses is not None and self.used >= terms.most_uses:
            raise CouponUsedUp("this coupon was used as often as it may be", field="coupon")
        for amount in (terms.off, terms.minimum):
            if amount is not None and amount.currency != goods.currency:
                raise CouponNotForThisOrder(f"this coupon is for orders in {amount.currency}", field="coupon")
        if terms.minimum is not None and goods < terms.minimum:
            least = terms.minimum
            raise CouponNotForThisOrder(
                f"this coupon is for orders from {least}", field="coupon", minimum=least.amount
            )
        return terms.discount_on(goods)

    def redeem(self, id: RedemptionId, order_id: UUID, customer_id: UUID, now: datetime) -> Redemption:
        """Use it once. Whether it may be used is what `discount_on` says."""
        self.used += 1
        return Redemption(
            id=id,
            coupon_id=self.id,
            order_id=order_id,
            customer_id=customer_id,
            once_for=customer_id if self.terms.once_per_customer else None,
            redeemed_at=now,
        )

    def take_back(self, redemption: Redemption, now: datetime) -> None:
        """The order came to nothing before it was paid: the customer may use the coupon again."""
        self.used -= 1
        redemption.once_for, redemption.given_back_at = None, now
