"""Draws a map with Graphviz, in the colours of the other pictures of the documentation."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from bailiwick.tooling.map.atlas import Atlas, Context
from bailiwick.tooling.map.edges import Kind, changes, edges_of
from bailiwick.tooling.map.words import counts
from bailiwick.tooling.project import PRODUCT

FORMATS = (".svg", ".png", ".dot")
FONT = "DejaVu Sans"
"""The widest of the usual fonts: what fits in it, fits in the one that a reader has."""
WIDE, WIDE_TITLE = 6.4, 9.8
"""Points that a letter takes, on average: boxes have room for them in whatever font they are shown."""
MOST_LINES = 6
BLACK, INK, PALE, EMBER = "#0f172a", "#334155", "#475569", "#b45309"
OWN, SHIPPED = ("#1d4ed8", "#eef4ff"), (INK, "#f1f5f9")
ADDED, REMOVED = ("#15803d", "#f0fdf4"), ("#b91c1c", "#fef2f2")
STYLES = {Kind.EVENT: (EMBER, "dashed"), Kind.QUESTION: (INK, "solid"), Kind.NAME: (PALE, "dotted")}
LEGEND = {
    Kind.EVENT: ("- - ▸", "an event goes to who hears of it"),
    Kind.QUESTION: ("—— ▸", "a question goes to who answers it"),
    Kind.NAME: ("· · · ▸", "names of a contract are used"),
}
GRAPH = f"""digraph map {{{{
  graph [rankdir=LR, bgcolor="white", pad=0.3, nodesep=0.55, ranksep=0.8, fontname="{FONT}", fontsize=11,
         fontcolor="{PALE}", labelloc=b, label=<{{legend}}>]
  node [shape=plain, fontname="{FONT}"]
  edge [fontname="{FONT}", fontsize=11, penwidth=1.5, arrowsize=0.8]
"""


class CannotDraw(Exception):
    """Nothing was drawn. The text says what to do."""


@dataclass(frozen=True)
class Line:
    """A line of text. `added` is None for what was there before and still is."""

    text: str
    added: bool | None = None

    @property
    def html(self) -> str:
        if self.added is None:
            return escape(self.text)
        colour, sign = (ADDED[0], "+") if self.added else (REMOVED[0], "−")
        return f'<FONT COLOR="{colour}">{sign} {escape(self.text)}</FONT>'


def draw(after: Atlas, file: Path, before: Atlas | None = None) -> None:
    """Write the picture, as what the end of the file's name says. Raises CannotDraw."""
    if file.suffix not in FORMATS:
        raise CannotDraw(f"The name of the picture, {file}, must end in {', '.join(FORMATS)}.")
    text = as_dot(after, before)
    file.write_bytes(text.encode() if file.suffix == ".dot" else _drawn(text, file.suffix))


def _drawn(text: str, suffix: str) -> bytes:
    if shutil.which("dot") is None:
        raise CannotDraw(
            "Graphviz draws the map, and is not here. Install it: apt-get install graphviz\n"
            "Without it: bailiwick map --mermaid"
        )
    sharp = ["-Gdpi=144"] if suffix == ".png" else []
    done = subprocess.run(
        ["dot", f"-T{suffix[1:]}", *sharp], input=text.encode(), capture_output=True, check=False
    )
    if done.returncode:
        raise CannotDraw(f"Graphviz failed: {done.stderr.decode(errors='replace').strip()}")
    return _plain(done.stdout) if suffix == ".svg" else done.stdout


def _plain(svg: bytes) -> bytes:
    """In the reader's own font, and without the version of Graphviz that drew it."""
    text = svg.decode().replace(f'font-family="{FONT}"', 'font-family="system-ui, sans-serif"')
    return text[text.index("<svg") :].encode()


def as_dot(after: Atlas, before: Atlas | None = None) -> str:
    """The picture in Graphviz' language; with what changed since `before` in green and red."""
    earlier = before.contexts if before else after.contexts
    every = {each.name: each for each in (*earlier, *after.contexts)}
    known = {each.name for each in earlier}, {each.name for each in after.contexts}
    owned = _owned(before, after)
    shipped = {each.package.startswith(f"{PRODUCT}.") for each in every.values()} == {True, False}
    nodes = []
    for name, context in sorted(every.items()):
        added = None if name in known[0] & known[1] else name in known[1]
        nodes.append(_node(context, added, () if added is not None else owned.get(name, ()), shipped))
    edges = list(_edges(before, after))
    return "\n".join([GRAPH.format(legend=_legend(before, after)), *nodes, *edges, "}", ""])


def _legend(before: Atlas | None, after: Atlas) -> str:
    """What the arrows and colours mean that are there."""
    kinds = {each.kind for each in (*edges_of(after), *edges_of(before or after))}
    shown = [(STYLES[kind][0], *LEGEND[kind]) for kind in Kind if kind in kinds]
    if before:
        shown += [(ADDED[0], "+", "added"), (REMOVED[0], "−", "removed")]
    cells = [f'<TD><FONT COLOR="{colour}">{sign}</FONT></TD><TD>{text}</TD>' for colour, sign, text in shown]
    row = '<TD WIDTH="12"></TD>'.join(cells) or "<TD></TD>"
    return f'<TABLE BORDER="0" CELLSPACING="8" CELLPADDING="3"><TR>{row}</TR></TABLE>'


def _owned(before: Atlas | None, after: Atlas) -> Mapping[str, Sequence[Line]]:
    """What changed in single contexts: their events, questions, tables and routes."""
    found: dict[str, list[Line]] = {}
    for change in changes(before, after) if before else ():
        found.setdefault(change.about, []).append(Line(change.what, change.added))
    return found


def _node(context: Context, added: bool | None, changed: Sequence[Line], several: bool) -> str:
    line, fill = SHIPPED if several and context.package.startswith(f"{PRODUCT}.") else OWN
    if added is not None:
        line, fill = ADDED if added else REMOVED
    rows = [f'<FONT POINT-SIZE="15" COLOR="{BLACK}"><B>{escape(context.name)}</B></FONT>']
    small = [*map(Line, counts(context)), *_shortened(changed)]
    rows += [f'<FONT POINT-SIZE="11" COLOR="{PALE}">{each.html}</FONT>' for each in small]
    width = round(max(len(context.name) * WIDE_TITLE, *(len(each.text) * WIDE for each in small), 1))
    cells = "".join(f'<TR><TD ALIGN="LEFT" CELLPADDING="2">{row}</TD></TR>' for row in rows)
    table = (
        f'<TABLE STYLE="ROUNDED" BORDER="1.5" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0" '
        f'COLOR="{line}" BGCOLOR="{fill}"><TR><TD CELLPADDING="10">'
        f'<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="0" WIDTH="{width}">{cells}</TABLE>'
        f"</TD></TR></TABLE>"
    )
    return f'  "{context.name}" [label=<{table}>, tooltip="{escape(context.says)}"]'


def _edges(before: Atlas | None, after: Atlas) -> Iterator[str]:
    old = {(each.start, each.end, each.kind): each.lines for each in edges_of(before or after)}
    new = {(each.start, each.end, each.kind): each.lines for each in edges_of(after)}
    for start, end, kind in sorted(old.keys() | new.keys()):
        was, now = old.get((start, end, kind), ()), new.get((start, end, kind), ())
        lines = [Line(each, None if each in was else True) for each in now]
        lines += [Line(each, False) for each in was if each not in now]
        colour, style = STYLES[kind]
        if not was or not now:
            colour = REMOVED[0] if was else ADDED[0]
        text = "<BR/>".join(each.html for each in _shortened(lines))
        label = f'<FONT COLOR="{colour}">{text}</FONT>'
        yield f'  "{start}" -> "{end}" [label=<{label}>, color="{colour}", style={style}]'


def _shortened(lines: Sequence[Line]) -> Sequence[Line]:
    """What changed first; the rest is counted."""
    first = sorted(lines, key=lambda each: each.added is None)
    rest = len(first) - MOST_LINES
    return [*first[:MOST_LINES], Line(f"and {rest} more")] if rest > 0 else first
