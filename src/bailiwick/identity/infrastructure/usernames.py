"""Usernames belong to profiles, which says whether one is free and gives it to its owner."""

import re
from collections.abc import Mapping
from typing import Any

from bailiwick.kernel.domain import Invalid
from bailiwick.profiles.contract import ProfileDirectory

FORM = re.compile(r"[A-Za-z0-9._-]{3,64}")


class InvalidUsername(Invalid):
    """Not a name that anybody could get."""


class ProfileUsernames:
    """Asks profiles where it is among the `contracts`; alone, it looks at the form only."""

    def __init__(self, contracts: Mapping[type[Any], Any]) -> None:
        self._contracts = contracts

    async def check(self, username: str) -> None:
        if ProfileDirectory in self._contracts:
            await self._contracts[ProfileDirectory].check_username(username)
        elif not FORM.fullmatch(username):
            raise InvalidUsername(
                "use 3 to 64 letters, digits, dots, underscores or hyphens", field="username"
            )
