"""The mails that follow from what happened. Each may run more than once: a mail twice beats a mail lost."""

from bailiwick.identity.application.letters import (
    password_changed_letter,
    repeated_registration_letter,
    reset_letter,
    verification_letter,
)
from bailiwick.identity.application.ports import IdentityPorts, TokenKind
from bailiwick.identity.contract import (
    EmailVerificationRequested,
    PasswordChanged,
    PasswordResetRequested,
    RegistrationRepeated,
)
from bailiwick.identity.domain.link import Link, LinkId
from bailiwick.identity.domain.user import User, UserId


async def on_password_reset_requested(event: PasswordResetRequested, ports: IdentityPorts) -> None:
    found = await _still_wanted(event, ports)
    if found is not None:
        user, link = found
        token = ports.seals.seal(TokenKind.RESET, link.id, link.seed)
        await ports.mail.send(reset_letter(user.email.address, token, ports.rules))


async def on_email_verification_requested(event: EmailVerificationRequested, ports: IdentityPorts) -> None:
    found = await _still_wanted(event, ports)
    if found is not None:
        user, link = found
        token = ports.seals.seal(TokenKind.VERIFY, link.id, link.seed)
        await ports.mail.send(verification_letter(user.email.address, token, ports.rules))


async def on_registration_repeated(event: RegistrationRepeated, ports: IdentityPorts) -> None:
    found = await _still_wanted(event, ports)
    if found is not None:
        user, link = found
        token = ports.seals.seal(TokenKind.RESET, link.id, link.seed)
        await ports.mail.send(repeated_registration_letter(user.email.address, token, ports.rules))


async def on_password_changed(event: PasswordChanged, ports: IdentityPorts) -> None:
    async with ports.uow() as uow:
        user = await uow.users.get(UserId(event.user_id))
    await ports.mail.send(password_changed_letter(user.email.address, ports.rules))


async def _still_wanted(
    event: PasswordResetRequested | EmailVerificationRequested | RegistrationRepeated, ports: IdentityPorts
) -> tuple[User, Link] | None:
    """The link to send and who gets it; None where nobody has the address or the link is overtaken."""
    async with ports.uow() as uow:
        link = await uow.links.find(LinkId(event.link_id))
        if link is None or link.user_id is None:
            return None
        user = await uow.users.get(link.user_id)
    return (user, link) if link.works(user, ports.clock()) else None
