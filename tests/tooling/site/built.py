"""A built site as a browser meets it: what its pages load, where they lead, which anchors they have."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from shutil import copytree
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[3]
LOADING = {
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src",),
    "image": ("href", "xlink:href"),
    "img": ("src", "srcset"),
    "input": ("src",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "use": ("href", "xlink:href"),
    "video": ("src", "poster"),
}
LOADING_LINKS = {"stylesheet", "icon", "preload", "prefetch", "modulepreload", "preconnect", "dns-prefetch"}
FETCHED_BY_THE_THEME = {"mermaid", "glightbox", "pyodide"}
"""Classes of elements for which the theme's script fetches a library from a foreign server."""


class BuildFailed(AssertionError):
    """The site could not be built, or not without a warning."""


@dataclass
class Page(HTMLParser):
    """What one page loads and links to."""

    text: str
    loaded: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    fetched: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        have = {name: value or "" for name, value in attrs}
        self.anchors |= {have[name] for name in ("id", "name") if name in have}
        self.fetched |= FETCHED_BY_THE_THEME & set(have.get("class", "").split())
        self.loaded += [have[name].split()[0] for name in LOADING.get(tag, ()) if have.get(name)]
        self.loaded += _in_style(have.get("style", ""))
        if tag == "link" and LOADING_LINKS & set(have.get("rel", "").split()):
            self.loaded.append(have.get("href", ""))
        if tag == "a" and "href" in have:
            self.links.append(have["href"])

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "style":
            self.loaded += _in_style(data)


def _in_style(text: str) -> list[str]:
    return re.findall(r"url\([\"']?([^\"')]+)", text) + re.findall(r"@import\s+[\"']([^\"']+)", text)


def build(place: Path) -> Path:
    """Build the site of the repository in `place`. Raises BuildFailed."""
    copytree(ROOT / "docs", place / "docs")
    for name in ("README.md", "zensical.toml"):
        (place / name).write_text((ROOT / name).read_text())
    return _built(place)


def build_small(place: Path, text: str, style: str = "") -> Path:
    """Build a site of two pages, tour.md and facts.md, as the real one is built. Raises BuildFailed."""
    configuration = (ROOT / "zensical.toml").read_text()
    (place / "zensical.toml").write_text(re.sub(r"(?ms)^nav = \[.*?^\]\n", "", configuration))
    for name, content in {"tour.md": text, "facts.md": "# Facts", "stylesheets/site.css": style}.items():
        (place / "docs" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "docs" / name).write_text(content)
    return _built(place)


def _built(place: Path) -> Path:
    zensical = str(Path(sys.executable).with_name("zensical"))
    command = [zensical, "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, timeout=60)
    told = re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr)
    if done.returncode or "No issues found" not in told:
        raise BuildFailed(told)
    return place / "var/site"


def pages(site: Path) -> dict[Path, Page]:
    """Every page of the site but the one for what is not there, whose links start from anywhere."""
    found = sorted(site.rglob("*.html"))
    return {path: Page(path.read_text()) for path in found if path.name != "404.html"}


def foreign(site: Path) -> Iterator[str]:
    """What is loaded from elsewhere when somebody reads a page."""
    for path, page in pages(site).items():
        where = path.relative_to(site)
        yield from (f"{where}: {url}" for url in page.loaded if _is_foreign(url))
        yield from (f"{where}: the theme fetches {name}" for name in sorted(page.fetched))
    for style in site.rglob("*.css"):
        urls = (url for url in _in_style(style.read_text()) if _is_foreign(url))
        yield from (f"{style.relative_to(site)}: {url}" for url in urls)


def _is_foreign(url: str) -> bool:
    return bool(urlsplit(url).netloc)


def dead(site: Path) -> Iterator[str]:
    """Links to pages, files and anchors of the site that are not there."""
    known = pages(site)
    for path, page in known.items():
        for link in (*page.links, *page.loaded):
            address = urlsplit(link)
            if address.scheme or address.netloc:
                continue
            target = (path.parent / unquote(address.path)).resolve() if address.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                yield f"{path.relative_to(site)}: {link} leads nowhere"
            elif address.fragment and target in known and _lost(address.fragment, known[target]):
                yield f"{path.relative_to(site)}: {link} has no such anchor"


def _lost(fragment: str, page: Page) -> bool:
    return unquote(fragment) not in page.anchors
