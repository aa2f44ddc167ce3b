"""Diagrams of pages: Mermaid, as other readers of Markdown show it, drawn by Graphviz when the site is built.

The site's theme would fetch Mermaid from a foreign server in each reader's browser. What is drawn is the
part of Mermaid that documents here use: states, and flow charts with groups. Anything else is refused.
"""

import html
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib import import_module
from typing import Any

ROLES = {"#010203": "currentColor", "#010204": "var(--diagram-line)", "#010205": "var(--diagram-fill)"}
TEXT, LINE, FILL = ROLES
HEAD = f"""digraph {{
  bgcolor=transparent; nodesep=0.3; ranksep=0.45;
  node [shape=box style="rounded,filled" fillcolor="{FILL}" color="{LINE}" fontcolor="{TEXT}"
        fontname="sans-serif" fontsize=13 height=0.4 margin="0.16,0.08"];
  edge [color="{LINE}" fontcolor="{TEXT}" fontname="sans-serif" fontsize=11 arrowsize=0.7];
  graph [fontname="sans-serif" fontsize=12 fontcolor="{TEXT}" color="{LINE}" style="rounded,dashed"];
"""
KIND = re.compile(r"(?:stateDiagram-v2|(?:flowchart|graph) *(?P<direction>LR|RL|TD|TB|BT)?)")
SILENT = re.compile(r"%%|classDef |class |style |linkStyle |direction ")
GROUP = re.compile(r"subgraph +(?P<id>\w+) *(?:\[(?P<label>.*)\])?$")
INSIDE = r'"[^"]*"|[^"\[\](){}]*'
LABEL = rf"\[\((?:{INSIDE})\)\]|\(\[(?:{INSIDE})\]\)|\[(?:{INSIDE})\]|\((?:{INSIDE})\)|\{{(?:{INSIDE})\}}"
NODE = re.compile(rf" *(?:\[\*\]|(?P<name>[\w.]+)(?P<label>{LABEL})?)(?::::\w+)?")
ARROW = re.compile(
    r" *(?:-- +(?P<inner>[^->|]+?) +-->|(?P<line>-->|-\.->|==>|---)(?: *\|(?P<middle>[^|]*)\|)?)"
)
AFTER = re.compile(r" *: *(?P<label>.+)$")


class CannotDraw(ValueError):
    """A diagram uses what is not drawn here, or Graphviz is missing."""


def fence(source: str, *_: Any, **__: Any) -> str:
    """Called by the Markdown of the site, which lets no other error through than its own."""
    try:
        return draw(source)
    except CannotDraw as error:
        raise import_module("pymdownx.superfences").SuperFencesException(str(error)) from error


def draw(source: str) -> str:
    """The diagram as SVG inside a figure. Raises CannotDraw."""
    program = shutil.which("dot")
    if program is None:
        raise CannotDraw("The diagrams are drawn by Graphviz: apt-get install graphviz")
    done = subprocess.run(
        [program, "-Tsvg"], input=as_graph(source), capture_output=True, text=True, check=True, timeout=30
    )
    picture = done.stdout[done.stdout.index("<svg") :]
    for colour, role in ROLES.items():
        picture = picture.replace(colour, role)
    plain = re.sub(r"<title>.*?</title>|<!--.*?-->|\n", "", picture, flags=re.DOTALL)
    # It shrinks to the width of the page as long as it can be read; then it is scrolled.
    plain = re.sub(
        r'<svg width="(\d+)pt"', lambda m: f'<svg style="min-width: {int(m[1]) * 4 // 5}px" {m[0][5:]}', plain
    )
    return f'<figure class="diagram" role="img">{plain}</figure>'


def as_graph(source: str) -> str:
    """The same diagram in the language of Graphviz. Raises CannotDraw."""
    first, *lines = [line.strip() for line in source.strip().splitlines()]
    kind = KIND.fullmatch(first)
    if kind is None:
        raise CannotDraw(f"{first}: only stateDiagram-v2 and flowchart are drawn")
    drawn = [HEAD, f"rankdir={kind['direction'] or 'LR'};".replace("TD", "TB")]
    for number, line in enumerate(lines):
        if line and not SILENT.match(line):
            drawn += _drawn(line, number)
    return "\n".join([*drawn, "}"])


def _drawn(line: str, number: int) -> Iterator[str]:
    if line == "end":
        yield "}"
    elif group := GROUP.match(line):
        yield f'subgraph "cluster_{group["id"]}" {{ label={_quoted(group["label"] or group["id"])};'
    else:
        yield from _chain(line, number)


def _chain(line: str, number: int) -> Iterator[str]:
    """A node, or several with arrows in between."""
    node, before, arrow = NODE.match(line), "", None
    while node:
        name = node["name"] or f"dot{number}_{node.start()}"
        yield from _node(name, node["label"], is_dot=node["name"] is None)
        after = AFTER.match(line, node.end())
        if arrow:
            label = arrow["inner"] or arrow["middle"] or (after and after["label"])
            yield _edge(before, name, label, arrow["line"] == "-.->")
        if after or node.end() == len(line):
            return
        before, arrow = name, ARROW.match(line, node.end())
        node = NODE.match(line, arrow.end()) if arrow else None
    raise CannotDraw(f"{line}: this part of Mermaid is not drawn")


def _edge(start: str, end: str, label: str | None, dashed: bool) -> str:
    options = [*(["style=dashed"] if dashed else []), *([f"label={_quoted(label)}"] if label else [])]
    return f'"{start}" -> "{end}" [{" ".join(options)}];'


def _node(name: str, label: str | None, *, is_dot: bool) -> Iterator[str]:
    if is_dot:
        yield f'"{name}" [shape=circle label="" width=0.16 height=0.16 fillcolor="{LINE}"];'
    elif label:
        shape = "shape=cylinder style=filled " if label.startswith("[(") else ""
        yield f'"{name}" [{shape}label={_quoted(label.strip("[](){}"))}];'


def _quoted(label: str) -> str:
    text = re.sub(r"<br ?/?>", "\n", label.strip().strip('"'))
    text = re.sub(r"</?[bi]>", "", text)
    return '"' + html.unescape(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
