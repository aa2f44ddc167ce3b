"""Registration, passwords, links and what administrators do, on both databases."""

import asyncio
from dataclasses import replace

import pytest

from bailiwick.identity.application.accounts import (
    ActivateUser,
    CreateSuperAdmin,
    CreateUser,
    DeactivateUser,
    DeleteUser,
    GrantRole,
    ImportUser,
    RestoreUser,
    RevokeRole,
    SuperAdminExists,
    activate_user,
    create_super_admin,
    create_user,
    deactivate_user,
    delete_user,
    grant_role,
    import_user,
    restore_user,
    revoke_role,
)
from bailiwick.identity.application.credentials import (
    ChangePassword,
    DirectPasswordsOff,
    ForgetPassword,
    ResetPassword,
    SetPassword,
    StartPasswordReset,
    WrongPassword,
    change_password,
    forget_password,
    reset_password,
    set_password,
    start_password_reset,
)
from bailiwick.identity.application.ports import HashUnknown, RegistrationMode
from bailiwick.identity.application.registration import (
    Register,
    ResendVerification,
    VerifyEmail,
    register,
    resend_verification,
    verify_email,
)
from bailiwick.identity.application.sign_in import RefreshSession, refresh_session
from bailiwick.identity.domain.consent import TermsNotAccepted
from bailiwick.identity.domain.link import LinkInvalid
from bailiwick.identity.domain.password import PasswordReused, WeakPassword
from bailiwick.identity.domain.role import RankTooLow, RoleAssignmentNotPermitted, RoleChangeNotPermitted
from bailiwick.identity.domain.sign_in import SignInGuard
from bailiwick.identity.domain.user import AccountInactive, EmailTaken, InvalidCredentials
from bailiwick.kernel.application import Actor, PermissionRequired, TooMany
from bailiwick.kernel.domain import NotFound
from tests.identity.conftest import PASSWORD, Town, actor, persistently
from tests.identity.people import PHONE

NEW = "quiet-harbour-61"
ADA = Register("Ada@example.com", PASSWORD, "Ada Lovelace", True, PHONE)


def quietly(town: Town) -> None:
    town.rule(lambda rules: replace(rules, registration=RegistrationMode.VERIFIED))


async def test_who_registers_is_signed_in_and_asked_to_prove_the_address(town: Town) -> None:
    signed_in = await register(ADA, town.ports)
    assert signed_in is not None
    await refresh_session(RefreshSession(signed_in.refresh_token, PHONE), town.ports)
    await town.deliver()
    assert [mail.to for mail in town.mailbox.messages] == ["Ada@example.com"]
    await verify_email(VerifyEmail(town.mailbox.token()), town.ports)
    assert (await town.stored(signed_in.user)).email_verified_at == town.now


async def test_an_address_registers_once_whatever_its_spelling(town: Town) -> None:
    await register(ADA, town.ports)
    with pytest.raises(EmailTaken) as refusal:
        await register(replace(ADA, email="ada@EXAMPLE.com"), town.ports)
    assert refusal.value.field == "email"


async def test_of_many_who_register_one_address_at_once_one_succeeds(town: Town) -> None:
    results = await asyncio.gather(*(register(ADA, town.ports) for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(result, EmailTaken) for result in results) == 19


async def test_terms_and_password_are_looked_at_before_anything_is_stored(town: Town) -> None:
    with pytest.raises(TermsNotAccepted):
        await register(replace(ADA, accept_terms=False), town.ports)
    with pytest.raises(WeakPassword):
        await register(replace(ADA, password="password1234"), town.ports)
    await register(ADA, town.ports)


async def test_in_verified_mode_nobody_learns_whether_an_address_is_taken(town: Town) -> None:
    await town.join()
    quietly(town)
    for email in ("ada@example.com", "new@example.com"):
        assert await register(replace(ADA, email=email), town.ports) is None
    await town.deliver()
    subjects = {mail.to: mail.subject for mail in town.mailbox.messages}
    assert "already" in subjects["Ada@example.com" if "Ada@example.com" in subjects else "ada@example.com"]
    assert "confirm" in subjects["new@example.com"]


async def test_in_verified_mode_one_signs_in_after_proving_the_address(town: Town) -> None:
    quietly(town)
    await register(ADA, town.ports)
    with pytest.raises(AccountInactive):
        await town.enter()
    await town.deliver()
    await verify_email(VerifyEmail(town.mailbox.token()), town.ports)
    await town.enter()


async def test_in_verified_mode_registering_at_once_still_tells_nothing(town: Town) -> None:
    quietly(town)
    results = await asyncio.gather(*(register(ADA, town.ports) for _ in range(10)))
    assert results == [None] * 10


async def test_a_verification_link_works_once_and_a_new_one_kills_the_older(town: Town) -> None:
    user = await town.join()
    await resend_verification(ResendVerification(actor(user)), town.ports)
    await town.deliver()
    older = town.mailbox.token()
    await resend_verification(ResendVerification(actor(user)), town.ports)
    await town.deliver()
    newer = town.mailbox.token()
    with pytest.raises(LinkInvalid):
        await verify_email(VerifyEmail(older), town.ports)
    await verify_email(VerifyEmail(newer), town.ports)
    with pytest.raises(LinkInvalid):
        await verify_email(VerifyEmail(newer), town.ports)


async def test_verification_mails_are_limited(town: Town) -> None:
    user = await town.join()
    for _ in range(5):
        await resend_verification(ResendVerification(actor(user)), town.ports)
    with pytest.raises(TooMany):
        await resend_verification(ResendVerification(actor(user)), town.ports)


async def test_a_forgotten_password_is_reset_by_a_link_that_ends_all_sessions(town: Town) -> None:
    user = await town.join()
    signed_in = await town.enter()
    await forget_password(ForgetPassword("ADA@example.com"), town.ports)
    await town.deliver()
    await reset_password(ResetPassword(town.mailbox.token(), NEW), town.ports)
    assert await town.why_ended(signed_in) == "password_reset"
    with pytest.raises(InvalidCredentials):
        await town.enter()
    await town.enter(password=NEW)
    assert (await town.stored(user)).email_verified_at is not None
    await town.deliver()
    assert "was changed" in town.mailbox.messages[-1].subject


async def test_asking_for_an_unknown_address_does_the_same_and_sends_nothing(town: Town) -> None:
    await town.join()
    database, counts = town.backend.platform.database, []
    for email in ("ada@example.com", "nobody@example.com"):
        before = database.statements
        await forget_password(ForgetPassword(email), town.ports)
        counts.append(database.statements - before)
    assert counts[0] == counts[1]
    await town.deliver()
    assert len(town.mailbox.messages) == 1


async def test_a_reset_link_is_used_once_by_however_many_at_once(town: Town) -> None:
    await town.join()
    await forget_password(ForgetPassword("ada@example.com"), town.ports)
    await town.deliver()
    command = ResetPassword(town.mailbox.token(), NEW)
    results = await asyncio.gather(
        *(persistently(lambda: reset_password(command, town.ports)) for _ in range(20)),
        return_exceptions=True,
    )
    assert results.count(None) == 1
    assert all(result is None or isinstance(result, LinkInvalid | PasswordReused) for result in results)


async def test_a_reset_link_dies_with_a_newer_one_a_new_password_and_time(town: Town) -> None:
    user = await town.join()
    tokens = []
    for _ in range(2):
        await forget_password(ForgetPassword("ada@example.com"), town.ports)
        await town.deliver()
        tokens.append(town.mailbox.token())
    with pytest.raises(LinkInvalid):
        await reset_password(ResetPassword(tokens[0], NEW), town.ports)
    await change_password(ChangePassword(PASSWORD, NEW, actor(user)), town.ports)
    with pytest.raises(LinkInvalid):
        await reset_password(ResetPassword(tokens[1], "another-harbour-5"), town.ports)
    await forget_password(ForgetPassword("ada@example.com"), town.ports)
    await town.deliver()
    town.wait(seconds=3600)
    with pytest.raises(LinkInvalid):
        await reset_password(ResetPassword(town.mailbox.token(), "another-harbour-5"), town.ports)


async def test_a_refused_password_does_not_use_the_link_up(town: Town) -> None:
    await town.join()
    await forget_password(ForgetPassword("ada@example.com"), town.ports)
    await town.deliver()
    with pytest.raises(WeakPassword):
        await reset_password(ResetPassword(town.mailbox.token(), "short"), town.ports)
    with pytest.raises(PasswordReused):
        await reset_password(ResetPassword(town.mailbox.token(), PASSWORD), town.ports)
    await reset_password(ResetPassword(town.mailbox.token(), NEW), town.ports)


async def test_a_verification_token_resets_no_password(town: Town) -> None:
    user = await town.join()
    await resend_verification(ResendVerification(actor(user)), town.ports)
    await town.deliver()
    with pytest.raises(LinkInvalid):
        await reset_password(ResetPassword(town.mailbox.token(), NEW), town.ports)


async def test_mails_to_one_address_are_limited_without_saying_so(town: Town) -> None:
    await town.join()
    for _ in range(7):
        await forget_password(ForgetPassword("ada@example.com"), town.ports)
    await town.deliver()
    await reset_password(ResetPassword(town.mailbox.token(), NEW), town.ports)


async def test_a_reset_opens_a_locked_account(town: Town) -> None:
    await town.join()
    town.rule(lambda rules: replace(rules, sign_in=SignInGuard(limit=1)))
    device = replace(PHONE, id=None)
    with pytest.raises(InvalidCredentials):
        await town.enter(password="wrong", device=device)
    with pytest.raises(TooMany):
        await town.enter(device=device)
    await forget_password(ForgetPassword("ada@example.com"), town.ports)
    await town.deliver()
    await reset_password(ResetPassword(town.mailbox.token(), NEW), town.ports)
    await town.enter(password=NEW, device=device)


async def test_changing_the_password_keeps_this_session_and_ends_the_others(town: Town) -> None:
    user = await town.join()
    here, there = await town.enter(), await town.enter()
    await change_password(ChangePassword(PASSWORD, NEW, actor(user, here)), town.ports)
    assert [await town.why_ended(each) for each in (here, there)] == [None, "password_changed"]
    await refresh_session(RefreshSession(here.refresh_token, PHONE), town.ports)
    await town.deliver()
    assert "was changed" in town.mailbox.messages[-1].subject


async def test_changing_the_password_takes_the_current_one_and_no_old_one(town: Town) -> None:
    user = await town.join()
    with pytest.raises(WrongPassword):
        await change_password(ChangePassword("wrong", NEW, actor(user)), town.ports)
    current = PASSWORD
    for number in range(5):
        following = f"quiet-harbour-6{number}"
        await change_password(ChangePassword(current, following, actor(user)), town.ports)
        current = following
    for old in (PASSWORD, "quiet-harbour-60", current):
        with pytest.raises(PasswordReused):
            await change_password(ChangePassword(current, old, actor(user)), town.ports)
    await change_password(ChangePassword(current, "quiet-harbour-69", actor(user)), town.ports)
    await change_password(ChangePassword("quiet-harbour-69", PASSWORD, actor(user)), town.ports)


async def test_the_current_password_cannot_be_guessed_with_a_stolen_token(town: Town) -> None:
    user = await town.join()
    town.rule(lambda rules: replace(rules, sign_in=SignInGuard(limit=2)))
    for _ in range(2):
        with pytest.raises(WrongPassword):
            await change_password(ChangePassword("wrong", NEW, actor(user)), town.ports)
    with pytest.raises(TooMany):
        await change_password(ChangePassword(PASSWORD, NEW, actor(user)), town.ports)
    await town.enter()


async def test_an_admin_sets_no_password_unless_that_is_switched_on(town: Town) -> None:
    user, admin = await town.join(), await town.join("admin@example.com", "admin")
    with pytest.raises(DirectPasswordsOff):
        await set_password(SetPassword(user.id, NEW, actor(admin)), town.ports)
    town.rule(lambda rules: replace(rules, admins_set_passwords=True))
    with pytest.raises(RankTooLow):
        await set_password(SetPassword(admin.id, NEW, actor(admin)), town.ports)
    await set_password(SetPassword(user.id, NEW, actor(admin)), town.ports)
    assert (await town.stored(user)).must_change_password


async def test_an_admin_starts_a_reset_and_only_the_owner_gets_the_link(town: Town) -> None:
    user, admin = await town.join(), await town.join("admin@example.com", "admin")
    await start_password_reset(StartPasswordReset(user.id, actor(admin)), town.ports)
    await town.deliver()
    assert [mail.to for mail in town.mailbox.messages] == ["ada@example.com"]
    await reset_password(ResetPassword(town.mailbox.token(), NEW), town.ports)


async def test_who_is_made_without_a_password_chooses_one_by_mail(town: Town) -> None:
    admin = await town.join("admin@example.com", "admin")
    await create_user(CreateUser("new@example.com", "New Person", actor(admin)), town.ports)
    with pytest.raises(InvalidCredentials):
        await town.enter("new@example.com")
    await town.deliver()
    await reset_password(ResetPassword(town.mailbox.token(), NEW), town.ports)
    await town.enter("new@example.com", NEW)


async def test_only_a_super_admin_makes_admins(town: Town) -> None:
    admin = await town.join("admin@example.com", "admin")
    root = await create_super_admin(CreateSuperAdmin("root@example.com", "Root", PASSWORD), town.ports)
    command = CreateUser("new@example.com", "New Person", actor(admin), role="admin")
    with pytest.raises(RoleAssignmentNotPermitted):
        await create_user(command, town.ports)
    with pytest.raises(RoleAssignmentNotPermitted):
        await import_user(
            ImportUser("x@example.com", "X", str(admin.password_hash), actor(admin), role="admin"), town.ports
        )
    assert (await create_user(replace(command, by=actor(root)), town.ports)).role == "admin"


async def test_there_is_one_super_admin_unless_forced(town: Town) -> None:
    command = CreateSuperAdmin("root@example.com", "Root", PASSWORD)
    await create_super_admin(command, town.ports)
    with pytest.raises(SuperAdminExists):
        await create_super_admin(replace(command, email="two@example.com"), town.ports)
    await create_super_admin(replace(command, email="two@example.com", force=True), town.ports)
    await town.enter("root@example.com")


async def test_a_hash_that_nobody_can_verify_is_not_imported(town: Town) -> None:
    admin = await town.join("admin@example.com", "admin")
    with pytest.raises(HashUnknown):
        await import_user(ImportUser("x@example.com", "X", "$6$sha512crypt", actor(admin)), town.ports)


async def test_roles_are_granted_and_revoked_and_repeating_it_changes_nothing(town: Town) -> None:
    user, admin = await town.join(), await town.join("admin@example.com", "admin")
    for _ in range(2):
        granted = await grant_role(GrantRole(user.id, "staff", actor(admin)), town.ports)
        assert (granted.role, granted.stamp) == ("staff", 2)
    for _ in range(2):
        revoked = await revoke_role(RevokeRole(user.id, "staff", actor(admin)), town.ports)
        assert (revoked.role, revoked.stamp) == ("user", 3)


async def test_the_lowest_roles_are_not_revoked(town: Town) -> None:
    user, admin = await town.join(role="guest"), await town.join("admin@example.com", "admin")
    with pytest.raises(RoleChangeNotPermitted):
        await revoke_role(RevokeRole(user.id, "guest", actor(admin)), town.ports)


async def test_who_lacks_the_permission_is_refused_whoever_it_is_about(town: Town, nobody: Actor) -> None:
    user = await town.join()
    for id in (user.id, nobody.id):
        for attempt in (
            deactivate_user(DeactivateUser(id, nobody), town.ports),
            activate_user(ActivateUser(id, nobody), town.ports),
            delete_user(DeleteUser(id, nobody), town.ports),
            restore_user(RestoreUser(id, nobody), town.ports),
            grant_role(GrantRole(id, "staff", nobody), town.ports),
            revoke_role(RevokeRole(id, "staff", nobody), town.ports),
            set_password(SetPassword(id, NEW, nobody), town.ports),
            start_password_reset(StartPasswordReset(id, nobody), town.ports),
        ):
            with pytest.raises(PermissionRequired):
                await attempt


async def test_a_suspended_account_is_let_in_again(town: Town) -> None:
    user, admin = await town.join(), await town.join("admin@example.com", "admin")
    await deactivate_user(DeactivateUser(user.id, actor(admin)), town.ports)
    await activate_user(ActivateUser(user.id, actor(admin)), town.ports)
    await town.enter()


async def test_a_deleted_account_frees_its_address_and_cannot_come_back_while_it_is_used(town: Town) -> None:
    user, admin = await town.join(), await town.join("admin@example.com", "admin")
    signed_in = await town.enter()
    await delete_user(DeleteUser(user.id, actor(admin)), town.ports)
    assert await town.why_ended(signed_in) == "deleted"
    with pytest.raises(InvalidCredentials):
        await town.enter()
    with pytest.raises(NotFound):
        await delete_user(DeleteUser(user.id, actor(admin)), town.ports)
    second = await town.join()
    with pytest.raises(EmailTaken):
        await restore_user(RestoreUser(user.id, actor(admin)), town.ports)
    await delete_user(DeleteUser(second.id, actor(admin)), town.ports)
    assert (await restore_user(RestoreUser(user.id, actor(admin)), town.ports)).deleted_at is None
    await town.enter()
