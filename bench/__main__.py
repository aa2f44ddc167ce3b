"""`python -m bench`: measure the product against the floor; print a table, write JSON and a picture."""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import orjson
import uvloop

from bailiwick.kernel.testing import create_database
from bench.conditions import conditions
from bench.load import Workload, workloads
from bench.pairs import Comparison, Estimate, Slice, is_void
from bench.picture import draw
from bench.servers import OTHER_CORE, ROOT, Server, durable_postgres
from bench.session import FLOORS, PRODUCTS, SHORT, Pace, Session, waits
from bench.staging import Town, build_town

RESULTS = ROOT / "bench" / "results" / "latest.json"
PICTURE = ROOT / "docs" / "images" / "performance.png"
GOALS = {
    "W1": (0.50, 0.75),
    "W2": (0.50, 0.75),
    "W3": (0.55, 0.80),
    "W4": (0.60, 1.0),
    "W5": (0.85, 0.95),
    "W6": (0.50, 0.75),
    "W9": (0.55, 0.75),
}
ALL = "W1,W2,W3,W6,W9,W4,W5"
STARTS = 3
RSS_LIMIT, START_LIMIT, WAIT_LIMIT = 90, 1.2, 3.0  # MB, seconds, times the wait of an idle server


def say(line: str = "", end: str = "\n") -> None:
    """Show how far it is."""
    sys.stdout.write(line + end)
    sys.stdout.flush()


def progress(name: str, pairs: int) -> Callable[[int], None]:
    """Counts the pairs of a workload on one line of a terminal."""

    def show(done: int) -> None:
        if sys.stdout.isatty():
            say(f"\r{name:4} pair {done} of {pairs} ", end="\r" if done < pairs else "\r" + " " * 30 + "\r")

    return show


def _median(slices: tuple[Slice, ...], name: str) -> float:
    return float(statistics.median(getattr(each, name) for each in slices))


def row_of(found: Comparison, floor: str) -> dict[str, Any]:
    """A comparison as it is reported. `busy` is the share of its core that the server used."""
    goal = GOALS.get(found.name)
    return {
        "name": found.name,
        "meaning": found.meaning,
        "floor": floor,
        "pairs": len(found.first),
        "rate": asdict(found.rate),
        "cpu": asdict(found.cpu),
        "pass": goal[0] if goal else None,
        "aim": goal[1] if goal else None,
        "requests_per_second": _median(found.first, "rate"),
        "floor_requests_per_second": _median(found.second, "rate"),
        "cpu_us": _median(found.first, "cpu_us"),
        "floor_cpu_us": _median(found.second, "cpu_us"),
        "busy": _median(found.first, "busy"),
        "floor_busy": _median(found.second, "busy"),
    }


HEAD = f"{'':42}{'rate':>6} {'95 %':>14}  {'CPU':>5} {'95 %':>14}  " + (
    f"{'req/s':>6} {'floor':>6}  {'µs':>6} {'floor':>6}  floor on"
)


def show_row(row: dict[str, Any]) -> None:
    """One line of the table."""
    rate, cpu = Estimate(**row["rate"]), Estimate(**row["cpu"])
    verdict = ""
    if row["pass"] is not None:
        by_rate, by_cpu = rate.median >= row["pass"], cpu.median >= row["pass"]
        verdict = "ok" if by_rate and by_cpu else "ok by rate alone" if by_rate else f"below {row['pass']}"
    say(
        f"{row['name']:4}{row['meaning']:38}{rate.median:6.2f} [{rate.low:5.2f}, {rate.high:5.2f}]  "
        f"{cpu.median:5.2f} [{cpu.low:5.2f}, {cpu.high:5.2f}]  {row['requests_per_second']:6.0f} "
        f"{row['floor_requests_per_second']:6.0f}  {row['cpu_us']:6.0f} {row['floor_cpu_us']:6.0f}  "
        f"{row['floor']:8} {verdict}"
    )


async def against_floor(session: Session, load: dict[str, Workload], names: list[str]) -> dict[str, Any]:
    """Every workload on the product and on the better floor, and the floor on itself."""
    pace = session.pace
    floors = {name: session.floor(f"floor {name}", command) for name, command in FLOORS.items()}
    product = session.product("product", PRODUCTS["granian"])
    rows = []
    say(HEAD)
    # Without one of these there is nothing to compare the floor's own noise with.
    paired = [name for name in names if name in ("W1", "W2", "W3", "W6", "W9")] or ["W1"]
    for name in paired:
        best = await session.better(load[name], list(floors.values()))
        found = await session.pairs(load[name], product, best, progress(name, pace.pairs))
        rows.append(row_of(found, best.name.removeprefix("floor ")))
        show_row(rows[-1])
        if name == paired[0]:
            twin = session.floor("floor twin", FLOORS[rows[-1]["floor"]])
            same = await session.pairs(load[name], twin, best, progress("A/A", pace.pairs))
            check = replace(same, name="A/A", meaning=f"the floor against itself ({name})")
            rows.append(row_of(check, rows[-1]["floor"]))
            show_row(rows[-1])
    report: dict[str, Any] = {"void": is_void(check), "ratios": rows, "rss_mb": product.worker_rss() / 2**20}
    if "W3" in names:
        beside = await session.beside_five(load["W3"], product, progress("W3′", pace.pairs))
        rows.append(row_of(beside, "five"))
        show_row(rows[-1])
    if "W4" in names:
        hot = await session.crowds(load["W4"], load["W3"], product, progress("W4", pace.pairs))
        rows.append(row_of(hot, "W3"))
        show_row(rows[-1])
    if "W5" in names:
        report |= await signing_in(session, load, product, rows)
    return report


async def signing_in(
    session: Session, load: dict[str, Workload], product: Server, rows: list[dict[str, Any]]
) -> dict[str, Any]:
    """W5: sign-ins against nothing but hashing, and how long readers wait meanwhile."""
    found = await session.logins(load["W5"], product, progress("W5", session.pace.login_pairs))
    rows.append(row_of(found, "hashing"))
    show_row(rows[-1])
    alone, meanwhile = await waits(load["W1"], load["W5"], product, session.pace)
    return {"w1_p99_ms": {"idle": alone * 1000, "while_signing_in": meanwhile * 1000}}


def start_seconds(session: Session) -> float:
    """How long the product takes from its command to its first answer: the median of some starts."""
    return statistics.median(
        session.product("started", PRODUCTS["granian"]).start_seconds for _ in range(STARTS)
    )


async def against_servers(session: Session, load: dict[str, Workload], names: list[str]) -> dict[str, Any]:
    """The product on granian and on uvicorn. Above 1 granian is better."""
    first, second = (session.product(f"product {name}", PRODUCTS[name]) for name in ("granian", "uvicorn"))
    rows = []
    say(HEAD.replace("floor", "other"))
    for name in (name for name in names if name != "W5"):
        found = await session.pairs(load[name], first, second, progress(name, session.pace.pairs))
        rows.append(row_of(found, "uvicorn") | {"pass": None, "aim": None})
        show_row(rows[-1])
    for server in (first, second):
        say(f"{server.name}: {server.worker_rss() / 2**20:.0f} MB")
    return {"ratios": rows}


def show_rest(report: dict[str, Any]) -> None:
    """What is not a ratio to the floor."""
    say()
    if waited := report.get("w1_p99_ms"):
        times = waited["while_signing_in"] / waited["idle"]
        say(
            f"W1 p99 {waited['idle']:.1f} ms, while 16 clients sign in {waited['while_signing_in']:.1f} ms: "
            f"{times:.1f} times (at most {WAIT_LIMIT:.0f})"
        )
    say(f"RSS of the worker {report['rss_mb']:.0f} MB (at most {RSS_LIMIT})")
    say(f"Start to first answer {report['start_seconds']:.2f} s (at most {START_LIMIT})")
    about = report["conditions"]
    say(f"{about['cpu']}; {about['placing']}; fdatasync {about['fdatasync_us']} µs; {about['revision']}")
    if report["void"]:
        say("VOID: the floor did not equal itself. Something else used the machine; measure again.")


async def measured(
    pace: Pace, measure: Callable[[Session, Town], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:
    """Build the town, run `measure` on it, and end everything that was started."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory, durable_postgres() as postgres:
        template = create_database(postgres)
        about = await conditions(postgres)
        say("building the town …", end="\r")
        town = await build_town(template)
        session = Session(postgres, template, town.plan, Path(directory), pace)
        with session.stack:
            return {"conditions": about, **await measure(session, town)}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a smoke test in 90 s; writes nothing")
    parser.add_argument("--pairs", type=int, help="pairs of slices for each workload")
    parser.add_argument("--only", default=ALL, help="workloads, such as W1,W9")
    parser.add_argument(
        "--compare-servers", action="store_true", help="the product on granian and on uvicorn"
    )
    return parser.parse_args()


def main() -> None:
    """Measure as the command line asks."""
    asked = arguments()
    names, pace = asked.only.split(","), SHORT if asked.short else Pace()
    pace = replace(pace, pairs=asked.pairs or pace.pairs)
    os.sched_setaffinity(0, {OTHER_CORE})
    started = time.perf_counter()

    async def measure(session: Session, town: Town) -> dict[str, Any]:
        load = workloads(town)
        if asked.compare_servers:
            return await against_servers(session, load, names)
        report = await against_floor(session, load, names)
        return report | {"start_seconds": start_seconds(session)}

    report = uvloop.run(measured(pace, measure)) | {"pace": asdict(pace)}
    if not asked.compare_servers:
        show_rest(report)
    if not (asked.short or asked.compare_servers or asked.only != ALL):
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
        draw(report, PICTURE)
        say(f"Written: {RESULTS.relative_to(ROOT)}, {PICTURE.relative_to(ROOT)}")
    say(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
