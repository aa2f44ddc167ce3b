"""How profiles follow their accounts. News may come late, twice, or after the owner's first visit."""

from contextlib import suppress
from dataclasses import replace

from bailiwick.identity.contract import EmailVerified, UserDeleted, UserRegistered, UserRestored
from bailiwick.kernel.domain import Invalid, NotFound
from bailiwick.profiles.application.ports import ProfilesPorts
from bailiwick.profiles.application.profiles import settled
from bailiwick.profiles.domain.profile import Account, Profile, ProfileId, Username


async def on_user_registered(event: UserRegistered, ports: ProfilesPorts) -> None:
    """Make the profile, with the username that was asked for unless somebody has got it meanwhile."""
    now, wanted = ports.clock(), _wanted(event)
    async with ports.uow() as uow:
        profile = await uow.profiles.of_or_deleted(event.user_id)
        if profile is None:
            account = Account(email=event.email, full_name=event.full_name)
            profile = Profile.create(ProfileId(ports.new_id()), event.user_id, account, now)
            uow.profiles.add(profile)
        nameless = profile.username is None and profile.deleted_at is None
        if wanted is not None and nameless and await uow.profiles.is_free(wanted):
            profile.choose_username(wanted, now)
        # A name taken since we looked fails this delivery; the next one sees that and goes without.
        await uow.commit(None)


def _wanted(event: UserRegistered) -> Username | None:
    try:
        return None if event.username is None else Username.of(event.username)
    except Invalid:
        return None


async def on_email_verified(event: EmailVerified, ports: ProfilesPorts) -> None:
    """Note that the address is proved; make the profile where the news of the account is later than this."""
    async with ports.uow() as uow:
        profile = await uow.profiles.of_or_deleted(event.user_id)
        if profile is not None:
            proved = replace(profile.account, email=event.email, email_verified=True)
            profile.hear(proved, ports.clock())
            await uow.commit(None)
            return
    with suppress(NotFound):  # deleted meanwhile
        account = await ports.accounts.of(event.user_id)
        await settled(event.user_id, replace(account, email_verified=True), ports)


async def on_user_deleted(event: UserDeleted, ports: ProfilesPorts) -> None:
    async with ports.uow() as uow:
        profile = await uow.profiles.of(event.user_id)
        if profile is not None:
            profile.delete(ports.clock())
        await uow.commit(None)


async def on_user_restored(event: UserRestored, ports: ProfilesPorts) -> None:
    account = Account(email=event.email, full_name=event.full_name)
    await settled(event.user_id, account, ports)
