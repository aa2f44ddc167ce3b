"""Live connections are told of the order to stop before the server is."""

import asyncio
import os
import signal

import pytest
import uvloop

from bailiwick import serving
from bailiwick.serving import PatientLoop


def order_of_leaving(loop: uvloop.Loop, monkeypatch: pytest.MonkeyPatch, seconds: float = 0.05) -> list[str]:
    """Who hears of an order to stop, in turn, where the farewell takes so long."""
    told: list[str] = []

    async def farewell() -> None:
        told.append("connections")
        await asyncio.sleep(seconds)
        told.append("connections have gone")

    def stop() -> None:
        told.append("server")
        loop.stop()

    monkeypatch.setattr(serving, "farewells", [farewell])
    loop.add_signal_handler(signal.SIGUSR1, stop)
    for after in (0.0, 0.01):  # twice, as where both the terminal and the parent send it
        loop.call_later(after, os.kill, os.getpid(), signal.SIGUSR1)
    loop.call_later(5, loop.stop)
    loop.run_forever()
    loop.remove_signal_handler(signal.SIGUSR1)
    loop.close()
    return told


def test_the_server_stops_once_the_connections_have_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    told = order_of_leaving(PatientLoop(), monkeypatch)
    assert told == ["connections", "connections have gone", "server"]


def test_connections_that_do_not_go_hold_up_nothing_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "FAREWELL_SECONDS", 0.1)
    assert order_of_leaving(PatientLoop(), monkeypatch, seconds=60) == ["connections", "server"]


def test_a_loop_that_says_no_farewell_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert order_of_leaving(uvloop.Loop(), monkeypatch)[0] == "server"
