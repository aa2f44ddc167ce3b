"""Usernames belong to profiles, which gives a wanted one to its owner if it is free."""

import re

from bailiwick.kernel.domain import Invalid

FORM = re.compile(r"[A-Za-z0-9._-]{3,64}")


class InvalidUsername(Invalid):
    """Not a name that profiles could give to anybody."""


class WellFormedUsernames:
    """Refuses what can never be a username. Whether it is free turns out when the profile is made."""

    async def check(self, username: str) -> None:
        if not FORM.fullmatch(username):
            raise InvalidUsername(
                "use 3 to 64 letters, digits, dots, underscores or hyphens", field="username"
            )
