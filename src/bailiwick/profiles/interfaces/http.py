"""The routes of profiles."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bailiwick.kernel.application import Actor, Page
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.listing import ListRequest
from bailiwick.kernel.http.requests import ExpectedVersion
from bailiwick.kernel.http.routing import Router
from bailiwick.profiles.application.ports import ProfilesPorts
from bailiwick.profiles.application.profiles import (
    ChangeProfile,
    ChooseUsername,
    OpenProfile,
    change_profile,
    choose_username,
    open_profile,
)
from bailiwick.profiles.contract import ProfilesPermission
from bailiwick.profiles.domain.profile import (
    LONGEST_BIO,
    LONGEST_DISPLAY_NAME,
    LONGEST_LOCALE,
    LONGEST_URL,
    LONGEST_USERNAME,
    SHORTEST_USERNAME,
    Profile,
)
from bailiwick.profiles.infrastructure.queries import PROFILES, ProfileView, own_profile

router = Router(
    "profiles",
    prefix="/api/v1/profiles",
    examples={
        "username": "ada.lovelace",
        "full_name": "Ada Lovelace",
        "display_name": "Ada",
        "bio": "Writes programs for engines.",
        "picture_url": "https://example.com/ada.png",
        "locale": "en",
        "time_zone": "Africa/Windhoek",
        "profile_completion": 80,
    },
)

DisplayName = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_DISPLAY_NAME, pattern=r"\S")]
Bio = Annotated[str, StringConstraints(max_length=LONGEST_BIO)]
PictureUrl = Annotated[str, StringConstraints(max_length=LONGEST_URL, pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://")]
Locale = Annotated[str, StringConstraints(min_length=2, max_length=LONGEST_LOCALE)]
TimeZone = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class ProfileChanges(BaseModel):
    """Some fields of a profile: what is left out stays, and null takes away (RFC 7396)."""

    model_config = ConfigDict(extra="forbid")

    display_name: DisplayName | None = None
    bio: Bio | None = None
    picture_url: PictureUrl | None = None
    locale: Locale = Field(default_factory=str)
    time_zone: TimeZone = Field(default_factory=str)

    def changes(self) -> dict[str, object]:
        return self.model_dump(exclude_unset=True)


class UsernameBody(BaseModel):
    """A username: nobody else may have it, in any case."""

    model_config = ConfigDict(extra="forbid")

    username: Annotated[
        str,
        StringConstraints(
            min_length=SHORTEST_USERNAME, max_length=LONGEST_USERNAME, pattern=r"^[A-Za-z0-9._-]+$"
        ),
    ]


@router.get(listing=PROFILES)
async def list_profiles(asked: ListRequest, actor: Actor, database: Database) -> Page[ProfileView]:
    """Everybody's profiles: filtered, sorted, searched. Needs the permission `profiles.read`."""
    actor.require(ProfilesPermission.READ_PROFILES)
    return await PROFILES.page(database, asked)


@router.get("/me")
async def read_mine(actor: Actor, database: Database, ports: ProfilesPorts) -> ProfileView:
    """The caller's profile. It is made now if that has not happened yet."""
    found = await own_profile(database, actor)
    return found or ProfileView.of(await open_profile(OpenProfile(actor), ports))


@router.patch("/me", view=ProfileView.of)
async def change_mine(
    body: ProfileChanges, version: ExpectedVersion, actor: Actor, ports: ProfilesPorts
) -> Profile:
    """Change some fields of the caller's profile."""
    return await change_profile(ChangeProfile(body.changes(), actor, version), ports)


@router.put("/me/username", view=ProfileView.of)
async def choose_my_username(
    body: UsernameBody, version: ExpectedVersion, actor: Actor, ports: ProfilesPorts
) -> Profile:
    """Take a username, or write one's own in another case."""
    return await choose_username(ChooseUsername(body.username, actor, version), ports)
