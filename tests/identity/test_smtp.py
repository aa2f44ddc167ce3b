"""Mails over SMTP: a server that hangs, refuses or is away holds nothing up for long."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bailiwick.identity.application.ports import Message
from bailiwick.identity.infrastructure.mail import SmtpMail
from bailiwick.kernel.application import Unavailable
from bailiwick.kernel.resilience import NotCalled, Outbound

MESSAGE = Message("a@example.com", "Hello", "text")


class Server:
    """Speaks just enough SMTP. `hangs_at` and `refuses` are words that it does not answer, or refuses."""

    def __init__(self, hangs_at: str = "nothing", refuses: str = "nothing") -> None:
        self.hangs_at, self.refuses = hangs_at, refuses
        self.visitors = 0
        self.mails: list[str] = []

    async def visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visitors += 1
        text, in_data = "", False
        writer.write(b"220 here\r\n")
        while line := (await reader.readline()).decode():
            if in_data:
                text += line
                if line != ".\r\n":
                    continue
                in_data = False
                self.mails.append(text)
            word = line.split()[0].upper()
            if word == self.hangs_at:
                continue
            if word == self.refuses:
                writer.write(b"550 not this one\r\n")
            elif word == "DATA":
                in_data = True
                writer.write(b"354 go on\r\n")
            else:
                writer.write(b"221 bye\r\n" if word == "QUIT" else b"250 fine\r\n")
        writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self.visit, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]


def mail_to(port: int, seconds: float = 30.0) -> SmtpMail:
    out = Outbound("mail", timeout=seconds, opens_after=3, most_at_once=2, patience=0.1)
    return SmtpMail("127.0.0.1", port, "no-reply@example.com", starttls=False, outbound=out)


async def test_a_mail_is_handed_over_once() -> None:
    server = Server()
    async with server.running() as port:
        await mail_to(port).send(MESSAGE)
    assert len(server.mails) == 1
    assert "Subject: Hello" in server.mails[0]


async def test_a_mail_that_may_have_been_taken_is_not_sent_again_by_us() -> None:
    server = Server(hangs_at=".")
    async with server.running() as port:
        with pytest.raises(Unavailable):
            await mail_to(port, seconds=0.3).send(MESSAGE)
        await asyncio.sleep(0.1)
    assert (server.visitors, len(server.mails)) == (1, 1)


async def test_a_server_that_hangs_is_left_and_its_thread_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    deliver = SmtpMail._deliver

    def watched(self: SmtpMail, *args: object) -> None:
        try:
            deliver(self, *args)  # type: ignore[arg-type]  # passed on as they come
        finally:
            ended.set()

    monkeypatch.setattr(SmtpMail, "_deliver", watched)
    async with Server(hangs_at="MAIL").running() as port:
        with pytest.raises(Unavailable) as refusal:
            await mail_to(port, seconds=0.3).send(MESSAGE)
        assert refusal.value.retry_after == 30
        assert await asyncio.to_thread(ended.wait, 2)


async def test_a_recipient_who_is_refused_does_not_stop_the_mails_of_others() -> None:
    server = Server(refuses="RCPT")
    async with server.running() as port:
        mail = mail_to(port)
        for _ in range(5):
            with pytest.raises(Unavailable):
                await mail.send(MESSAGE)
        server.refuses = "nothing"
        await mail.send(MESSAGE)
    assert len(server.mails) == 1


async def test_a_server_that_fails_again_and_again_is_left_alone() -> None:
    async with Server().running() as port:
        mail = mail_to(port)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await mail.send(MESSAGE)
    with pytest.raises(Unavailable) as refusal:
        await mail.send(MESSAGE)
    assert isinstance(refusal.value.__cause__, NotCalled)
