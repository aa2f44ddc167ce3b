"""The roles that a new installation starts with know every permission that a context asks for."""

from bailiwick.backend import Backend
from bailiwick.identity.domain.role import ADMIN, BUILT_IN_ROLES
from bailiwick.kernel.settings import Settings


def unreachable(asked: set[str]) -> set[str]:
    """Permissions that nobody below super admin holds."""
    [admin] = [role for role in BUILT_IN_ROLES if role.name == ADMIN]
    return asked - set(admin.permissions)


def test_an_admin_holds_every_permission_of_every_context() -> None:
    backend = Backend.build(Settings())
    asked = {permission for module in backend.modules for permission in module.permissions}
    assert len(asked) > 2
    assert unreachable(asked) == set()


def test_a_permission_that_no_role_holds_is_noticed() -> None:
    assert unreachable({"stamps.read"}) == {"stamps.read"}
