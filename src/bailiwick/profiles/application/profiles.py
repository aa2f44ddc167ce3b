"""The use cases of profiles: each command stands right above the function that carries it out."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from bailiwick.kernel.application import Actor, Contention
from bailiwick.profiles.application.ports import ProfilesPorts
from bailiwick.profiles.domain.profile import Account, Profile, ProfileId, Username, UsernameTaken


@dataclass(frozen=True)
class OpenProfile:
    """For an account whose news has not arrived yet."""

    by: Actor


async def open_profile(command: OpenProfile, ports: ProfilesPorts) -> Profile:
    """The caller's profile, made or brought back if need be. Raises NotFound for nobody's account."""
    account = await ports.accounts.of(command.by.id)
    return await settled(command.by.id, account, ports)


async def settled(user_id: UUID, account: Account, ports: ProfilesPorts) -> Profile:
    """The profile of an account that exists, as it must be: there, and up to date."""
    now = ports.clock()
    try:
        async with ports.uow() as uow:
            profile = await uow.profiles.of_or_deleted(user_id)
            if profile is None:
                profile = Profile.create(ProfileId(ports.new_id()), user_id, account, now)
                uow.profiles.add(profile)
            elif profile.deleted_at is not None:
                free = profile.username is None or await uow.profiles.is_free(profile.username)
                profile.restore(now, username_is_free=free)
            profile.hear(account, now)
            return await uow.commit(profile)
    except (Contention, UsernameTaken):
        # Somebody was quicker, with the profile or with its old name. A read is run again by nobody else.
        return await settled(user_id, account, ports)


@dataclass(frozen=True)
class ChangeProfile:
    """Take over the named details."""

    changes: Mapping[str, object]
    by: Actor
    version: int | None = None


async def change_profile(command: ChangeProfile, ports: ProfilesPorts) -> Profile:
    async with ports.uow() as uow:
        profile = await uow.profiles.of(command.by.id, version=command.version)
        if profile is not None:
            profile.change(command.changes, ports.clock())
            return await uow.commit(profile)
    await open_profile(OpenProfile(command.by), ports)
    return await change_profile(command, ports)


@dataclass(frozen=True)
class ChooseUsername:
    username: str
    by: Actor
    version: int | None = None


async def choose_username(command: ChooseUsername, ports: ProfilesPorts) -> Profile:
    """Raises UsernameReserved and UsernameTaken."""
    username = Username.of(command.username)
    async with ports.uow() as uow:
        profile = await uow.profiles.of(command.by.id, version=command.version)
        if profile is not None:
            profile.choose_username(username, ports.clock())
            return await uow.commit(profile)
    await open_profile(OpenProfile(command.by), ports)
    return await choose_username(command, ports)
