"""Sessions: refresh tokens of one family, lost answers, stolen tokens, and ends."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.identity.contract import UserLoggedIn, UserLoggedOut
from bailiwick.identity.domain.session import (
    Device,
    EndReason,
    InvalidToken,
    Refreshed,
    Session,
    SessionEnded,
    SessionExpired,
    SessionId,
)
from tests.identity.people import BY, LATER, NOW, PHONE, RULES, a_session, a_user

GRACE = timedelta(seconds=10)
LAPTOP = Device(id="laptop-1", name=None, user_agent="Browser/9", address="192.0.2.1")


def test_starting_a_session_is_a_fact_with_the_device_but_no_secret() -> None:
    user = a_user()
    session = Session.start(SessionId(BY), user, PHONE, "5eed", RULES, NOW, remember=True)
    (event,) = session.pull_events()
    assert event == UserLoggedIn(
        occurred_at=NOW,
        user_id=user.id,
        session_id=BY,
        address="192.0.2.1",
        user_agent="App/1.0",
        device_name="Ada's phone",
    )
    assert "5eed" not in repr(event)
    assert "5eed" not in repr(session)


def test_a_remembered_session_lives_7_idle_days_and_30_in_all() -> None:
    session = a_session(remember=True)
    assert session.over(NOW + timedelta(days=7) - timedelta(seconds=1)) is None
    assert session.over(NOW + timedelta(days=7)) is EndReason.IDLE
    assert session.absolute_expires_at == NOW + timedelta(days=30)


def test_a_session_that_is_not_remembered_lives_24_hours() -> None:
    session = a_session(remember=False)
    session.refresh(0, PHONE, RULES, NOW + timedelta(hours=23))
    assert session.over(NOW + timedelta(hours=24)) is EndReason.ABSOLUTE


def test_use_puts_the_idle_end_off_but_never_past_the_absolute_one() -> None:
    session = a_session()
    for day in range(6, 30, 6):
        assert (
            session.refresh(session.generation, PHONE, RULES, NOW + timedelta(days=day)) is Refreshed.ROTATED
        )
    assert session.idle_expires_at == session.absolute_expires_at == NOW + timedelta(days=30)
    assert session.over(NOW + timedelta(days=30)) is EndReason.ABSOLUTE


def test_using_the_current_token_makes_the_next_generation() -> None:
    session = a_session()
    assert session.refresh(0, PHONE, RULES, LATER) is Refreshed.ROTATED
    assert (session.generation, session.rotated_at, session.last_used_at) == (1, LATER, LATER)


def test_a_client_that_lost_the_answer_gets_the_same_successor_within_10_seconds() -> None:
    session = a_session()
    session.refresh(0, PHONE, RULES, NOW)
    for seconds in (0, 1, 10):
        assert session.refresh(0, PHONE, RULES, NOW + timedelta(seconds=seconds)) is Refreshed.REPEATED
    assert session.generation == 1
    assert session.rotated_at == NOW
    assert session.pull_events() == []


def test_a_spent_token_after_the_grace_ends_the_family() -> None:
    session = a_session()
    session.refresh(0, PHONE, RULES, NOW)
    assert session.refresh(0, PHONE, RULES, NOW + GRACE + timedelta(microseconds=1)) is Refreshed.REUSED
    assert session.end_reason is EndReason.REUSE_DETECTED
    assert [type(event) for event in session.pull_events()] == [UserLoggedOut]


def test_a_token_two_generations_old_is_never_forgiven() -> None:
    session = a_session()
    session.refresh(0, PHONE, RULES, NOW)
    session.refresh(1, PHONE, RULES, NOW)
    assert session.refresh(0, PHONE, RULES, NOW) is Refreshed.REUSED


@pytest.mark.parametrize("device", [LAPTOP, replace(PHONE, id="phone-2"), replace(PHONE, user_agent="App/6")])
def test_the_grace_is_for_the_same_device_only(device: Device) -> None:
    session = a_session()
    session.refresh(0, PHONE, RULES, NOW)
    assert session.refresh(0, device, RULES, NOW) is Refreshed.REUSED


@pytest.mark.parametrize(
    "device", [replace(PHONE, id=None), replace(PHONE, address="198.51.100.7", name=None)]
)
def test_a_device_may_move_and_need_not_repeat_its_id(device: Device) -> None:
    session = a_session()
    session.refresh(0, PHONE, RULES, NOW)
    assert session.refresh(0, device, RULES, NOW) is Refreshed.REPEATED


def test_a_token_from_the_future_is_no_token() -> None:
    session = a_session()
    with pytest.raises(InvalidToken):
        session.refresh(1, PHONE, RULES, NOW)
    assert session.ended_at is None


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 15), st.booleans()), max_size=30))
def test_whatever_is_presented_there_is_one_lineage_until_reuse_ends_it(
    uses: list[tuple[int, int, bool]],
) -> None:
    session, now = a_session(), NOW
    for presented, seconds, same_device in uses:
        now += timedelta(seconds=seconds)
        before = session.generation
        if session.ended_at is not None or presented > before:
            continue
        outcome = session.refresh(presented, PHONE if same_device else LAPTOP, RULES, now)
        assert session.generation == before + (outcome is Refreshed.ROTATED)
        assert (outcome is Refreshed.ROTATED) == (presented == before)
        assert (outcome is Refreshed.REUSED) == (session.ended_at is not None)
        if outcome is Refreshed.REPEATED:
            assert session.rotated_at is not None
            assert now - session.rotated_at <= GRACE
            assert presented == before - 1
            assert same_device


def test_an_ended_session_says_why() -> None:
    user = a_user()
    session = a_session(user)
    session.end(EndReason.REVOKED, NOW)
    with pytest.raises(SessionEnded) as refusal:
        session.must_live(user, NOW)
    assert refusal.value.code == "session_ended"
    assert refusal.value.extra["reason"] == "revoked"


def test_an_expired_session_says_so() -> None:
    user = a_user()
    with pytest.raises(SessionExpired) as refusal:
        a_session(user).must_live(user, NOW + timedelta(days=8))
    assert refusal.value.code == "session_expired"


def test_the_first_end_is_the_one_that_counts() -> None:
    session = a_session()
    assert session.end(EndReason.LOGGED_OUT, NOW)
    assert not session.end(EndReason.REVOKED, LATER)
    assert (session.ended_at, session.end_reason) == (NOW, EndReason.LOGGED_OUT)
    assert len(session.pull_events()) == 1


def test_a_sign_in_under_way_does_not_outlive_a_password_change() -> None:
    user = a_user()
    session = a_session(user)
    user.change_password("hash-1", NOW)
    with pytest.raises(SessionEnded):
        session.must_live(user, NOW)


def test_the_session_in_which_the_password_was_changed_goes_on() -> None:
    user = a_user()
    session = a_session(user)
    user.change_password("hash-1", NOW, kept_session=session.id)
    session.trust(user.stamp)
    session.must_live(user, NOW)
