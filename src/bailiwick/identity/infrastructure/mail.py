"""Sending mail: to the log while developing, by SMTP in earnest."""

import asyncio
import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid, parseaddr

import structlog
from email_validator import validate_email

from bailiwick.identity.application.ports import Message
from bailiwick.kernel.application import Unavailable

TIMEOUT_SECONDS = 10.0


class MailRefused(ValueError):
    """The mail must not be sent: a header would say more than it should."""


class ConsoleMail:
    """Writes mails to the log, links and all: for developers only."""

    async def send(self, message: Message) -> None:
        mail = composed(message, "no-reply@example.com")
        structlog.get_logger("mail").info(
            "mail", to=mail["To"], subject=mail["Subject"], text="\n" + message.text
        )


@dataclass(frozen=True)
class SmtpMail:
    """Sends by one SMTP server, a connection a mail. `username` may be empty."""

    host: str
    port: int
    sender: str
    username: str = ""
    password: str = field(default="", repr=False)
    starttls: bool = True

    async def send(self, message: Message) -> None:
        mail = composed(message, self.sender)
        try:
            await asyncio.to_thread(self._deliver, mail)
        except (smtplib.SMTPException, OSError) as error:
            raise Unavailable("the mail server does not take mail at the moment", retry_after=30) from error

    def _deliver(self, mail: EmailMessage) -> None:
        with smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_SECONDS) as server:
            if self.starttls:
                server.starttls(context=ssl.create_default_context())
            if self.username:
                server.login(self.username, self.password)
            server.send_message(mail)


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
