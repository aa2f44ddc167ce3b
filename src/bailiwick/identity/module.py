"""Wires the context: the only place where its ports meet their adapters."""

from datetime import timedelta
from functools import partial

from bailiwick.identity.application.ports import IdentityPorts, IdentityRules, Mail, RegistrationMode
from bailiwick.identity.application.subscribers import (
    on_email_verification_requested,
    on_password_changed,
    on_password_reset_requested,
    on_registration_repeated,
)
from bailiwick.identity.contract import (
    AccessTokens,
    EmailVerificationRequested,
    Identity,
    IdentityPermission,
    PasswordChanged,
    PasswordResetRequested,
    RegistrationRepeated,
)
from bailiwick.identity.domain.password import PasswordPolicy
from bailiwick.identity.domain.session import SessionRules
from bailiwick.identity.domain.sign_in import SignInGuard
from bailiwick.identity.infrastructure.attempts import SqlAttempts
from bailiwick.identity.infrastructure.cleaning import Cleaning
from bailiwick.identity.infrastructure.contacts import LibraryContacts
from bailiwick.identity.infrastructure.key_ring import KeyRing
from bailiwick.identity.infrastructure.mail import ConsoleMail, SmtpMail
from bailiwick.identity.infrastructure.passwords import Argon2Passwords, HashingSettings, common_passwords
from bailiwick.identity.infrastructure.queries import SqlIdentity
from bailiwick.identity.infrastructure.revocations import Revocations, SqlAccessTokens
from bailiwick.identity.infrastructure.roles import KnownRoles
from bailiwick.identity.infrastructure.seals import HmacSeals
from bailiwick.identity.infrastructure.tokens import JwtAccessTokens, TokenVerifier
from bailiwick.identity.infrastructure.unit_of_work import SqlIdentityUnitOfWork
from bailiwick.identity.infrastructure.usernames import ProfileUsernames
from bailiwick.identity.interfaces.http import sign_in, users
from bailiwick.kernel.http.authentication import Authentication
from bailiwick.kernel.messaging.handlers import Subscription
from bailiwick.kernel.module import Module, Platform
from bailiwick.kernel.observability import hash_pool_busy, hash_pool_waiting, watch
from bailiwick.kernel.settings import Settings


def module(platform: Platform) -> Module:
    settings, database = platform.settings, platform.database
    ring = KeyRing(
        settings.secret_key.get_secret_value(),
        [key.get_secret_value() for key in settings.previous_secret_keys],
    )
    issuer, seconds = settings.http.public_url, settings.sessions.access_seconds
    tokens = JwtAccessTokens(ring, issuer=issuer, seconds=seconds)
    access, verifier = SqlAccessTokens(database, tokens, platform.clock), TokenVerifier()
    authentication = Authentication(verifier.verify)
    revocations = Revocations(access, verifier, authentication)
    ports = _ports(platform, ring, tokens)
    opened = ports.rules.registration is RegistrationMode.OPEN
    registration = sign_in.open_router if opened else sign_in.verified_router
    return Module(
        "identity",
        routers=(registration, sign_in.router, users.router, sign_in.root),
        provides=(ports, tokens),
        subscriptions=_subscriptions(ports),
        contracts={Identity: SqlIdentity(database), AccessTokens: access},
        permissions=frozenset(IdentityPermission),
        authentication=authentication,
        before=(revocations.read,),
        background=(revocations.watch, Cleaning(database, platform.clock).run),
    )


def _ports(platform: Platform, ring: KeyRing, tokens: JwtAccessTokens) -> IdentityPorts:
    settings, database = platform.settings, platform.database
    roles = KnownRoles(database)
    passwords = _passwords(settings)
    watch(hash_pool_busy, lambda: passwords.busy)
    watch(hash_pool_waiting, lambda: passwords.waiting)
    return IdentityPorts(
        uow=lambda: SqlIdentityUnitOfWork(database, roles),
        clock=platform.clock,
        new_id=platform.new_id,
        rules=_rules(settings),
        passwords=passwords,
        attempts=SqlAttempts(database),
        access=tokens,
        seals=HmacSeals(ring),
        contacts=LibraryContacts(settings.phone_region),
        usernames=ProfileUsernames(platform.contracts),
        mail=_mail(settings),
    )


def _passwords(settings: Settings) -> Argon2Passwords:
    hashing, pepper = settings.passwords.argon2, settings.passwords.pepper
    return Argon2Passwords(
        HashingSettings(
            memory_kib=hashing.memory_kib,
            passes=hashing.time_cost,
            lanes=hashing.parallelism,
            workers=settings.passwords.hash_workers,
            wait_seconds=settings.passwords.hash_wait,
            pepper=pepper.get_secret_value() if pepper else None,
        )
    )


def _rules(settings: Settings) -> IdentityRules:
    return IdentityRules(
        public_url=settings.http.public_url,
        registration=RegistrationMode(settings.registration.mode),
        verified_sign_in=settings.email_verification == "before_login",
        passwords=PasswordPolicy(
            shortest=settings.passwords.min_length,
            classic=settings.passwords.profile == "classic",
            remembered=settings.passwords.history,
            common=common_passwords(),
        ),
        sessions=SessionRules(
            idle=timedelta(days=settings.sessions.idle_days),
            absolute=timedelta(days=settings.sessions.absolute_days),
            unremembered=timedelta(hours=settings.sessions.short_hours),
            grace=timedelta(seconds=settings.sessions.grace_seconds),
            cap=settings.sessions.most_per_user,
        ),
        sign_in=SignInGuard(
            limit=settings.sign_in.failures, window=timedelta(seconds=settings.sign_in.window_seconds)
        ),
        reset_lifetime=timedelta(seconds=settings.reset_seconds),
        verify_lifetime=timedelta(seconds=settings.verify_seconds),
        admins_set_passwords=settings.passwords.admin_may_set,
    )


def _mail(settings: Settings) -> Mail:
    mail = settings.mail
    if mail.adapter == "console":
        return ConsoleMail()
    password = mail.password.get_secret_value() if mail.password else ""
    return SmtpMail(mail.host or "", mail.port, mail.sender, mail.username or "", password, mail.starttls)


def _subscriptions(ports: IdentityPorts) -> tuple[Subscription, ...]:
    return (
        Subscription(
            "identity.on_password_reset_requested",
            PasswordResetRequested,
            partial(on_password_reset_requested, ports=ports),
        ),
        Subscription(
            "identity.on_email_verification_requested",
            EmailVerificationRequested,
            partial(on_email_verification_requested, ports=ports),
        ),
        Subscription(
            "identity.on_registration_repeated",
            RegistrationRepeated,
            partial(on_registration_repeated, ports=ports),
        ),
        Subscription(
            "identity.on_password_changed", PasswordChanged, partial(on_password_changed, ports=ports)
        ),
    )
