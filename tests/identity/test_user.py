"""Accounts: who may do what to whom, and what that changes."""

from collections.abc import Callable
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.identity.contract import (
    EmailVerified,
    PasswordChanged,
    RoleChanged,
    UserActivated,
    UserDeactivated,
    UserDeleted,
    UserLoggedOut,
    UserRegistered,
    UserRestored,
)
from bailiwick.identity.domain.consent import Consent, ConsentId, TermsNotAccepted
from bailiwick.identity.domain.role import (
    RankTooLow,
    Role,
    RoleAssignmentNotPermitted,
    RoleChangeNotPermitted,
)
from bailiwick.identity.domain.user import (
    AccountInactive,
    ActivationChangeNotPermitted,
    DeletionNotPermitted,
    Email,
    InvalidCredentials,
    User,
    UserStatus,
)
from bailiwick.kernel.domain import Invalid
from tests.identity.people import BY, LATER, NOW, ROLES, a_user

SUPER, ADMIN, STAFF, USER, GUEST = (
    ROLES[name] for name in ("super_admin", "admin", "staff", "user", "guest")
)
EVERY_ROLE = st.sampled_from(list(ROLES.values()))


def test_registering_says_who_came_and_never_how_they_prove_it() -> None:
    user = User.register(
        a_user().id,
        Email("Ada@example.com", "ada@example.com"),
        " Ada  Lovelace ",
        NOW,
        password_hash="secret",
    )
    (event,) = user.pull_events()
    assert isinstance(event, UserRegistered)
    assert (event.email, event.full_name) == ("Ada@example.com", "Ada Lovelace")
    assert "secret" not in str(asdict(event))
    assert "secret" not in repr(user)


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "Ada\x07Lovelace", "nul\0nul"])
def test_a_full_name_has_1_to_100_printable_characters(name: str) -> None:
    with pytest.raises(Invalid) as refusal:
        User.register(a_user().id, Email("a@example.com", "a@example.com"), name, NOW, password_hash=None)
    assert refusal.value.field == "full_name"


def test_a_single_letter_is_a_name() -> None:
    user = User.register(a_user().id, Email("a@example.com", "a@example.com"), "O", NOW, password_hash=None)
    assert user.full_name == "O"


def test_an_organization_has_at_most_100_characters() -> None:
    with pytest.raises(Invalid) as refusal:
        User.register(
            a_user().id,
            Email("a@example.com", "a@example.com"),
            "A",
            NOW,
            password_hash=None,
            organization="x" * 101,
        )
    assert refusal.value.field == "organization"


@pytest.mark.parametrize("status", [UserStatus.PENDING, UserStatus.SUSPENDED])
def test_who_is_pending_or_suspended_learns_so_only_by_the_right_password(status: UserStatus) -> None:
    with pytest.raises(AccountInactive) as refusal:
        a_user(status=status).must_be_usable()
    assert refusal.value.extra["status"] == status


def test_an_unproved_address_keeps_out_only_where_that_is_asked_for() -> None:
    user = a_user()
    user.must_be_usable()
    with pytest.raises(AccountInactive):
        user.must_be_usable(verified=True)
    user.verify_email(NOW)
    user.must_be_usable(verified=True)


def test_a_deleted_account_is_refused_like_one_that_never_was() -> None:
    user = a_user()
    user.delete(USER, ADMIN, NOW, by_id=BY)
    with pytest.raises(InvalidCredentials):
        user.must_be_usable()


def test_changing_the_password_remembers_the_last_five_and_takes_tokens_back() -> None:
    user = a_user()
    for number in range(1, 8):
        user.change_password(f"hash-{number}", LATER)
    assert user.password_hash == "hash-7"
    assert user.password_history == ("hash-6", "hash-5", "hash-4", "hash-3", "hash-2")
    assert user.used_hashes == ("hash-7", *user.password_history)
    assert user.password_set_at == LATER
    assert user.stamp == 8
    assert all(isinstance(event, PasswordChanged) for event in user.pull_events())


def test_how_many_passwords_are_remembered_can_be_set() -> None:
    user = a_user()
    user.change_password("hash-1", NOW, remembered=0)
    assert user.used_hashes == ("hash-1",)


def test_no_event_of_a_password_carries_a_hash() -> None:
    user = a_user()
    user.change_password("hash-1", NOW)
    user.set_password("hash-2", NOW, by=BY)
    assert "hash-" not in str([asdict(event) for event in user.pull_events()])


def test_a_password_that_somebody_else_set_has_to_be_changed() -> None:
    user = a_user()
    user.set_password("hash-1", NOW, by=BY)
    assert user.must_change_password
    user.change_password("hash-2", NOW)
    assert not user.must_change_password


def test_a_better_hash_of_the_same_password_changes_nothing_else() -> None:
    user = a_user()
    user.upgrade_hash("better", LATER)
    assert (user.password_hash, user.password_history, user.stamp) == ("better", (), 1)
    assert user.pull_events() == []


def test_proving_the_address_activates_who_waited_for_it() -> None:
    user = a_user(status=UserStatus.PENDING)
    user.verify_email(NOW)
    assert user.status is UserStatus.ACTIVE
    assert [type(event) for event in user.pull_events()] == [EmailVerified, UserActivated]


def test_proving_the_address_does_not_lift_a_suspension() -> None:
    user = a_user(status=UserStatus.SUSPENDED)
    user.verify_email(NOW)
    assert user.status is UserStatus.SUSPENDED


def test_proving_the_address_twice_is_quiet() -> None:
    user = a_user()
    user.verify_email(NOW)
    user.pull_events()
    user.verify_email(LATER)
    assert user.email_verified_at == NOW
    assert user.pull_events() == []


def test_logging_out_everywhere_takes_tokens_back() -> None:
    user = a_user()
    user.log_out_everywhere(NOW, reason="logged_out_everywhere")
    (event,) = user.pull_events()
    assert isinstance(event, UserLoggedOut)
    assert event.session_id is None
    assert user.stamp == 2


def test_changing_a_role_says_from_what_to_what_and_takes_tokens_back() -> None:
    user = a_user()
    assert user.change_role(USER, STAFF, ADMIN, NOW, by_id=BY)
    (event,) = user.pull_events()
    assert isinstance(event, RoleChanged)
    assert (event.old, event.new, event.by, event.stamp) == ("user", "staff", BY, user.stamp)
    assert user.stamp == 2


def test_granting_the_role_that_is_held_is_quiet() -> None:
    user = a_user("staff")
    assert not user.change_role(STAFF, STAFF, ADMIN, NOW, by_id=BY)
    assert user.pull_events() == []
    assert user.stamp == 1


@given(EVERY_ROLE, EVERY_ROLE)
def test_the_role_of_a_super_admin_never_changes(new: Role, by: Role) -> None:
    user = a_user("super_admin")
    with pytest.raises(RoleChangeNotPermitted):
        user.change_role(SUPER, new, by, NOW, by_id=BY)
    assert user.role == "super_admin"


@given(EVERY_ROLE, EVERY_ROLE)
def test_nobody_becomes_a_super_admin_by_a_grant(held: Role, by: Role) -> None:
    with pytest.raises((RoleAssignmentNotPermitted, RoleChangeNotPermitted)):
        a_user(held.name).change_role(held, SUPER, by, NOW, by_id=BY)


@given(EVERY_ROLE, EVERY_ROLE, EVERY_ROLE)
def test_one_grants_only_below_oneself_and_only_to_those_below(held: Role, new: Role, by: Role) -> None:
    user = a_user(held.name)
    allowed = held is not SUPER and new.assignable and by.rank > held.rank and by.rank > new.rank
    try:
        user.change_role(held, new, by, NOW, by_id=BY)
    except (RankTooLow, RoleAssignmentNotPermitted, RoleChangeNotPermitted):
        assert not allowed
        assert user.role == held.name
    else:
        assert allowed
        assert user.role == new.name


@pytest.mark.parametrize("by", [ADMIN, STAFF, USER, GUEST, Role("owner", 90, ())])
def test_only_a_super_admin_makes_or_unmakes_an_admin_whatever_roles_are_added(by: Role) -> None:
    with pytest.raises(RoleAssignmentNotPermitted):
        a_user().change_role(USER, ADMIN, by, NOW, by_id=BY)
    with pytest.raises((RankTooLow, RoleAssignmentNotPermitted)):
        a_user("admin").change_role(ADMIN, USER, by, NOW, by_id=BY)
    assert a_user().change_role(USER, ADMIN, SUPER, NOW, by_id=BY)
    assert a_user("admin").change_role(ADMIN, USER, SUPER, NOW, by_id=BY)


def test_a_role_that_is_not_assignable_is_granted_to_nobody() -> None:
    with pytest.raises(RoleAssignmentNotPermitted):
        a_user().change_role(USER, Role("machine", 10, (), assignable=False), SUPER, NOW, by_id=BY)


@given(EVERY_ROLE)
def test_a_super_admin_is_never_deactivated_or_deleted(by: Role) -> None:
    user = a_user("super_admin")
    with pytest.raises(ActivationChangeNotPermitted):
        user.deactivate(SUPER, by, NOW, by_id=BY)
    with pytest.raises(DeletionNotPermitted):
        user.delete(SUPER, by, NOW, by_id=BY)
    user.must_be_usable()


@given(EVERY_ROLE.filter(lambda role: role is not SUPER), EVERY_ROLE)
def test_one_suspends_deletes_and_restores_only_those_below(held: Role, by: Role) -> None:
    for act in (User.deactivate, User.activate, User.delete, User.restore):
        user = a_user(held.name)
        if by.rank > held.rank:
            act(user, held, by, NOW, by_id=BY)
        else:
            with pytest.raises(RankTooLow):
                act(user, held, by, NOW, by_id=BY)
            assert user.pull_events() == []


def test_deactivating_takes_tokens_back_and_a_second_time_is_quiet() -> None:
    user = a_user()
    assert user.deactivate(USER, ADMIN, NOW, by_id=BY)
    assert [type(event) for event in user.pull_events()] == [UserDeactivated]
    assert (user.status, user.stamp) == (UserStatus.SUSPENDED, 2)
    assert not user.deactivate(USER, ADMIN, LATER, by_id=BY)
    assert user.pull_events() == []


def test_activating_lets_in_again_and_a_second_time_is_quiet() -> None:
    user = a_user(status=UserStatus.SUSPENDED)
    assert user.activate(USER, ADMIN, NOW, by_id=BY)
    assert [type(event) for event in user.pull_events()] == [UserActivated]
    assert not user.activate(USER, ADMIN, NOW, by_id=BY)
    assert user.pull_events() == []


def test_a_deleted_account_comes_back_as_it_was() -> None:
    user = a_user("staff", status=UserStatus.SUSPENDED)
    assert user.delete(STAFF, ADMIN, NOW, by_id=BY)
    assert not user.delete(STAFF, ADMIN, LATER, by_id=BY)
    assert user.deleted_at == NOW
    assert user.restore(STAFF, ADMIN, LATER, by_id=BY)
    assert not user.restore(STAFF, ADMIN, LATER, by_id=BY)
    assert (user.status, user.role) == (UserStatus.SUSPENDED, "staff")
    assert [type(event) for event in user.pull_events()] == [UserDeleted, UserRestored]


def test_terms_are_accepted_by_the_person_never_by_default() -> None:
    user = a_user()
    given_consent = Consent.give(
        ConsentId(BY), user.id, accepted=True, document="terms", edition="3", address="192.0.2.1", now=NOW
    )
    assert (given_consent.edition, given_consent.given_at) == ("3", NOW)
    with pytest.raises(TermsNotAccepted) as refusal:
        Consent.give(
            ConsentId(BY), user.id, accepted=False, document="terms", edition="3", address="", now=NOW
        )
    assert refusal.value.field == "accept_terms"


def test_the_stamp_grows_with_whatever_must_end_the_tokens_in_circulation() -> None:
    user, seen = a_user(), [1]
    acts: list[Callable[[], object]] = [
        lambda: user.change_password("h1", NOW),
        lambda: user.change_role(USER, STAFF, ADMIN, NOW, by_id=BY),
        lambda: user.deactivate(STAFF, ADMIN, NOW, by_id=BY),
        lambda: user.delete(STAFF, ADMIN, NOW, by_id=BY),
        lambda: user.log_out_everywhere(NOW, reason="logged_out_everywhere"),
    ]
    for act in acts:
        act()
        seen.append(user.stamp)
    assert seen == [1, 2, 3, 4, 5, 6]
