"""The result as a picture: how near to the floor each workload comes, and what a request costs."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

OURS, FLOORS, PASS, AIM = "#2f6690", "#b8c4cc", "#c44536", "#3a7d44"


def draw(report: dict[str, Any], path: Path) -> None:
    """Write the picture of a report as PNG or SVG, after the ending of `path`."""
    with mpl.rc_context({"font.size": 10, "svg.hashsalt": "bench"}):
        figure = Figure(figsize=(10, 4.6), layout="constrained")
        ratios, costs = figure.subplots(1, 2, width_ratios=(3, 2))
        _ratios(ratios, report)
        _costs(costs, report)
        _title(figure, report)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)


def _title(figure: Figure, report: dict[str, Any]) -> None:
    about = report["conditions"]
    void = "VOID: the floor did not equal itself. " if report["void"] else ""
    figure.suptitle(
        f"{void}Bailiwick with everything on, against the bare driver", fontsize=13, fontweight="bold"
    )
    figure.supxlabel(
        f"{about['cpu']} · Python {about['python']} · {about['postgresql']} · fdatasync "
        f"{about['fdatasync_us']} µs · {about['measured_at'][:10]} · {about['revision']}",
        fontsize=8,
        color="#555555",
    )


def _ratios(axes: Axes, report: dict[str, Any]) -> None:
    rows = [row for row in report["ratios"] if row["pass"] is not None] + [
        row for row in report["ratios"] if row["pass"] is None
    ]
    for place, row in enumerate(rows):
        ratio, is_check = row["rate"], row["pass"] is None
        axes.barh(place, ratio["median"], color=FLOORS if is_check else OURS, height=0.62)
        spread = [[ratio["median"] - ratio["low"]], [ratio["high"] - ratio["median"]]]
        axes.errorbar(ratio["median"], place, xerr=spread, color="#222222", capsize=4, linewidth=1.2)
        ink = "#222222" if is_check else "white"
        axes.text(0.015, place, f"{ratio['median']:.2f}", va="center", color=ink, fontweight="bold")
        if not is_check:
            axes.plot([row["pass"]] * 2, [place - 0.4, place + 0.4], color=PASS, linewidth=2)
            axes.plot([row["aim"]] * 2, [place - 0.4, place + 0.4], color=AIM, linewidth=2)
    axes.set_yticks(range(len(rows)), [f"{row['name']}  {row['meaning']}" for row in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, max(1.12, *(row["rate"]["high"] * 1.05 for row in rows)))
    axes.axvline(1.0, color="#888888", linewidth=1)
    axes.plot([], [], color=PASS, linewidth=2, label="pass")
    axes.plot([], [], color=AIM, linewidth=2, label="aim")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize=9)
    axes.set_xlabel("requests per second, share of the floor (95 % interval)")
    axes.spines[["top", "right"]].set_visible(False)


def _costs(axes: Axes, report: dict[str, Any]) -> None:
    rows = [row for row in report["ratios"] if row["pass"] is not None and row["name"] != "W5"]
    for place, row in enumerate(rows):
        first = place == 0  # one entry each in the legend
        axes.barh(place - 0.18, row["cpu_us"], color=OURS, height=0.34, label="Bailiwick" if first else None)
        axes.barh(
            place + 0.18, row["floor_cpu_us"], color=FLOORS, height=0.34, label="floor" if first else None
        )
        axes.text(row["cpu_us"], place - 0.18, f" {row['cpu_us']:.0f}", va="center", fontsize=9)
        axes.text(row["floor_cpu_us"], place + 0.18, f" {row['floor_cpu_us']:.0f}", va="center", fontsize=9)
    axes.set_yticks(range(len(rows)), [row["name"] for row in rows])
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize=9)
    axes.set_xlabel("µs of the server's CPU for one request")
    axes.spines[["top", "right"]].set_visible(False)
