"""The guide to live updates: its script works as printed, and its tables are what the code does."""

import json
import re
import subprocess
from pathlib import Path

from bailiwick.catalog import contract as catalog
from bailiwick.identity import contract as identity
from bailiwick.kernel.domain import Event
from bailiwick.kernel.live.connection import End
from bailiwick.kernel.live.news import public_name
from bailiwick.kernel.live.socket import CODES
from bailiwick.kernel.messaging.outbox import event_type
from bailiwick.orders import contract as orders
from bailiwick.payments import contract as payments
from bailiwick.profiles import contract as profiles
from bailiwick.tasks import contract as tasks
from tests.docs.pages import ROOT, blocks
from tests.docs.running import running

GUIDE = ROOT / "docs/guides/live-updates.md"
TEXT = GUIDE.read_text()


def test_the_script_shows_the_task_as_it_is_made(sqlite_url: str, tmp_path: Path) -> None:
    [script] = blocks(GUIDE, "sh")
    with running(sqlite_url, tmp_path) as server:
        here = script.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
        done = subprocess.run(["bash", "-c", here], capture_output=True, text=True, timeout=30, check=False)
    told = [json.loads(line[6:]) for line in done.stdout.splitlines() if line.startswith("data: ")]
    # A new account is told of its wallet, too, sooner or later.
    types = [each["type"] for each in told if each["type"] != "payments.wallet_opened"]
    assert types == ["ready", "tasks.task_created"], done.stderr
    assert told[-1]["data"].get("title", "Listen") == "Listen"
    assert done.returncode == 28  # curl's own limit of time


def test_every_reason_and_its_code_is_in_the_table() -> None:
    rows = re.findall(r"^\| (`.+?) \| (\d+) \|", TEXT, re.MULTILINE)
    written = {reason: int(code) for names, code in rows for reason in re.findall(r"`(\w+)`", names)}
    assert written == {end.value: code for end, code in CODES.items()}
    assert set(CODES) == set(End) - {End.GONE}


def test_every_event_that_users_hear_of_is_named() -> None:
    contracts = (identity, profiles, tasks, payments, catalog, orders)
    kinds = [kind for contract in contracts for kind in vars(contract).values() if is_heard_of(kind)]
    bases = {base for kind in kinds for base in kind.__bases__}
    assert {public_name(event_type(kind)) for kind in kinds if kind not in bases} == set(
        re.findall(r"`([a-z]+\.\w+_\w+)`", TEXT.partition("## A stream")[0])
    )


def is_heard_of(kind: object) -> bool:
    """Whether it is an event that says whom it concerns."""
    return isinstance(kind, type) and issubclass(kind, Event) and kind.audience is not Event.audience
