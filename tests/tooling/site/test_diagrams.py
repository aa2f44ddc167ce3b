"""Diagrams are drawn from the part of Mermaid that documents use; the rest is refused by name."""

import re
from xml.etree import ElementTree as Xml

import pytest

from bailiwick.tooling.site.diagrams import CannotDraw, as_graph, draw

FLOW = """
flowchart TD
    %% nobody reads this
    classDef busy fill:#eee
    subgraph shop ["the shop"]
        a["An order & more"] -->|places| b[(database)]
        b -.-> c
    end
    e["x"] --> f --> g["y"]
    c -- tells --> d("a <br/> person"):::busy
"""


def test_names_labels_groups_and_styles_are_kept() -> None:
    graph = as_graph(FLOW)
    assert "rankdir=TB;" in graph
    assert 'subgraph "cluster_shop" { label="the shop";' in graph
    assert '"a" [label="An order & more"];' in graph
    assert '"b" [shape=cylinder style=filled label="database"];' in graph
    assert '"a" -> "b" [label="places"];' in graph
    assert '"b" -> "c" [style=dashed];' in graph
    assert '"c" -> "d" [label="tells"];' in graph
    assert '"e" -> "f" [];' in graph
    assert '"f" -> "g" [];' in graph
    assert graph.count("{") == graph.count("}")


def test_states_begin_at_a_dot() -> None:
    graph = as_graph("stateDiagram-v2\n    [*] --> placed\n    placed --> paid : money")
    assert '"dot0_0" [shape=circle' in graph
    assert '"dot0_0" -> "placed" [];' in graph
    assert '"placed" -> "paid" [label="money"];' in graph


def test_the_picture_is_svg_that_takes_the_colours_of_the_page() -> None:
    figure = draw(FLOW)
    picture = Xml.fromstring(figure)  # noqa: S314  # our own
    assert picture[0].tag == "{http://www.w3.org/2000/svg}svg"
    assert "An order &amp; more" in figure
    assert not re.search("#0102", figure)
    colours = set(re.findall(r'(?:fill|stroke)="([^"]+)"', figure))
    assert {"currentColor", "var(--diagram-line)", "var(--diagram-fill)"} <= colours


@pytest.mark.parametrize(
    "source", ["sequenceDiagram\n  A->>B: x", "flowchart LR\n  a --o b", "flowchart LR\n  a & b --> c"]
)
def test_what_is_not_drawn_is_refused(source: str) -> None:
    with pytest.raises(CannotDraw, match="drawn"):
        draw(source)


def test_without_graphviz_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CannotDraw, match="apt-get install graphviz"):
        draw(FLOW)
