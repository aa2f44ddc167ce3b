"""The harness on real servers: it sees what is slower, and says when its own session is worth nothing."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest

from bench.load import Clients, WrongAnswer, latencies, workloads
from bench.pairs import is_void
from bench.servers import FLOOR, Server, uvicorn
from bench.session import SHORT, Session, measure
from bench.staging import Town

PLANTED = "tests.bench.planted:create_app"
PACE = replace(SHORT, slice=0.4, warm_up=0.2, pairs=5)


@pytest.fixture(scope="module")
def session(
    postgres: str, town_url: str, town: Town, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Session]:
    session = Session(postgres, town_url, town.plan, tmp_path_factory.mktemp("bench"), PACE)
    with session.stack:
        yield session


@pytest.fixture(scope="module")
def floor(session: Session) -> Server:
    return session.floor("floor", partial(uvicorn, FLOOR))


async def test_a_planted_slow_down_shows_and_voids_a_session(
    session: Session, floor: Server, town: Town
) -> None:
    slowed = session.floor("slowed", partial(uvicorn, PLANTED))
    found = await session.pairs(workloads(town)["W1"], slowed, floor, lambda done: None)
    assert found.cpu.high < 0.8
    assert found.rate.high < 0.9
    assert is_void(found)


async def test_every_workload_gets_the_answers_that_it_expects(floor: Server, town: Town) -> None:
    load = workloads(town)
    for name in ("W1", "W2", "W6", "W9"):
        found = await measure(Clients(load[name], floor.port, 2), floor, 0.1)
        assert found.rate > 0


async def test_clients_go_on_where_they_stopped(floor: Server, town: Town) -> None:
    clients = Clients(workloads(town)["W6"], floor.port, 2)
    assert [(await clients.run(0.1))[0] > 0 for _ in range(2)] == [True, True]


async def test_a_wrong_answer_ends_the_measurement(floor: Server, town: Town) -> None:
    creating = workloads(town)["W9"]
    creating.status = b"200"
    with pytest.raises(WrongAnswer, match="201"):
        await Clients(creating, floor.port, 1).run(5)


async def test_an_open_loop_waits_for_every_answer(floor: Server, town: Town) -> None:
    found = await latencies(workloads(town)["W1"], floor.port, per_second=200, seconds=0.3)
    assert len(found) == 60
    assert 0 < min(found) < max(found) < 30
