"""Roles are data: which permissions each holds and whom its holders may act upon."""

from dataclasses import dataclass

from bailiwick.identity.contract import IdentityPermission
from bailiwick.kernel.application import EVERY_PERMISSION
from bailiwick.kernel.domain import Forbidden, NotFound

SUPER_ADMIN = "super_admin"
ADMIN = "admin"
STAFF = "staff"
USER = "user"
GUEST = "guest"


class RankTooLow(Forbidden):
    """One acts only on accounts whose role ranks strictly below one's own."""


class RoleAssignmentNotPermitted(Forbidden):
    """This role is not granted to anybody, or not by this actor."""


class RoleChangeNotPermitted(Forbidden):
    """The role of this account does not change that way."""


class RoleUnknown(NotFound):
    """No role has this name."""


@dataclass(frozen=True)
class Role:
    """A name, the permissions behind it, and its place in the order: a higher `rank` acts on lower ones."""

    name: str
    rank: int
    permissions: tuple[str, ...]
    assignable: bool = True

    def outranks(self, other: "Role") -> bool:
        return self.rank > other.rank

    def must_outrank(self, other: "Role") -> None:
        """Raise RankTooLow unless a holder of this role may act on a holder of `other`."""
        if not self.outranks(other):
            raise RankTooLow("you can only act on accounts that rank below your own")
        if other.name == ADMIN and self.name != SUPER_ADMIN:
            raise RankTooLow("only a super admin can act on an admin")

    def must_grant(self, other: "Role") -> None:
        """Raise RoleAssignmentNotPermitted unless a holder of this role may give `other` to somebody."""
        if not other.assignable:
            raise RoleAssignmentNotPermitted(f"the role {other.name} cannot be granted")
        if other.name == ADMIN and self.name != SUPER_ADMIN:
            raise RoleAssignmentNotPermitted("only a super admin can make an admin")
        if not self.outranks(other):
            raise RoleAssignmentNotPermitted("you can only grant roles that rank below your own")


PLACE = "orders.place"
SHOP = ("payments.operate", "catalog.manage", "orders.manage")

BUILT_IN_ROLES = (
    Role(SUPER_ADMIN, 100, (EVERY_PERMISSION,), assignable=False),
    Role(ADMIN, 80, (*(str(permission) for permission in IdentityPermission), "profiles.read", *SHOP, PLACE)),
    Role(STAFF, 60, (PLACE,)),
    Role(USER, 40, (PLACE,)),
    Role(GUEST, 20, ()),
)
"""What a new installation starts with; the first migration stores them, later changes are data.

Permissions of other contexts stand here by name: which role holds what is data, and no import.
"""
