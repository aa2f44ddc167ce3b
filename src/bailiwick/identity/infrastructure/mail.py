"""Sending mail: to the log while developing, by SMTP in earnest."""

import asyncio
import smtplib
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid, parseaddr

import structlog
from email_validator import validate_email

from bailiwick.identity.application.ports import Message
from bailiwick.kernel.application import Unavailable
from bailiwick.kernel.resilience import Outbound

TIMEOUT_SECONDS = 10.0  # for each answer of the server
MAIL_SECONDS = 30.0  # for all of them
MOST_AT_ONCE = 4
NOT_TAKEN = (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError)


class MailRefused(ValueError):
    """The mail must not be sent: a header would say more than it should."""


class MailNotTaken(Exception):
    """The server is there, but does not take this one mail."""


class ConsoleMail:
    """Writes mails to the log, links and all: for developers only."""

    async def send(self, message: Message) -> None:
        mail = composed(message, "no-reply@example.com")
        structlog.get_logger("mail").info(
            "mail", to=mail["To"], subject=mail["Subject"], text="\n" + message.text
        )


def _way_out() -> Outbound:
    return Outbound("mail", timeout=MAIL_SECONDS, recovers_after=30.0, most_at_once=MOST_AT_ONCE, patience=30)


@dataclass(frozen=True)
class SmtpMail:
    """Sends by one SMTP server, a connection a mail. `username` may be empty."""

    host: str
    port: int
    sender: str
    username: str = ""
    password: str = field(default="", repr=False)
    starttls: bool = True
    outbound: Outbound = field(default_factory=_way_out, repr=False, compare=False)

    async def send(self, message: Message) -> None:
        mail = composed(message, self.sender)
        try:
            # A mail that was taken without our hearing of it would come twice; its job tries again later.
            await self.outbound.call(lambda: self._hand_over(mail), idempotent=False)
        except (MailNotTaken, Unavailable) as error:
            raise Unavailable("the mail server does not take mail at the moment", retry_after=30) from error

    async def _hand_over(self, mail: EmailMessage) -> None:
        connected: list[smtplib.SMTP] = []
        try:
            await asyncio.to_thread(self._deliver, mail, connected)
        except NOT_TAKEN as refusal:
            raise MailNotTaken from refusal
        finally:
            for server in connected:
                _cut_off(server)

    def _deliver(self, mail: EmailMessage, connected: list[smtplib.SMTP]) -> None:
        with smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_SECONDS) as server:
            connected.append(server)
            if self.starttls:
                server.starttls(context=ssl.create_default_context())
            if self.username:
                server.login(self.username, self.password)
            server.send_message(mail)


def _cut_off(server: smtplib.SMTP) -> None:
    """End the thread that talks to `server` where it still does: a thread cannot be cancelled."""
    if server.sock is not None:
        with suppress(OSError):
            server.sock.shutdown(socket.SHUT_RDWR)


def composed(message: Message, sender: str) -> EmailMessage:
    """The mail as it goes over the wire. Raises MailRefused for control characters in a header."""
    for text in (message.to, message.subject):
        if not text.isprintable():
            raise MailRefused("control characters are not allowed in mail headers")
    to = validate_email(message.to, check_deliverability=False, allow_smtputf8=False).ascii_email
    mail = EmailMessage(policy=SMTP)
    mail["From"] = sender
    mail["To"] = to
    mail["Subject"] = message.subject
    mail["Date"] = formatdate(usegmt=True)
    mail["Message-ID"] = make_msgid(domain=parseaddr(sender)[1].partition("@")[2] or "localhost")
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text)
    return mail
