"""Getting an account, and proving the address it has."""

from dataclasses import dataclass, field
from datetime import datetime

from bailiwick.identity.application.credentials import genuine, owner, read_link
from bailiwick.identity.application.ports import (
    IdentityPorts,
    RegistrationMode,
    TokenKind,
)
from bailiwick.identity.application.sign_in import SignedIn, begin_session, signed_in
from bailiwick.identity.domain.consent import Consent, ConsentId
from bailiwick.identity.domain.link import Link, LinkId, LinkPurpose
from bailiwick.identity.domain.session import Device
from bailiwick.identity.domain.sign_in import Bucket
from bailiwick.identity.domain.user import Email, EmailTaken, User, UserId, UserStatus
from bailiwick.kernel.application import Actor, TooMany


@dataclass(frozen=True)
class Register:
    email: str
    password: str = field(repr=False)
    full_name: str
    accept_terms: bool
    device: Device
    username: str | None = None
    phone: str | None = None
    organization: str | None = None


async def register(command: Register, ports: IdentityPorts) -> SignedIn | None:
    """Make an account. In verified mode the answer is None whether or not the address was free.

    Raises EmailInvalid, PhoneInvalid, WeakPassword, TermsNotAccepted, EmailTaken (open mode) and what
    profiles raises for the username.
    """
    email = ports.contacts.email(command.email)
    now = ports.clock()
    user, consent = _applicant(command, email, ports, now)
    if command.username is not None:
        await ports.usernames.check(command.username)
    if ports.rules.registration is RegistrationMode.VERIFIED:
        await _register_quietly(user, consent, command.password, ports)
        return None
    return await _register_openly(user, consent, command, ports)


def _applicant(command: Register, email: Email, ports: IdentityPorts, now: datetime) -> tuple[User, Consent]:
    """Everything that can be refused without looking at other accounts; the password is hashed later."""
    rules = ports.rules
    verified = rules.registration is RegistrationMode.VERIFIED
    user = User.register(
        UserId(ports.new_id()),
        email,
        command.full_name,
        now,
        password_hash=None,
        status=UserStatus.PENDING if verified else UserStatus.ACTIVE,
        phone=ports.contacts.phone(command.phone) if command.phone else None,
        organization=command.organization,
        username=command.username,
    )
    about = (email.address.split("@")[0], user.full_name, rules.product)
    rules.passwords.check(command.password, about)
    consent = Consent.give(
        ConsentId(ports.new_id()),
        user.id,
        accepted=command.accept_terms,
        document="terms",
        edition=rules.terms_edition,
        address=command.device.address,
        now=now,
    )
    return user, consent


async def _register_openly(user: User, consent: Consent, command: Register, ports: IdentityPorts) -> SignedIn:
    async with ports.uow() as uow:
        if await uow.users.by_email(user.email.key) is not None:
            raise EmailTaken("this email address has an account", field="email")
    user.receive_password(await ports.passwords.hash(command.password))
    now = user.created_at
    session = begin_session(user, command.device, ports, now, remember=False, crowd=[])
    user.last_login_at = now
    async with ports.uow() as uow:
        uow.users.add(user)
        uow.consents.add(consent)
        uow.sessions.add(session)
        uow.links.add(_verification(user, ports, now))
        role = await uow.roles.named(user.role)
        await uow.commit(None)
    return signed_in(user, role, session, ports, now)


async def _register_quietly(user: User, consent: Consent, password: str, ports: IdentityPorts) -> None:
    """Hash first, whoever has the address: the time must not tell."""
    user.receive_password(await ports.passwords.hash(password))
    async with ports.uow() as uow:
        holder = await uow.users.by_email(user.email.key)
        if holder is not None:
            uow.links.add(
                Link.remind(
                    LinkId(ports.new_id()),
                    holder,
                    ports.seals.new_seed(),
                    ports.rules.reset_lifetime,
                    user.created_at,
                )
            )
        else:
            uow.users.add(user)
            uow.consents.add(consent)
            uow.links.add(_verification(user, ports, user.created_at))
        try:
            await uow.commit(None)
        except EmailTaken:
            # Somebody registered the address at the same moment, and gets the mail.
            return


def _verification(user: User, ports: IdentityPorts, now: datetime) -> Link:
    return Link.request(
        LinkId(ports.new_id()),
        LinkPurpose.VERIFY,
        user.email.key,
        user.id,
        ports.seals.new_seed(),
        ports.rules.verify_lifetime,
        now,
    )


@dataclass(frozen=True)
class VerifyEmail:
    token: str = field(repr=False)


async def verify_email(command: VerifyEmail, ports: IdentityPorts) -> None:
    """Use a verification link. Raises LinkInvalid."""
    sealed = read_link(TokenKind.VERIFY, command.token, ports)
    now = ports.clock()
    async with ports.uow() as uow:
        link = genuine(sealed, await uow.links.find(LinkId(sealed.id)), ports)
        user = await uow.users.get(owner(link))
        link.use(user, now)
        user.verify_email(now)
        await uow.links.kill_all(user.email.key, now, purpose=LinkPurpose.VERIFY, except_=link.id)
        await uow.commit(None)


@dataclass(frozen=True)
class ResendVerification:
    by: Actor


async def resend_verification(command: ResendVerification, ports: IdentityPorts) -> None:
    """Send another verification link, which replaces the older ones. Quiet where nothing is left to prove.

    Raises TooMany.
    """
    now = ports.clock()
    async with ports.uow() as uow:
        user = await uow.users.live(UserId(command.by.id))
    if user.email_verified_at is not None:
        return
    letters = ports.rules.letters
    bucket = Bucket.letters(user.email.key)
    attempt = await ports.attempts.reserve(bucket, now, limit=letters.limit, window=letters.window)
    if letters.exceeded(attempt):
        raise TooMany("too many mails were asked for: wait", retry_after=attempt.wait(now))
    link = _verification(user, ports, now)
    async with ports.uow() as uow:
        uow.links.add(link)
        await uow.links.kill_all(user.email.key, now, purpose=LinkPurpose.VERIFY, except_=link.id)
        await uow.commit(None)
