"""The map in the documents is the map of the code."""

from xml.etree import ElementTree as Xml

from bailiwick.tooling.map.edges import edges_of
from bailiwick.tooling.map.mermaid import as_mermaid
from bailiwick.tooling.map.reading import atlas_of
from bailiwick.tooling.map.words import counts
from bailiwick.tooling.project import Project
from tests.docs.pages import ROOT, blocks

SVG = "{http://www.w3.org/2000/svg}"
ATLAS = atlas_of(Project.find())


def test_the_text_in_the_page_is_what_the_command_prints() -> None:
    """If not, paste what `bailiwick map --mermaid` prints into docs/map.md."""
    [text] = blocks(ROOT / "docs/map.md", "mermaid")
    assert text == f"{as_mermaid(ATLAS)}\n"


def test_the_picture_in_the_page_shows_what_there_is() -> None:
    """If not, draw it again: `bailiwick map -o docs/images/map.svg`."""
    picture = Xml.parse(ROOT / "docs/images/map.svg").getroot()  # noqa: S314 - ours
    texts = ["".join(text.itertext()) for text in picture.iter(f"{SVG}text")]
    lines = [line for edge in edges_of(ATLAS) for line in edge.lines]
    owned = [text for each in ATLAS.contexts for text in (each.name, *counts(each))]
    assert sorted(text for text in texts if text in {*lines, *owned}) == sorted([*lines, *owned])
    titles = [str(title.text) for title in picture.iter(f"{SVG}title")]
    assert sorted(title for title in titles if "->" in title) == sorted(
        f"{each.start}->{each.end}" for each in edges_of(ATLAS)
    )
