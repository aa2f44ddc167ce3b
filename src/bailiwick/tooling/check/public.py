"""Rules about the public API: projects rely on nothing else, and Bailiwick keeps it."""

from collections.abc import Iterator

from bailiwick.tooling.check.ground import Ground
from bailiwick.tooling.check.rules import Finding, rule
from bailiwick.tooling.upgrade.api import public_names
from bailiwick.tooling.upgrade.compatibility import breaches, not_public


@rule("public", "Import what docs/reference/public-api.md of Bailiwick names; only that stays.")
def projects_rely_on_what_is_public(ground: Ground) -> Iterator[Finding]:
    """A project imports only public names of Bailiwick, and none that was given up."""
    if not ground.project.is_product:
        files = ((source.path, source.tree) for source in ground.sources)
        yield from (Finding(*breach) for breach in not_public(files, public_names()))


@rule("public", "Keep what projects were promised; CONTRIBUTING.md says how a name may go.")
def what_is_public_stays(ground: Ground) -> Iterator[Finding]:
    """Calls and names of Bailiwick that were right in its last release are right still."""
    if ground.project.is_product:
        yield from (Finding(*breach) for breach in breaches(ground.project))
