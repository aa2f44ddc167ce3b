"""Links sent by mail: once, not for long, and only for whom they were made."""

from datetime import timedelta

import pytest
from uuid_utils.compat import uuid7

from bailiwick.identity.contract import (
    EmailVerificationRequested,
    PasswordResetRequested,
    RegistrationRepeated,
)
from bailiwick.identity.domain.link import Link, LinkId, LinkInvalid, LinkPurpose
from bailiwick.identity.domain.user import Email, User
from tests.identity.people import BY, LATER, NOW, ROLES, a_user

HOUR = timedelta(seconds=3600)


def a_link(user: User | None, purpose: LinkPurpose = LinkPurpose.RESET) -> Link:
    email = user.email if user else Email("nobody@example.com", "nobody@example.com")
    return Link.request(LinkId(uuid7()), purpose, email.key, user.id if user else None, "5eed", HOUR, NOW)


def test_a_link_works_once() -> None:
    user = a_user()
    link = a_link(user)
    link.use(user, LATER)
    assert link.used_at == LATER
    with pytest.raises(LinkInvalid):
        link.use(user, LATER)


def test_a_link_works_for_3600_seconds() -> None:
    user = a_user()
    assert a_link(user).works(user, NOW + HOUR - timedelta(microseconds=1))
    assert not a_link(user).works(user, NOW + HOUR)


def test_a_reset_link_is_dead_after_any_newer_password() -> None:
    user = a_user()
    link = a_link(user)
    user.change_password("hash-1", LATER)
    assert not link.works(user, LATER)


def test_a_verification_link_survives_a_newer_password() -> None:
    user = a_user()
    link = a_link(user, LinkPurpose.VERIFY)
    user.change_password("hash-1", LATER)
    assert link.works(user, LATER)


def test_a_link_is_dead_once_the_address_is_another() -> None:
    user = a_user()
    link = a_link(user)
    user.email = Email("new@example.com", "new@example.com")
    assert not link.works(user, LATER)


def test_a_link_works_for_its_owner_only_and_not_after_deletion() -> None:
    user = a_user()
    link = a_link(user)
    assert not link.works(a_user(), LATER)
    user.delete(ROLES["user"], ROLES["admin"], LATER, by_id=BY)
    assert not link.works(user, LATER)


def test_a_link_for_an_address_that_nobody_has_never_works() -> None:
    assert not a_link(None).works(a_user(), NOW)


@pytest.mark.parametrize(
    ("purpose", "fact"),
    [(LinkPurpose.RESET, PasswordResetRequested), (LinkPurpose.VERIFY, EmailVerificationRequested)],
)
def test_asking_for_a_link_is_a_fact_without_the_secret(purpose: LinkPurpose, fact: type) -> None:
    (event,) = a_link(a_user(), purpose).pull_events()
    assert type(event) is fact
    assert "5eed" not in repr(event)


def test_who_registers_again_is_reminded_with_a_reset_link() -> None:
    user = a_user()
    link = Link.remind(LinkId(uuid7()), user, "5eed", HOUR, NOW)
    (event,) = link.pull_events()
    assert isinstance(event, RegistrationRepeated)
    assert link.works(user, NOW)
