"""The rules of roles over HTTP: who may make, grant, revoke, switch and set passwords. One test for each."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2 as httpx
import pytest
from uuid_utils.compat import uuid7

from tests.policy.scene import ANOTHER, PASSWORD, Scene, Stage, staged

USERS = "/api/v1/users"


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    async with staged(database_url) as running:
        yield running


def refused(answer: httpx.Response, code: str) -> bool:
    return (answer.status_code, answer.json()["code"]) == (403, code)


async def stored(scene: Scene, stage: Stage) -> dict[str, Any]:
    """The account that the scene is about, as a super admin sees it."""
    root = await stage.scene("super_admin", "-")
    answer = await root.ask("GET", f"{USERS}/{scene.target}", None)
    data: dict[str, Any] = answer.json()["data"]
    return data


def somebody(role: str) -> dict[str, Any]:
    return {"email": f"{uuid7().hex}@example.com", "full_name": "Grace Hopper", "role": role}


async def test_only_a_super_admin_makes_an_admin(stage: Stage) -> None:
    admin, root = await stage.scene("admin", "-"), await stage.scene("super_admin", "-")
    answer = await admin.ask("POST", USERS, somebody("admin"))
    assert refused(answer, "role_assignment_not_permitted")
    assert (await root.ask("POST", USERS, somebody("admin"))).status_code == 201


async def test_an_admin_makes_staff_users_and_guests(stage: Stage) -> None:
    admin = await stage.scene("admin", "-")
    for role in ("staff", "user", "guest"):
        assert (await admin.ask("POST", USERS, somebody(role))).status_code == 201


async def test_nobody_makes_a_super_admin_over_http(stage: Stage) -> None:
    root = await stage.scene("super_admin", "user")
    answer = await root.ask("POST", USERS, somebody("super_admin"))
    assert refused(answer, "role_assignment_not_permitted")
    answer = await root.ask("PUT", f"{USERS}/{root.target}/roles/super_admin", None)
    assert refused(answer, "role_assignment_not_permitted")


async def test_nobody_makes_accounts_without_the_permission(stage: Stage) -> None:
    for role in ("guest", "user", "staff"):
        caller = await stage.scene(role, "-")
        assert refused(await caller.ask("POST", USERS, somebody("guest")), "permission_required")


async def test_an_unknown_role_is_not_found(stage: Stage) -> None:
    root = await stage.scene("super_admin", "user")
    for method in ("PUT", "DELETE"):
        answer = await root.ask(method, f"{USERS}/{root.target}/roles/wizard", None)
        assert (answer.status_code, answer.json()["code"]) == (404, "role_unknown")


async def test_only_a_super_admin_grants_admin(stage: Stage) -> None:
    admin = await stage.scene("admin", "user")
    answer = await admin.ask("PUT", f"{USERS}/{admin.target}/roles/admin", None)
    assert refused(answer, "role_assignment_not_permitted")
    assert (await stored(admin, stage))["role"] == "user"
    root = await stage.scene("super_admin", "user")
    assert (await root.ask("PUT", f"{USERS}/{root.target}/roles/admin", None)).status_code == 204
    assert (await stored(root, stage))["role"] == "admin"


async def test_only_a_super_admin_revokes_admin_and_leaves_a_plain_user(stage: Stage) -> None:
    admin = await stage.scene("admin", "admin")
    answer = await admin.ask("DELETE", f"{USERS}/{admin.target}/roles/admin", None)
    assert answer.status_code == 403
    assert (await stored(admin, stage))["role"] == "admin"
    root = await stage.scene("super_admin", "admin")
    assert (await root.ask("DELETE", f"{USERS}/{root.target}/roles/admin", None)).status_code == 204
    assert (await stored(root, stage))["role"] == "user"


async def test_an_admin_grants_and_revokes_staff(stage: Stage) -> None:
    admin = await stage.scene("admin", "user")
    assert (await admin.ask("PUT", f"{USERS}/{admin.target}/roles/staff", None)).status_code == 204
    assert (await stored(admin, stage))["role"] == "staff"
    assert (await admin.ask("DELETE", f"{USERS}/{admin.target}/roles/staff", None)).status_code == 204
    assert (await stored(admin, stage))["role"] == "user"


async def test_an_admin_cannot_demote_an_admin_by_granting_a_lower_role(stage: Stage) -> None:
    admin = await stage.scene("admin", "admin")
    for role in ("staff", "user", "guest"):
        assert refused(await admin.ask("PUT", f"{USERS}/{admin.target}/roles/{role}", None), "rank_too_low")
    assert (await stored(admin, stage))["role"] == "admin"


async def test_the_role_of_a_super_admin_never_changes(stage: Stage) -> None:
    for role in ("admin", "super_admin"):
        caller = await stage.scene(role, "super_admin")
        for given in ("admin", "user", "super_admin"):
            for method in ("PUT", "DELETE"):
                answer = await caller.ask(method, f"{USERS}/{caller.target}/roles/{given}", None)
                assert answer.status_code == 403
        assert (await stored(caller, stage))["role"] == "super_admin"


async def test_granting_the_role_that_is_held_changes_nothing(stage: Stage) -> None:
    admin = await stage.scene("admin", "staff")
    before = await stored(admin, stage)
    assert (await admin.ask("PUT", f"{USERS}/{admin.target}/roles/staff", None)).status_code == 204
    assert await stored(admin, stage) == before


async def test_revoking_a_role_that_is_not_held_changes_nothing(stage: Stage) -> None:
    root = await stage.scene("super_admin", "staff")
    before = await stored(root, stage)
    assert (await root.ask("DELETE", f"{USERS}/{root.target}/roles/admin", None)).status_code == 204
    assert await stored(root, stage) == before


async def test_only_a_super_admin_deactivates_and_activates_an_admin(stage: Stage) -> None:
    admin, root = await stage.scene("admin", "admin"), await stage.scene("super_admin", "admin")
    for method in ("DELETE", "PUT"):
        assert refused(await admin.ask(method, f"{USERS}/{admin.target}/activation", None), "rank_too_low")
        assert (await root.ask(method, f"{USERS}/{root.target}/activation", None)).status_code == 204
        assert (await stored(root, stage))["is_active"] == (method == "PUT")


async def test_an_admin_deactivates_and_activates_whoever_ranks_lower(stage: Stage) -> None:
    for role in ("guest", "user", "staff"):
        admin = await stage.scene("admin", role)
        for method in ("DELETE", "DELETE", "PUT", "PUT"):
            assert (await admin.ask(method, f"{USERS}/{admin.target}/activation", None)).status_code == 204
            assert (await stored(admin, stage))["is_active"] == (method == "PUT")


async def test_a_super_admin_is_never_deactivated_or_deleted(stage: Stage) -> None:
    for role in ("admin", "super_admin"):
        for about in ("super_admin", "self"):
            caller = await stage.scene(role, about)
            for path in (f"{USERS}/{caller.target}/activation", f"{USERS}/{caller.target}"):
                assert (await caller.ask("DELETE", path, None)).status_code == 403


async def test_an_admin_cannot_delete_or_restore_an_admin(stage: Stage) -> None:
    admin = await stage.scene("admin", "admin")
    assert refused(await admin.ask("DELETE", f"{USERS}/{admin.target}", None), "rank_too_low")
    root = await stage.scene("super_admin", "admin")
    assert (await root.ask("DELETE", f"{USERS}/{root.target}", None)).status_code == 204
    assert refused(await admin.ask("POST", f"{USERS}/{root.target}/restore", None), "rank_too_low")
    assert (await root.ask("POST", f"{USERS}/{root.target}/restore", None)).status_code == 200


async def test_a_password_is_set_only_for_whoever_ranks_lower_and_must_then_be_changed(stage: Stage) -> None:
    admin = await stage.scene("admin", "user")
    body = {"new_password": ANOTHER}
    assert (await admin.ask("PUT", f"{USERS}/{admin.target}/password", body)).status_code == 204
    assert (await stored(admin, stage))["must_change_password"]
    for about in ("admin", "super_admin", "self"):
        caller = await stage.scene("admin", about)
        answer = await caller.ask("PUT", f"{USERS}/{caller.target}/password", body)
        assert refused(answer, "rank_too_low")


async def test_nobody_sets_passwords_where_the_settings_do_not_allow_it(sqlite_url: str) -> None:
    async with staged(sqlite_url, admin_may_set=False) as stage:
        root = await stage.scene("super_admin", "user")
        answer = await root.ask("PUT", f"{USERS}/{root.target}/password", {"new_password": ANOTHER})
        assert refused(answer, "direct_passwords_off")


async def test_a_reset_is_started_only_for_whoever_ranks_lower(stage: Stage) -> None:
    for about, status in (("staff", 202), ("admin", 403), ("super_admin", 403), ("self", 403)):
        admin = await stage.scene("admin", about)
        answer = await admin.ask("POST", f"{USERS}/{admin.target}/password-reset", None)
        assert answer.status_code == status, about


async def test_nobody_changes_their_own_role_or_activation(stage: Stage) -> None:
    for role in ("user", "staff", "admin", "super_admin"):
        caller = await stage.scene(role, "self")
        for path in (f"roles/{granted}" for granted in ("guest", "user", "staff", "admin")):
            assert (await caller.ask("PUT", f"{USERS}/{caller.target}/{path}", None)).status_code == 403
        assert (await caller.ask("DELETE", f"{USERS}/{caller.target}/activation", None)).status_code == 403


async def test_a_role_named_in_a_registration_is_refused(stage: Stage) -> None:
    stranger = await stage.scene(None, "-")
    body = {**somebody("admin"), "password": PASSWORD, "accept_terms": True}
    answer = await stranger.ask("POST", "/api/v1/auth/register", body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "role")
