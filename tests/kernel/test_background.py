"""What runs beside the requests goes on, whatever happens to it, until it is told to stop."""

import asyncio

import pytest

from bailiwick.backend import forever


async def test_a_loop_that_fails_runs_again_and_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    calls = 0
    again = asyncio.Event()

    async def loop() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ValueError("a mistake")
        again.set()
        await asyncio.Event().wait()

    running = asyncio.ensure_future(forever(loop))
    await asyncio.wait_for(again.wait(), 5)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert calls == 2
    assert "background_failed" in "".join(capfd.readouterr())
