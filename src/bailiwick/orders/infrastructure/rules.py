"""Tax and shipping as the settings have them: one rate, one price, the same everywhere."""

from dataclasses import dataclass

from bailiwick.kernel.money import Money
from bailiwick.kernel.settings.sections import Orders
from bailiwick.orders.domain.cart import Address


@dataclass(frozen=True)
class SettingsTaxAndShipping:
    settings: Orders

    def shipping(self, goods: Money, address: Address) -> Money:
        free_from = self.settings.free_shipping_from
        is_free = free_from is not None and goods.amount >= free_from
        return Money(0 if is_free else self.settings.shipping, goods.currency)

    def tax(self, net: Money, address: Address) -> Money:
        """Half a minor unit is rounded up."""
        return Money((net.amount * self.settings.tax_basis_points + 5_000) // 10_000, net.currency)
