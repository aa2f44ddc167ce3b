"""A new project: a folder that depends on Bailiwick, serves it at once, and has room for its own contexts."""

import json
import keyword
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import bailiwick
from bailiwick.kernel.settings import Settings
from bailiwick.tooling.generate.rendering import CannotGenerate, drafted
from bailiwick.tooling.project import PRODUCT

UV = "0.13.8"
"""The installer that a project starts with: the one that installs us."""
TAKEN = frozenset({PRODUCT, "docs", "src", "test", "tests", "vendor"})
ASKS = re.compile(r"platform\.contract[(,]\s*(\w+)")


@dataclass(frozen=True)
class Origin:
    """Where the running Bailiwick came from: a wheel, a checkout, what `words` tell uv, or else an index."""

    wheel: Path | None = None
    checkout: Path | None = None
    words: str = ""

    @property
    def source(self) -> str:
        """The same for `[tool.uv.sources]`; empty for an index, which needs no words."""
        if self.wheel:
            return f'path = "vendor/{self.wheel.name}"'
        if self.checkout:
            return f"path = {json.dumps(str(self.checkout))}, editable = true"
        return self.words

    def __str__(self) -> str:
        if self.wheel:
            return f"the wheel that it was installed from, now in vendor/{self.wheel.name}"
        return f"the checkout {self.checkout}" if self.checkout else self.words or "a package index"


def new_project(
    name: str, contexts: str | None = None, where: Path | None = None, origin: Origin | None = None
) -> str:
    """Make the project, a folder of its name in `where`. Returns what to tell. Raises CannotGenerate."""
    _check_name(name)
    root = (where or Path.cwd()) / name
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise CannotGenerate(
            f"{root} exists already and is not an empty folder.\nChoose another name, or move it away."
        )
    enabled, told = _chosen(contexts)
    origin = origin or _origin()
    with drafted(root) as draft:
        draft.render("project", _values(name, enabled, origin))
        if origin.wheel:
            draft.copy(Path("vendor", origin.wheel.name), origin.wheel)
        placed = draft.place()
    demo = ", with a small demo" if "identity" in enabled else ""
    return "\n".join(
        [
            f"Made {name}/ with {len(placed)} files and the contexts {', '.join(enabled)}.",
            *told,
            f"It takes Bailiwick {version(PRODUCT)} from {origin}.",
            *_begin_history(root),
            "",
            "Next:",
            f"  cd {name}",
            f"  make run     # serves on http://127.0.0.1:8000{demo}",
            "  make test    # checks, then tests on SQLite and on PostgreSQL",
        ]
    )


def _values(name: str, contexts: list[str], origin: Origin) -> dict[str, object]:
    """What the templates know."""
    return {
        "name": name,
        "title": name.replace("_", " ").capitalize(),
        "contexts": contexts,
        "version": version(PRODUCT),
        "uv": UV,
        "source": origin.source,
        "vendored": origin.wheel is not None,
        "checkout": origin.checkout is not None,
    }


def _check_name(name: str) -> None:
    """Raises CannotGenerate for what cannot be the name of a package, or is that of another."""
    wanted = re.sub(r"\W+", "_", name.strip().lower()).strip("_")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        hint = f" Perhaps {wanted}?" if re.fullmatch(r"[a-z][a-z0-9_]*", wanted) else ""
        raise CannotGenerate(
            f"{name!r} cannot name a package: it takes small letters, digits and _, a letter first.{hint}"
        )
    why = ""
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        why = "a word of Python"
    elif name in sys.stdlib_module_names:
        why = "a module of Python's library"
    elif name in TAKEN:
        why = "taken: it would hide what is called so already"
    elif (spec := find_spec(name)) and spec.origin:
        why = f"a package that is installed here ({spec.origin})"
    if why:
        raise CannotGenerate(f"{name} is {why}.\nChoose another name, such as {name}_shop.")


def _chosen(contexts: str | None) -> tuple[list[str], list[str]]:
    """The shipped contexts to enable, in the product's order, and what to tell of that."""
    shipped: list[str] = Settings().contexts
    if contexts is None:
        return shipped, []
    named = {each.strip() for each in contexts.split(",") if each.strip()}
    if unknown := sorted(named - set(shipped)):
        raise CannotGenerate(
            f"Bailiwick has no context {', '.join(unknown)}; there are {', '.join(shipped)}.\n"
            "Your own are added later: bailiwick new context NAME"
        )
    if not named:
        raise CannotGenerate(f"Name at least one context with --contexts: {', '.join(shipped)}.")
    needed = {each: by for by in named for each in asked_by(by) - named}
    told = [f"{each} is enabled as well: {by} asks it." for each, by in sorted(needed.items())]
    enabled = [each for each in shipped if each in named | set(needed)]
    if "identity" not in enabled:
        told.append("Nobody can sign in without identity: enable it, or name in `remotes` who carries it.")
    return enabled, told


def asked_by(context: str) -> set[str]:
    """The shipped contexts whose questions this shipped one asks, as its module.py wires them."""
    text = (Path(bailiwick.__file__).parent / context / "module.py").read_text("utf-8")
    asked = set(ASKS.findall(text))
    imports = re.findall(r"^from bailiwick\.(\w+)\.contract import ([^(\n]+|\([^)]+\))", text, re.MULTILINE)
    return {other for other, names in imports if other != context and asked & set(re.findall(r"\w+", names))}


def _origin() -> Origin:
    """Where the running Bailiwick came from, by what its installer left (PEP 610)."""
    source = Path(bailiwick.__file__).parents[2]
    try:
        left = distribution(PRODUCT).read_text("direct_url.json")
    except PackageNotFoundError:
        left = None
    if left is None:
        return Origin(checkout=source) if (source / "pyproject.toml").is_file() else Origin()
    return described(json.loads(left))


def described(direct_url: dict[str, Any]) -> Origin:
    """The origin that a `direct_url.json` tells of. Raises CannotGenerate where that is gone."""
    url = direct_url["url"]
    if "vcs_info" in direct_url:
        return Origin(
            words=f"git = {json.dumps(url)}, rev = {json.dumps(direct_url['vcs_info']['commit_id'])}"
        )
    if not url.startswith("file:"):
        return Origin(words=f"url = {json.dumps(url)}")
    path = Path(url2pathname(urlsplit(url).path))
    if not path.exists():
        raise CannotGenerate(
            f"Bailiwick was installed from {path}, which is gone; the project could not install it.\n"
            "Put it back, or install Bailiwick from where it will stay: pip install bailiwick-….whl"
        )
    return Origin(checkout=path) if path.is_dir() else Origin(wheel=path)


def _begin_history(root: Path) -> list[str]:
    """Make a git repository, unless git is missing or this is inside of one. Returns what to tell."""
    git = shutil.which("git")
    if git is None:
        return []
    inside = subprocess.run([git, "rev-parse"], cwd=root, capture_output=True, check=False)
    if inside.returncode == 0:
        return []
    made = subprocess.run(
        [git, "init", "--quiet", "--initial-branch", "main"], cwd=root, capture_output=True, check=False
    )
    return [] if made.returncode else ["A git repository was begun; nothing is committed yet."]
