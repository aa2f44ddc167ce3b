"""Wires the context: the only place where its ports meet their adapters."""

from functools import partial

from bailiwick.identity.contract import EmailVerified, Identity, UserDeleted, UserRegistered, UserRestored
from bailiwick.kernel.messaging.handlers import Subscription
from bailiwick.kernel.module import Module, Platform
from bailiwick.profiles.application.ports import ProfilesPorts
from bailiwick.profiles.application.subscribers import (
    on_email_verified,
    on_user_deleted,
    on_user_registered,
    on_user_restored,
)
from bailiwick.profiles.contract import ProfileDirectory, ProfilesPermission
from bailiwick.profiles.infrastructure.accounts import IdentityAccounts
from bailiwick.profiles.infrastructure.queries import SqlProfileDirectory
from bailiwick.profiles.infrastructure.unit_of_work import SqlProfilesUnitOfWork
from bailiwick.profiles.interfaces.http import router


def module(platform: Platform) -> Module:
    ports = ProfilesPorts(
        uow=lambda: SqlProfilesUnitOfWork(platform.database),
        accounts=IdentityAccounts(partial(platform.contract, Identity)),
        clock=platform.clock,
        new_id=platform.new_id,
    )
    return Module(
        "profiles",
        routers=(router,),
        provides=(ports,),
        subscriptions=(
            Subscription(
                "profiles.on_user_registered", UserRegistered, partial(on_user_registered, ports=ports)
            ),
            Subscription(
                "profiles.on_email_verified", EmailVerified, partial(on_email_verified, ports=ports)
            ),
            Subscription("profiles.on_user_deleted", UserDeleted, partial(on_user_deleted, ports=ports)),
            Subscription("profiles.on_user_restored", UserRestored, partial(on_user_restored, ports=ports)),
        ),
        contracts={ProfileDirectory: SqlProfileDirectory(platform.database)},
        permissions=frozenset(ProfilesPermission),
    )
