"""The pictures: their texts stay inside their boxes and clear of each other."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from tests.docs.pages import ROOT

PICTURES = sorted(path for path in (ROOT / "docs").rglob("*.svg") if path.name != "logo.svg")
SVG = "{http://www.w3.org/2000/svg}"
FILLED = {f"{SVG}polygon", f"{SVG}path"}

# Widths of DejaVu Sans, the widest of the usual system fonts, in parts of its height.
WIDTH, BOLD_WIDTH = 0.56, 0.64


@dataclass(frozen=True)
class Area:
    """A rectangle, and the text in it where it is that of a text."""

    left: float
    top: float
    right: float
    bottom: float
    text: str = ""

    def holds(self, other: "Area") -> bool:
        across = self.left <= other.left and other.right <= self.right
        return across and self.top <= other.top and other.bottom <= self.bottom

    def touches(self, other: "Area") -> bool:
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom


def boxes(picture: Xml.Element) -> list[Area]:
    sizes = [
        [float(box.get(name, "0")) for name in ("x", "y", "width", "height")] for box in rectangles(picture)
    ]
    drawn = [Area(x, y, x + width, y + height) for x, y, width, height in sizes]
    return drawn + [area(shape) for shape in picture.iter() if shape.tag in FILLED and has_room(shape)]


def has_room(shape: Xml.Element) -> bool:
    """Whether texts can stand in it: Graphviz draws its boxes as filled shapes."""
    return shape.get("points", shape.get("d", "")) != "" and shape.get("fill", "none") != "none"


def area(shape: Xml.Element) -> Area:
    numbers = [float(number) for number in re.findall(r"-?[\d.]+", shape.get("points", shape.get("d", "")))]
    across, down = numbers[::2], numbers[1::2]
    return Area(min(across), min(down), max(across), max(down))


def rectangles(picture: Xml.Element) -> Iterator[Xml.Element]:
    return picture.iter(f"{SVG}rect")


def texts(picture: Xml.Element) -> list[Area]:
    found = []
    for text in picture.iter(f"{SVG}text"):
        kind, content = text.get("class", ""), "".join(text.itertext())
        size = 12.0 if kind == "small" else float(text.get("font-size", picture.get("font-size", "14")))
        width = len(content) * size * (BOLD_WIDTH if kind == "title" else WIDTH)
        x, y = float(text.get("x", "0")), float(text.get("y", "0"))
        if text.get("text-anchor") == "middle":
            x -= width / 2
        found.append(Area(x, y - size * 0.8, x + width, y + size * 0.2, content))
    return found


@pytest.fixture(params=PICTURES, ids=lambda path: path.name)
def picture(request: pytest.FixtureRequest) -> Xml.Element:
    path: Path = request.param
    return Xml.parse(path).getroot()  # noqa: S314 - a file of ours


def test_a_text_stays_inside_every_box_that_it_begins_in(picture: Xml.Element) -> None:
    for text in texts(picture):
        start = Area(text.left, text.top, text.left + 1, text.bottom)
        around = [box for box in boxes(picture) if box.holds(start)]
        assert around, text
        assert all(box.holds(text) for box in around), text


def test_no_text_covers_another(picture: Xml.Element) -> None:
    found = texts(picture)
    for i, text in enumerate(found):
        assert not [other for other in found[i + 1 :] if text.touches(other)], text


def test_there_is_a_picture_with_texts_at_all() -> None:
    assert PICTURES
    assert all(len(texts(Xml.parse(path).getroot())) > 10 for path in PICTURES)  # noqa: S314 - files of ours


def test_a_text_that_is_too_long_is_seen() -> None:
    drawn = Xml.fromstring(  # noqa: S314 - ours
        f'<svg xmlns="{SVG[1:-1]}"><rect width="100" height="40"/>'
        '<text class="title" x="5" y="20">fits</text>'
        '<text class="small" x="20" y="20">covers it, too long</text></svg>'
    )
    fits, long = texts(drawn)
    [box] = boxes(drawn)
    assert box.holds(fits)
    assert not box.holds(long)
    assert fits.touches(long)
