"""Cursors say how far somebody has heard, whatever becomes visible late."""

from uuid import UUID

import pytest

from bailiwick.kernel.ids import first_id, moment
from bailiwick.kernel.live.news import Message, public_name
from bailiwick.kernel.live.positions import MOST_LISTED, Position
from tests.kernel.http.listening import an_id


def test_a_position_survives_its_journey() -> None:
    position = Position(1_700_000_000_123, (an_id(), an_id(3)))
    assert Position.read(position.written()) == position
    assert Position.read(Position(0).written()) == Position(0)


@pytest.mark.parametrize(
    "text", ["0", "A", "AQ", "AgAAAAAAAA", "AQAAAAAAAAA", "é", "!" * 12, Position(0).written() * 100, "\0"]
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="this is no cursor"):
        Position.read(text)


def test_a_position_goes_no_further_than_what_has_become_visible_for_good() -> None:
    early, late = an_id(5), an_id(1)
    horizon = moment(an_id(15))
    assert Position.after([early, late], horizon) == Position(horizon, (early, late))
    assert Position.after([], horizon) == Position(horizon)


def test_a_position_in_the_past_names_only_what_lies_at_its_moment() -> None:
    old, older = an_id(100), an_id(200)
    assert Position.after([older, old], moment(an_id())) == Position(moment(old), (old,))


def test_a_position_is_bounded() -> None:
    heard = [an_id() for _ in range(MOST_LISTED + 5)]
    assert Position.after(heard, 0).heard == tuple(heard[-MOST_LISTED:])


def test_the_first_id_of_a_moment_is_below_all_of_it() -> None:
    id = an_id()
    assert first_id(moment(id)) <= id < first_id(moment(id) + 1)
    assert first_id(-5) == UUID(int=0)


def test_names_for_users_are_made_by_one_rule() -> None:
    assert public_name("tasks.TaskMoved") == "tasks.task_moved"
    assert public_name("identity.UserLoggedOut") == "identity.user_logged_out"


def test_a_message_is_written_once_for_all_who_hear_it() -> None:
    message = Message("tasks.task_moved", "abc", data={"title": "two\nlines"})
    assert message.event is message.event
    assert message.frame is message.frame
    assert message.event.split(b"\n") == [
        b"id: abc",
        b"event: tasks.task_moved",
        b'data: {"type":"tasks.task_moved","cursor":"abc","data":{"title":"two\\nlines"}}',
        b"",
        b"",
    ]
