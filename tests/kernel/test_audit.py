"""The audit trail: a row for each commit, sealed soon, and no way to change one without being seen."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
from sqlalchemy import Select, select
from uuid_utils.compat import uuid7

from bailiwick.kernel.application import Cause, cause
from bailiwick.kernel.audit import sealing
from bailiwick.kernel.audit.chain import GENESIS, details_digest, digest
from bailiwick.kernel.audit.erasure import erase_details
from bailiwick.kernel.audit.refusals import MOST_WAITING, Refusals
from bailiwick.kernel.audit.sealing import Sealer
from bailiwick.kernel.audit.trail import Change, audit_row
from bailiwick.kernel.audit.verification import Report, verify
from bailiwick.kernel.database import migrations
from bailiwick.kernel.database.connections import Database, Row
from bailiwick.kernel.database.statements import POSTGRESQL, Write, compile_for
from bailiwick.kernel.failpoints import VARIABLE
from bailiwick.kernel.ids import earlier
from bailiwick.kernel.jobs import Job
from bailiwick.kernel.messaging.handlers import JobHandler
from bailiwick.kernel.messaging.outbox import job_name
from bailiwick.kernel.messaging.tables import audit, seals
from bailiwick.kernel.observability import audit_refusals_dropped
from tests.kernel.messages import working
from tests.kernel.samples import SampleUnitOfWork, Shelf, ShelfId, create_tables, database_at, metadata
from tests.style.source import ROOT

ADA, BOB = uuid4(), uuid4()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Opened, on either engine, and migrated: the rules of the database are in the migration."""
    await migrations.upgrade_async(database_url, [])
    opened = database_at(database_url)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def sealer(database: Database) -> Sealer:
    return Sealer(database, lambda: datetime.now(UTC))


async def done(database: Database, count: int = 1, *, actor: UUID | None = ADA) -> None:
    """As many commits, each with an address and a value."""
    token = cause.set(Cause("request-1", actor, "192.0.2.7", "curl/8", "shelves_paint"))
    rows = [
        audit_row(
            [Change("shelf", uuid4(), 2, ["wood"], {"wood": ("oak", f"pine {i}"), "cm": (1.0, 2.5)}, BOB)]
        )
        for i in range(count)
    ]
    cause.reset(token)
    for start in range(0, count, 16):
        await database.write(rows[start : start + 16])


async def trail(database: Database) -> list[dict[str, Any]]:
    return [dict(zip(audit.c.keys(), row, strict=True)) for row in await database.all(_TRAIL)]


async def chain(database: Database) -> Sequence[Row]:
    return await database.all(select(seals).order_by(seals.c.position))


_TRAIL = select(audit).order_by(audit.c.id)


async def script(url: str, *statements: str) -> None:
    """What the owner of the database can do: switch the rules off, and do as they like."""
    if url.startswith("sqlite:"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        connection.close()
        return
    server = await asyncpg.connect(url)
    await server.execute("SET session_replication_role = replica")
    for statement in statements:
        await server.execute(statement)
    await server.close()


def problems(report: Report) -> list[tuple[int, str]]:
    return [(damage.position, damage.problem) for damage in report.damages]


async def test_rows_are_sealed_in_a_chain_that_anybody_can_recompute(
    database: Database, sealer: Sealer
) -> None:
    await done(database, 3)
    await database.write([audit_row([])])
    assert await sealer.look()
    rows, sealed = await trail(database), await chain(database)
    assert [position for position, *_ in sealed] == [1, 2, 3, 4]
    assert [audit_id for _, audit_id, *_ in sealed] == [row["id"] for row in rows]
    previous = GENESIS
    for row, (_, _, of_details, stored) in zip(rows, sealed, strict=True):
        assert of_details == details_digest(row["details"])
        assert stored == (previous := digest(previous, row, of_details))
    assert [row["details"] is None for row in rows] == [False, False, False, True]
    report = await verify(database)
    assert (report.sealed, report.damaged, report.unsealed, report.head) == (4, 0, 0, (4, previous))


async def test_the_canonical_form_is_the_same_on_both_databases(sqlite_url: str, postgresql_url: str) -> None:
    values = {"ü": (None, "\u2028\x7f'"), "b": (1e3, -0.0), "a": (1e22, 0.1), "z": (2**53 + 1, 1e16)}
    token = cause.set(Cause("request-1", ADA, "192.0.2.7", "curl/8", "shelves_paint"))
    row = audit_row(
        [Change("shelf", BOB, 2, ["z", "a"], values), Change("bulk (update)", None, None, (), {})]
    )
    cause.reset(token)
    found = []
    for url in (sqlite_url, postgresql_url):
        await migrations.upgrade_async(url, [])
        database = database_at(url)
        await database.open()
        await database.write([row])
        await Sealer(database, lambda: datetime.now(UTC)).look()
        found.append((await database.all(select(seals.c.details_digest, seals.c.digest)))[0])
        await database.close()
    assert tuple(found[0]) == tuple(found[1])


async def test_a_running_sealer_seals_within_about_a_second(database: Database, sealer: Sealer) -> None:
    running = asyncio.ensure_future(sealer.run())
    await asyncio.sleep(0.1)
    await done(database, 2)
    async with asyncio.timeout(3):
        while len(await chain(database)) < 2:  # noqa: ASYNC110 - another's progress
            await asyncio.sleep(0.05)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_a_row_that_commits_late_is_sealed_later(database: Database, sealer: Sealer) -> None:
    """An id is made before its commit, and by a clock that may be behind."""
    await done(database, 3)
    for _ in range(2):
        await sealer.look()
    await insert_with_age(database, timedelta(seconds=5))
    await sealer.look()
    assert (await verify(database)).unsealed == 0
    await insert_with_age(database, timedelta(minutes=1))
    await insert_with_age(database, timedelta(days=2))
    await sealer.look()
    assert (await verify(database)).unsealed == 2
    sealer._widen_at = 0
    await sealer.look()
    report = await verify(database)
    assert (report.unsealed, report.oldest_unsealed) == (1, (await trail(database))[0]["at"])
    await sealer.sweep()
    report = await verify(database)
    assert (report.sealed, report.damaged, report.unsealed) == (6, 0, 0)


async def insert_with_age(database: Database, age: timedelta) -> None:
    write = audit_row([])
    id = earlier(UUID(str(write.params["id"])), int(age.total_seconds() * 1000))
    await database.write([Write(write.statement, {**write.params, "id": id})])


async def test_an_id_from_the_future_hides_nobody_elses_row(database: Database, sealer: Sealer) -> None:
    await insert_with_age(database, timedelta(days=-365))
    await sealer.look()
    await done(database)
    await sealer.look()
    assert (await verify(database)).unsealed == 0


async def test_two_sealers_at_once_make_one_chain(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "BATCH", 7)
    monkeypatch.setattr(sealing, "STRIDE", 20)
    await done(database, 150)
    together = asyncio.Barrier(3)

    class Meeting(Sealer):
        """Begins to write once all have read the same rows."""

        met = False

        async def _append(self, rows: Sequence[Sequence[Any]]) -> bool:
            if not self.met:
                self.met = True
                await together.wait()
            return await super()._append(rows)

    sealers = [Meeting(database, lambda: datetime.now(UTC)) for _ in range(3)]
    alone = await asyncio.gather(*(sealer.sweep() for sealer in sealers))
    assert not all(alone)
    report = await verify(database)
    assert (report.sealed, report.damaged, report.unsealed) == (150, 0, 0)


KILLED = """
import asyncio, sys
from datetime import UTC, datetime
from bailiwick.kernel.audit import sealing
from tests.kernel.messages import working
from tests.kernel.samples import SampleUnitOfWork, Shelf, ShelfId, create_tables, database_at, metadata

async def seal():
    sealing.BATCH = 5
    database = database_at(sys.argv[1])
    await database.open()
    await sealing.Sealer(database, lambda: datetime.now(UTC)).sweep()
    await database.close()

asyncio.run(seal())
"""


async def test_a_sealer_that_is_killed_at_any_moment_leaves_a_chain_to_go_on_with(
    database: Database, database_url: str
) -> None:
    await done(database, 60)
    for moment in ("sealing.before_write=kill@3", "sealing.after_write=kill@2", "database.*=kill@4", ""):
        ended = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", KILLED, database_url],
            env=os.environ | {VARIABLE: moment},
            cwd=ROOT,
            check=False,
            timeout=60,
        )
        assert (ended.returncode != 0) == bool(moment)
        report = await verify(database)
        assert (report.damaged, report.sealed + report.unsealed) == (0, 60)
    assert report.unsealed == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE kernel_audit SET what = 'nothing'",
        "UPDATE kernel_audit SET details = NULL, outcome = 'other'",
        "UPDATE kernel_audit SET details = '{}'",
        "DELETE FROM kernel_audit",
        "UPDATE kernel_seal SET digest = details_digest",
        "DELETE FROM kernel_seal WHERE position = 2",
        "TRUNCATE kernel_audit",
        "TRUNCATE kernel_seal",
        "INSERT OR REPLACE INTO kernel_audit SELECT id, at, 'x', outcome, actor_id, correlation_id,"
        " subject_id, changes, details FROM kernel_audit",
        "INSERT OR REPLACE INTO kernel_seal SELECT * FROM kernel_seal",
    ],
)
async def test_the_database_refuses_to_change_what_happened(
    database: Database, database_url: str, sealer: Sealer, statement: str
) -> None:
    await done(database, 3)
    await sealer.look()
    before = await trail(database), await chain(database)
    if database_url.startswith("sqlite:"):
        if statement.startswith("TRUNCATE"):
            return  # not a word of SQLite
        connection = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
        with pytest.raises(sqlite3.IntegrityError, match=r"append-only|UNIQUE"):
            connection.execute(statement)
        connection.close()
    else:
        server = await asyncpg.connect(database_url)
        with pytest.raises(asyncpg.PostgresError, match=r"append-only|syntax error"):
            await server.execute(statement)
        await server.close()
    assert (await trail(database), await chain(database)) == before


TAMPERING: dict[str, tuple[list[str], list[tuple[int, str | None]]]] = {
    "altered value": (
        ["UPDATE kernel_audit SET outcome = 'never' WHERE id = {3}"],
        [(3, "the row was altered")],
    ),
    "altered last value": (
        ["UPDATE kernel_audit SET outcome = 'never' WHERE id = {9}"],
        [(9, "the row or its seal was altered")],
    ),
    "altered details": (
        ['UPDATE kernel_audit SET details = \'{{"salt": "x"}}\' WHERE id = {3}'],
        [(3, "the details were altered")],
    ),
    "deleted row": (["DELETE FROM kernel_audit WHERE id = {3}"], [(3, "the row is missing")]),
    "deleted row and seal": (
        ["DELETE FROM kernel_audit WHERE id = {3}", "DELETE FROM kernel_seal WHERE position = 3"],
        [(3, "the seals from 3 to 3 are missing")],
    ),
    "deleted beginning": (
        ["DELETE FROM kernel_seal WHERE position < 3"],
        [(2, "the seals from 1 to 2 are missing")],
    ),
    "renumbered": (
        [
            "DELETE FROM kernel_seal WHERE position = 1",
            "UPDATE kernel_seal SET position = position - 100",
            "UPDATE kernel_seal SET position = position + 99",
        ],
        [(1, "the row was altered")],
    ),
    "swapped rows": (
        [
            "DROP INDEX uq_kernel_seal_audit_id",
            "UPDATE kernel_seal SET audit_id = {6} WHERE position = 3",
            "UPDATE kernel_seal SET audit_id = {3} WHERE position = 6",
        ],
        [(3, "reordered: it stood for row {3}"), (6, "reordered: it stood for row {6}")],
    ),
    "swapped seals": (
        [
            "UPDATE kernel_seal SET position = -3 WHERE position = 3",
            "UPDATE kernel_seal SET position = 3 WHERE position = 6",
            "UPDATE kernel_seal SET position = 6 WHERE position = -3",
        ],
        [(position, None) for position in (3, 4, 6, 7)],
    ),
    "altered seal": (
        ["UPDATE kernel_seal SET digest = '00' WHERE position = 3"],
        [(3, "the seal was altered")],
    ),
    "altered seal of details": (
        ["UPDATE kernel_seal SET details_digest = '00' WHERE position = 3"],
        [(3, "the row was altered")],
    ),
}


@pytest.mark.parametrize("how", TAMPERING)
async def test_who_owns_the_database_cannot_change_the_past_unseen(
    database: Database, database_url: str, sealer: Sealer, how: str
) -> None:
    statements, expected = TAMPERING[how]
    await done(database, 9)
    await sealer.look()
    assert (await verify(database)).damaged == 0
    ids = {position: audit_id for position, audit_id, *_ in await chain(database)}
    as_stored = {n: f"'{id.hex if database_url.startswith('sqlite:') else id}'" for n, id in ids.items()}
    quoted = [f"'{'-' * 3}'", *(as_stored[n] for n in sorted(as_stored))]
    await script(database_url, *(statement.format(*quoted) for statement in statements))
    found = problems(await verify(database))
    names = ["", *(str(ids[n]) for n in sorted(ids))]
    wanted = [(n, text.format(*names) if text else None) for n, text in expected]
    assert [(n, text if wanted[i][1] else None) for i, (n, text) in enumerate(found)] == wanted


async def test_only_an_anchor_kept_elsewhere_shows_that_the_end_was_cut_off(
    database: Database, database_url: str, sealer: Sealer
) -> None:
    await done(database, 5)
    await sealer.look()
    position, head = (await verify(database)).head
    anchors = {position: head}
    await done(database, 2)
    await sealer.look()
    assert problems(await verify(database, anchors)) == []
    later = {7: (await verify(database)).head[1]} | anchors
    await script(
        database_url,
        "DELETE FROM kernel_audit WHERE id IN (SELECT audit_id FROM kernel_seal WHERE position > 5)",
        "DELETE FROM kernel_seal WHERE position > 5",
    )
    assert problems(await verify(database)) == []
    assert problems(await verify(database, later)) == [(7, "it was anchored and is gone")]
    await done(database, 2)
    await sealer.look()
    assert problems(await verify(database, later)) == [
        (7, "the chain is another one than when it was anchored")
    ]


async def test_what_is_personal_can_be_erased_and_the_chain_still_holds(
    database: Database, sealer: Sealer
) -> None:
    await done(database, 2, actor=ADA)
    await done(database, 3, actor=uuid4())
    await sealer.look()
    assert await erase_details(database, actor_id=ADA) == 2
    await sealer.look()
    report = await verify(database)
    assert (report.sealed, report.erased, report.damaged, report.unsealed) == (6, 2, 0, 0)
    rows = await trail(database)
    assert [row["details"] is None for row in rows] == [True, True, False, False, False, True]
    assert (rows[0]["actor_id"], rows[0]["subject_id"], rows[0]["what"]) == (ADA, BOB, "shelves_paint")
    assert (rows[-1]["what"], rows[-1]["subject_id"]) == ("audit_erase", ADA)
    assert await erase_details(database, subject_id=BOB) == 3
    assert await erase_details(database, actor_id=ADA, subject_id=BOB) == 0
    assert (await verify(database)).damaged == 0


async def test_details_can_be_erased_by_age_and_before_they_are_sealed(
    database: Database, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bailiwick.kernel.audit.erasure.AT_A_TIME", 2)
    await done(database, 5, actor=None)
    await asyncio.sleep(0.005)
    assert await erase_details(database, before=datetime.now(UTC)) == 5
    await done(database)
    assert await erase_details(database, before=datetime.now(UTC) - timedelta(days=1)) == 0
    await sealer.look()
    report = await verify(database)
    assert (report.damaged, report.erased, report.sealed) == (0, 0, 8)


async def test_the_seal_of_erased_details_does_not_tell_what_they_were(
    database: Database, sealer: Sealer
) -> None:
    """The same details have another digest each time, so guessing them needs the salt, which is gone."""
    await done(database, 1)
    await done(database, 1)
    first, second = await trail(database)
    same = [{**row["details"], "salt": "", "values": None} for row in (first, second)]
    assert same[0] == same[1]
    await sealer.look()
    assert len({of_details for _, _, of_details, _ in await chain(database)}) == 2


@dataclass(frozen=True)
class Paint(Job):
    name: str


async def test_the_actor_is_known_to_the_jobs_of_what_they_did(database: Database, database_url: str) -> None:
    await create_tables(database_url, metadata)

    async def paint(command: Paint) -> None:
        async with SampleUnitOfWork(database) as uow:
            uow.shelves.add(Shelf(id=ShelfId(uuid7()), name=command.name))
            await uow.commit(None)

    token = cause.set(Cause("request-1", ADA, "192.0.2.7", "curl/8", "shelves_paint"))
    async with SampleUnitOfWork(database) as uow:
        uow.enqueue(Paint("oak"))
        await uow.commit(None)
    cause.reset(token)
    await working(database, lambda: datetime.now(UTC), JobHandler(Paint, paint)).until_idle()
    asked, painted = await trail(database)
    assert (asked["what"], asked["actor_id"], asked["details"]["address"]) == (
        "shelves_paint",
        ADA,
        "192.0.2.7",
    )
    assert (painted["what"], painted["actor_id"]) == (job_name(Paint), ADA)
    assert (painted["correlation_id"], painted["details"]) == ("request-1", None)
    assert [change["kind"] for change in painted["changes"]] == ["shelf"]


async def test_refusals_are_written_soon_and_at_the_end(database: Database) -> None:
    refusals = Refusals(database)
    running = asyncio.ensure_future(refusals.run())
    await asyncio.sleep(0)
    why = Cause("request-1", ADA, "192.0.2.7", "curl/8", "shelves_paint")
    for _ in range(7):
        refusals.note(why, "permission_required", BOB)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    rows = await trail(database)
    assert {(r["what"], r["outcome"], r["actor_id"], r["subject_id"]) for r in rows} == {
        ("shelves_paint", "permission_required", ADA, BOB)
    }
    assert (len(rows), rows[0]["changes"]) == (7, [])
    assert rows[0]["details"].keys() == {"address", "user_agent", "salt"}


async def test_of_too_many_refusals_some_are_dropped_and_counted(database: Database) -> None:
    refusals = Refusals(database)
    before = audit_refusals_dropped._value.get()
    for _ in range(MOST_WAITING):
        refusals.note(Cause("stranger"), "invalid_credentials")
    for _ in range(MOST_WAITING):
        refusals.note(Cause("known", ADA), "not_found")
    await refusals.flush()
    assert audit_refusals_dropped._value.get() - before == MOST_WAITING
    told = [row["correlation_id"] for row in await trail(database)]
    assert (told.count("stranger"), told.count("known")) == (MOST_WAITING // 2, MOST_WAITING // 2)


async def test_refusals_wait_while_the_database_does_not_answer(
    database_url: str, database: Database
) -> None:
    elsewhere = database_at("postgresql://nobody@127.0.0.1:1/none")
    refusals = Refusals(elsewhere)
    for number in range(3):
        refusals.note(Cause(str(number)), "not_found")
    await refusals.flush()
    refusals._database = database
    await refusals.flush()
    assert [row["correlation_id"] for row in await trail(database)] == ["0", "1", "2"]


async def test_a_seal_costs_the_same_however_long_the_trail_is(postgresql_url: str) -> None:
    """With ten times the rows, the search for rows without a seal reads no more of them."""
    await migrations.upgrade_async(postgresql_url, [])
    database = database_at(postgresql_url)
    await database.open()
    sealer = Sealer(database, lambda: datetime.now(UTC))
    costs, careless = [], []
    for old in (5_000, 45_000):
        await script(postgresql_url, PAST.format(count=old), "ANALYZE kernel_audit, kernel_seal")
        await done(database, 20)
        sealer._widen_at = 0
        await sealer.look()
        costs.append(await pages_read(postgresql_url, sealing.TRAIL.unsealed))
        careless.append(await pages_read(postgresql_url, ALL_AT_ONCE))
        assert (await verify(database)).unsealed == 0
    await database.close()
    assert costs[1] < 2 * costs[0] + 10, costs
    assert careless[1] > 5 * careless[0], careless


PAST = """
WITH made AS (
    INSERT INTO kernel_audit
    SELECT (lpad(to_hex(1700000000000 + n), 12, '0') || '7000' || substr(md5(random()::text), 1, 16))::uuid,
           now() - interval '1 year', 'x', 'done', NULL, '', NULL, '[]', NULL
    FROM generate_series(1, {count}) AS n RETURNING id
)
INSERT INTO kernel_seal
SELECT (SELECT coalesce(max(position), 0) FROM kernel_seal) + row_number() OVER (), id, NULL, 'x' FROM made
"""


ALL_AT_ONCE = select(audit).where(audit.c.id.not_in(select(seals.c.audit_id)))
"""The planted way to look for rows without a seal, which reads all of them."""


async def pages_read(url: str, search: Select[Any]) -> int:
    compiled = compile_for(POSTGRESQL, search)
    server = await asyncpg.connect(url)
    values = compiled.values({"after": earlier(uuid7(), sealing.NARROW), "last": sealing.LAST, "most": 500})
    [[plan]] = await server.fetch(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {compiled.sql}", *values)
    await server.close()
    top = orjson.loads(plan)[0]["Plan"]
    return int(top["Shared Hit Blocks"]) + int(top["Shared Read Blocks"])
