"""The documentation becomes a site without a warning, a dead end or anything from elsewhere."""

import http.server
import re
import threading
import tomllib
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import chromium
from tests.tooling.site.built import ROOT, BuildFailed, build, build_small, dead, foreign

NAV = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]
CONFIGURED = "the pages in zensical.toml"
PHONE = 390  # CSS pixels
DIALOG = "document.activeElement?.shadowRoot"  # of the search


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site with one of each mistake, apart from those that stop the build."""
    mistakes = """
<img src='https://cdn.example.com/a.png'>

<script src='//cdn.example.com/b.js'></script>

<style>@import 'https://example.com/c.css'; body { background: url(https://example.com/d.png) }</style>

<div class='mermaid'>x</div>

<p style='background: url(//example.com/e.png)'>x</p>

<link rel='stylesheet' href='https://fonts.example.com/f.css'>

<a href='nowhere.html'>x</a> <a href='facts.html#nowhere'>x</a> <a href='https://example.com/fine'>x</a>
"""
    style = "\n.x { background: url('https://example.com/g.png'); }\n"
    return build_small(tmp_path_factory.mktemp("spoilt"), mistakes, style)


def listed(nav: Iterable[Any]) -> Iterator[str]:
    """Every page that the navigation names."""
    for entry in nav:
        for target in [entry] if isinstance(entry, str) else entry.values():
            if isinstance(target, str):
                yield target
            else:
                yield from listed(target)


def wrong_in(nav: Iterable[Any], pages: Iterable[str]) -> list[str]:
    """What the navigation lacks, names twice or names although it is not there."""
    named, there = list(listed(nav)), set(pages)
    return [
        *(f"{page} is missing in {CONFIGURED}" for page in sorted(there - set(named))),
        *(f"{page} is in zensical.toml but not in docs/" for page in sorted(set(named) - there)),
        *(f"{page} is listed twice" for page in sorted({page for page in named if named.count(page) > 1})),
    ]


def test_every_page_is_in_the_navigation_once() -> None:
    docs = ROOT / "docs"
    pages = {str(page.relative_to(docs)) for page in docs.rglob("*.md")}
    assert wrong_in(NAV, pages) == []


def test_planted_mistakes_in_the_navigation_are_seen() -> None:
    nav = ["a.md", {"Part": ["b.md", {"B again": "b.md"}, "gone.md"]}]
    assert wrong_in(nav, ["a.md", "b.md", "new.md"]) == [
        f"new.md is missing in {CONFIGURED}",
        "gone.md is in zensical.toml but not in docs/",
        "b.md is listed twice",
    ]


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    assert list(foreign(site)) == []


def test_everything_planted_that_loads_from_elsewhere_is_seen(spoilt: Path) -> None:
    found = list(foreign(spoilt))
    assert len(found) == len(set(found)) == 8
    files = [match[1] for each in found if (match := re.search(r"/(\w)\.\w+$", each))]
    assert sorted(files) == list("abcdefg")
    assert "tour.html: the theme fetches mermaid" in found


def test_every_link_within_the_site_leads_somewhere(site: Path) -> None:
    assert sorted(set(dead(site))) == []


def test_planted_dead_ends_are_seen(spoilt: Path) -> None:
    assert set(dead(spoilt)) >= {
        "tour.html: nowhere.html leads nowhere",
        "tour.html: facts.html#nowhere has no such anchor",
    }


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        ("[nowhere](nowhere.md)", "page does not exist"),
        ("[nowhere](facts.md#nowhere)", "anchor does not exist"),
        ("--8<-- 'nowhere.md'", "nowhere.md"),
        ("```mermaid\nsequenceDiagram\n  A->>B: x\n```", "only stateDiagram-v2 and flowchart are drawn"),
    ],
)
def test_a_planted_mistake_stops_the_build(mistake: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match=told):
        build_small(tmp_path, f"# Tour\n\n{mistake}\n")


def test_without_a_mistake_it_is_built(tmp_path: Path) -> None:
    site = build_small(
        tmp_path, "# Tour\n\n[facts](facts.md#facts)\n\n```mermaid\nflowchart LR\n  a --> b\n```\n"
    )
    assert 'class="diagram"' in (site / "tour.html").read_text()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_reader_finds_things_on_a_phone_and_asks_nobody_else(address: str, tmp_path: Path) -> None:
    with chromium(tmp_path / "profile") as page:
        page.narrow(PHONE)
        for name in ("index", "orders", "settings", "reference/operations"):
            page.open(f"{address}/{name}.html")
            page.wait_for(f"document.readyState === 'complete' && location.pathname === '/{name}.html'")
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE, name
        page.click(".md-search__button")
        page.wait_for(f"{DIALOG}?.activeElement?.tagName === 'INPUT'")
        page.type("reservations")
        page.wait_for(f"[...{DIALOG}.querySelectorAll('a')].some(a => a.href.includes('orders.html'))")
        foreign_ones = [url for url in page.requested if not url.startswith((address, "data:", "blob:"))]
        assert (foreign_ones, page.errors) == ([], [])
