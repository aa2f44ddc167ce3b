"""The map as Mermaid, a picture in plain text that many readers of Markdown draw."""

from bailiwick.tooling.map.atlas import Atlas
from bailiwick.tooling.map.drawing import EMBER, OWN
from bailiwick.tooling.map.edges import Kind, edges_of
from bailiwick.tooling.map.words import counts

ARROWS = {Kind.EVENT: "-.->", Kind.QUESTION: "-->", Kind.NAME: "---"}


def as_mermaid(atlas: Atlas) -> str:
    """Dashed arrows are events for who hears of them, the others questions, and lines are only names."""
    lines = ["flowchart LR"]
    lines += [
        f'  {each.name}["<b>{each.name}</b><br/>{"<br/>".join(counts(each))}"]' for each in atlas.contexts
    ]
    edges = edges_of(atlas)
    lines += [
        f'  {each.start} {ARROWS[each.kind]}|"{"<br/>".join(each.lines)}"| {each.end}' for each in edges
    ]
    lines.append(f"  classDef default fill:{OWN[1]},stroke:{OWN[0]},color:#0f172a")
    events = [str(number) for number, each in enumerate(edges) if each.kind is Kind.EVENT]
    if events:
        lines.append(f"  linkStyle {','.join(events)} stroke:{EMBER}")
    return "\n".join(lines)
