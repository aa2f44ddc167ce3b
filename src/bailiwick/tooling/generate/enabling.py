"""What makes a new context part of a project: its name among those that are served."""

import tomlkit
from tomlkit.items import Array

from bailiwick.kernel.settings import Settings
from bailiwick.tooling.generate.naming import Names
from bailiwick.tooling.generate.rendering import Draft
from bailiwick.tooling.project import Project

SETTINGS = "bailiwick.toml"


def enable(project: Project, names: Names, draft: Draft) -> list[str]:
    """Add the context to `contexts` in bailiwick.toml. Returns what is left for a person."""
    path = project.root / SETTINGS
    document = tomlkit.parse(path.read_text("utf-8") if path.exists() else "")
    contexts = document.get("contexts")
    if contexts is None:
        contexts = tomlkit.array()
        contexts.extend(Settings().contexts)
        contexts.multiline(True)
        document["contexts"] = contexts
    if not isinstance(contexts, Array):
        return [f"Left for you: add {names.here} to contexts in {SETTINGS}."]
    if names.here in contexts:
        return []
    contexts.append(names.here)
    if "\n" in contexts.as_string():
        contexts.multiline(True)
    text = tomlkit.dumps(document)
    (draft.change if path.exists() else draft.add)(SETTINGS, text)
    return []


def left_in_the_product(names: Names) -> list[str]:
    """Where Bailiwick itself names its contexts."""
    return [
        "Left for you, in Bailiwick itself:",
        f"  - {names.context} in the default of contexts in src/bailiwick/kernel/settings/__init__.py",
        "  - a body and an id for its routes in tests/policy/requests.py and tests/policy/scene.py",
        "  - docs/settings.md anew: bailiwick settings --reference > docs/settings.md",
        "  - and what bailiwick check says then",
    ]
