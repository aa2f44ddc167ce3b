"""What a change is for the clients, and what to do instead of a breaking one."""

from dataclasses import dataclass

REMOVED = "Keep it until its sunset, beside what takes its place"
NARROWED = "Go on taking what was taken; refuse it in /api/v2"
DEMANDED = "Give it a default, or take it on a route of its own"
RETYPED = "Add a field of another name beside it"
RENAMED = "Keep the name of the function: clients are generated from it"
CLOSED = "Leave it open, and make a route of its own for callers who sign in"


@dataclass(frozen=True, slots=True)
class Change:
    """`where` is the field of the route, such as `body.title`. It is compatible if `remedy` is empty."""

    method: str
    path: str
    where: str
    what: str
    remedy: str = ""

    @property
    def breaking(self) -> bool:
        return bool(self.remedy)

    def __str__(self) -> str:
        return " ".join(word for word in (self.method.upper(), self.path, self.where, self.what) if word)
