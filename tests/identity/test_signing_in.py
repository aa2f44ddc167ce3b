"""Signing in and out and staying signed in, on both databases."""

import asyncio
from dataclasses import replace

import bcrypt
import pytest

from bailiwick.identity.application.accounts import (
    DeactivateUser,
    GrantRole,
    ImportUser,
    deactivate_user,
    grant_role,
    import_user,
)
from bailiwick.identity.application.credentials import SetPassword, set_password
from bailiwick.identity.application.sign_in import (
    EndSession,
    LogIn,
    LogOut,
    LogOutEverywhere,
    RefreshSession,
    SignedIn,
    end_session,
    log_in,
    log_out,
    log_out_everywhere,
    refresh_session,
)
from bailiwick.identity.domain.session import Device, InvalidToken, SessionEnded, SessionExpired, TokenReused
from bailiwick.identity.domain.sign_in import SignInGuard
from bailiwick.identity.domain.user import AccountInactive, InvalidCredentials, PasswordChangeRequired
from bailiwick.kernel.application import TooMany
from bailiwick.kernel.domain import NotFound
from tests.identity.conftest import PASSWORD, Town, actor, persistently
from tests.identity.people import PHONE

STRANGER = Device(id="stranger-1", name=None, user_agent="Evil/1", address="203.0.113.9")


def again(signed_in: SignedIn, device: Device = PHONE) -> RefreshSession:
    return RefreshSession(signed_in.refresh_token, device)


async def test_the_right_password_opens_a_session(town: Town) -> None:
    user = await town.join()
    signed_in = await town.enter()
    assert signed_in.user.id == user.id
    assert signed_in.expires_in == 900
    assert (await town.stored(user)).last_login_at == town.now
    assert (await refresh_session(again(signed_in), town.ports)).session.id == signed_in.session.id


async def test_an_unknown_address_and_a_wrong_password_get_the_same_answer(town: Town) -> None:
    await town.join()
    refusals = []
    for email in ("ada@example.com", "nobody@example.com", "no address at all", "\0"):
        with pytest.raises(InvalidCredentials) as refusal:
            await town.enter(email, "wrong")
        refusals.append((refusal.value.code, refusal.value.detail, refusal.value.field, refusal.value.extra))
    assert all(each == refusals[0] for each in refusals)


async def test_an_unknown_address_takes_as_many_statements_as_a_wrong_password(town: Town) -> None:
    await town.join()
    database, counts = town.backend.platform.database, []
    for email in ("ada@example.com", "nobody@example.com"):
        before = database.statements
        with pytest.raises(InvalidCredentials):
            await town.enter(email, "wrong")
        counts.append(database.statements - before)
    assert counts[0] == counts[1]


async def test_only_the_right_password_learns_that_an_account_is_suspended(town: Town) -> None:
    user, admin = await town.join(), await town.join("admin@example.com", "admin")
    await deactivate_user(DeactivateUser(user.id, actor(admin)), town.ports)
    with pytest.raises(InvalidCredentials):
        await town.enter(password="wrong")
    with pytest.raises(AccountInactive):
        await town.enter()


async def test_guesses_beyond_the_limit_are_refused_unseen_even_the_right_one(town: Town) -> None:
    await town.join()
    town.rule(lambda rules: replace(rules, sign_in=SignInGuard(limit=3)))
    for email in ("ada@example.com", "ADA@example.com", " Ada@Example.com "):
        with pytest.raises(InvalidCredentials):
            await town.enter(email, "wrong", STRANGER)
    with pytest.raises(TooMany) as refusal:
        await town.enter(device=STRANGER)
    assert refusal.value.retry_after == 900
    town.wait(minutes=15)
    await town.enter(device=STRANGER)


async def test_unknown_addresses_are_limited_alike(town: Town) -> None:
    town.rule(lambda rules: replace(rules, sign_in=SignInGuard(limit=1)))
    with pytest.raises(InvalidCredentials):
        await town.enter("nobody@example.com")
    with pytest.raises(TooMany):
        await town.enter("nobody@example.com")


async def test_a_stranger_cannot_lock_the_owner_out_of_a_known_device(town: Town) -> None:
    await town.join()
    town.rule(lambda rules: replace(rules, sign_in=SignInGuard(limit=2)))
    for _ in range(2):
        with pytest.raises(InvalidCredentials):
            await town.enter(password="wrong", device=STRANGER)
    with pytest.raises(TooMany):
        await town.enter(device=STRANGER)
    await town.enter(device=PHONE)


async def test_a_success_starts_the_count_afresh(town: Town) -> None:
    await town.join()
    town.rule(lambda rules: replace(rules, sign_in=SignInGuard(limit=2)))
    for _ in range(3):
        with pytest.raises(InvalidCredentials):
            await town.enter(password="wrong")
        await town.enter()


async def test_many_guesses_at_once_are_counted_one_by_one(town: Town) -> None:
    await town.join()
    town.rule(lambda rules: replace(rules, sign_in=SignInGuard(limit=5)))
    results = await asyncio.gather(
        *(town.enter(password="wrong", device=STRANGER) for _ in range(30)), return_exceptions=True
    )
    assert sum(isinstance(result, InvalidCredentials) for result in results) == 5
    assert sum(isinstance(result, TooMany) for result in results) == 25


async def test_an_imported_hash_is_upgraded_by_the_first_sign_in(town: Town) -> None:
    admin = await town.join("admin@example.com", "admin")
    hash = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    user = await import_user(ImportUser("old@example.com", "Old Friend", hash, actor(admin)), town.ports)
    await town.enter("old@example.com")
    stored = await town.stored(user)
    assert stored.password_hash is not None
    assert stored.password_hash.startswith("$argon2id$")
    assert (stored.last_login_at, stored.stamp) == (town.now, 1)
    await town.enter("old@example.com")


async def test_a_password_that_an_admin_set_is_replaced_while_signing_in(town: Town) -> None:
    user, admin = await town.join(), await town.join("admin@example.com", "admin")
    town.rule(lambda rules: replace(rules, admins_set_passwords=True))
    await set_password(SetPassword(user.id, "given-by-an-admin-7", actor(admin)), town.ports)
    with pytest.raises(PasswordChangeRequired):
        await town.enter(password="given-by-an-admin-7")
    command = LogIn("ada@example.com", "given-by-an-admin-7", PHONE, new_password="my-own-again-82")
    signed_in = await log_in(command, town.ports)
    await refresh_session(again(signed_in), town.ports)
    await town.enter(password="my-own-again-82")


async def test_the_oldest_session_makes_room(town: Town) -> None:
    await town.join()
    town.rule(lambda rules: replace(rules, sessions=replace(rules.sessions, cap=2)))
    sessions = []
    for _ in range(3):
        sessions.append(await town.enter())
        town.wait(seconds=1)
    assert [await town.why_ended(each) for each in sessions] == ["superseded", None, None]


async def test_fifty_uses_of_one_token_at_once_have_one_successor(town: Town) -> None:
    await town.join()
    signed_in = await town.enter()
    results = await asyncio.gather(
        *(persistently(lambda: refresh_session(again(signed_in), town.ports)) for _ in range(50))
    )
    assert len({result.refresh_token for result in results}) == 1
    assert results[0].refresh_token != signed_in.refresh_token
    assert (await refresh_session(again(results[0]), town.ports)).session.generation == 2


async def test_the_end_of_a_family_is_stored_although_the_answer_is_a_refusal(town: Town) -> None:
    await town.join()
    signed_in = await town.enter()
    newer = await refresh_session(again(signed_in), town.ports)
    town.wait(seconds=11)
    with pytest.raises(TokenReused):
        await refresh_session(again(signed_in), town.ports)
    assert await town.why_ended(signed_in) == "reuse_detected"
    with pytest.raises(SessionEnded):
        await refresh_session(again(newer), town.ports)


async def test_a_stolen_token_is_found_out_at_once_on_another_device(town: Town) -> None:
    await town.join()
    signed_in = await town.enter()
    await refresh_session(again(signed_in), town.ports)
    with pytest.raises(TokenReused):
        await refresh_session(again(signed_in, STRANGER), town.ports)


async def test_a_forged_token_ends_nothing(town: Town) -> None:
    await town.join()
    signed_in = await town.enter()
    forged = signed_in.refresh_token[:-4] + ("AAAA" if signed_in.refresh_token[-4:] != "AAAA" else "BBBB")
    for token in (forged, "nonsense", ""):
        with pytest.raises(InvalidToken):
            await refresh_session(RefreshSession(token, PHONE), town.ports)
    assert await town.why_ended(signed_in) is None


async def test_an_idle_session_expires(town: Town) -> None:
    await town.join()
    signed_in = await town.enter()
    town.wait(days=7)
    with pytest.raises(SessionExpired):
        await refresh_session(again(signed_in), town.ports)


async def test_logging_out_ends_this_session_only_and_may_be_repeated(town: Town) -> None:
    user = await town.join()
    here, there = await town.enter(), await town.enter()
    for _ in range(2):
        await log_out(LogOut(actor(user, here)), town.ports)
    assert [await town.why_ended(each) for each in (here, there)] == ["logged_out", None]


async def test_logging_out_everywhere_ends_all(town: Town) -> None:
    user = await town.join()
    sessions = [await town.enter(), await town.enter()]
    await log_out_everywhere(LogOutEverywhere(actor(user, sessions[0])), town.ports)
    assert {await town.why_ended(each) for each in sessions} == {"logged_out_everywhere"}
    assert (await town.stored(user)).stamp == 2
    await refresh_session(again(await town.enter()), town.ports)


async def test_one_ends_ones_own_sessions_and_never_learns_of_others(town: Town) -> None:
    user, other = await town.join(), await town.join("bob@example.com")
    mine, theirs = await town.enter(), await town.enter("bob@example.com")
    with pytest.raises(NotFound) as of_another:
        await end_session(EndSession(theirs.session.id, actor(user)), town.ports)
    with pytest.raises(NotFound) as of_nobody:
        await end_session(EndSession(other.id, actor(user)), town.ports)
    assert of_another.value.detail == of_nobody.value.detail
    await end_session(EndSession(mine.session.id, actor(user)), town.ports)
    assert await town.why_ended(mine) == "revoked"
    assert await town.why_ended(theirs) is None


async def test_a_suspended_user_cannot_refresh(town: Town) -> None:
    user, admin = await town.join(), await town.join("admin@example.com", "admin")
    signed_in = await town.enter()
    await deactivate_user(DeactivateUser(user.id, actor(admin)), town.ports)
    with pytest.raises(SessionEnded):
        await refresh_session(again(signed_in), town.ports)
    assert await town.why_ended(signed_in) == "deactivated"


async def test_another_role_takes_effect_at_the_next_refresh_without_signing_in_again(town: Town) -> None:
    user, admin = await town.join(), await town.join("admin@example.com", "admin")
    signed_in = await town.enter()
    await grant_role(GrantRole(user.id, "staff", actor(admin)), town.ports)
    refreshed = await refresh_session(again(signed_in), town.ports)
    assert (refreshed.user.role, refreshed.user.stamp) == ("staff", 2)
