"""Statements: the same lines as JSON, CSV and PDF, with balances that add up, for those who may see them."""

import base64
import csv
import io
import re
import sys
import zlib
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx2 as httpx
import pytest

from bailiwick.kernel.application import Actor
from bailiwick.kernel.http.money import MoneyView
from bailiwick.kernel.money import Money
from bailiwick.payments.contract import JournalKind
from bailiwick.payments.infrastructure.history import LineView, Statement
from bailiwick.payments.interfaces.http import statements
from bailiwick.payments.interfaces.http.statements import as_csv, as_pdf, text_cell
from tests.payments.bank import TELLER, Bank, Customer
from tests.payments.books import Books

MAY = datetime(2026, 5, 1, tzinfo=UTC)
JUNE = datetime(2026, 6, 1, tzinfo=UTC)


def path(wallet: UUID, what: str = "statement") -> str:
    return f"/api/v1/wallets/{wallet}/{what}"


async def told(bank: Bank, who: Customer, **query: str) -> Any:
    async with bank.browser(who.actor) as browser:
        answer = await browser.get(path(who.wallet), params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def file(bank: Bank, actor: Actor, wallet: UUID, **query: str) -> httpx.Response:
    async with bank.browser(actor) as browser:
        return await browser.get(path(wallet), params=query)


def at(day: int, month: int = 5) -> datetime:
    return datetime(2026, month, day, 12, tzinfo=UTC)


PERIOD = {"from": MAY.isoformat(), "to": JUNE.isoformat()}


def far_away() -> str:
    place = b'{"effective_at":"2026-05-01T00:00:00Z","journal_id":"%s","position":99999999999}'
    return base64.urlsafe_b64encode(place % str(UUID(int=1)).encode()).decode()


async def history(bank: Bank) -> tuple[Customer, Customer]:
    """Two people, and seven movements between them: one before May, one after, and one at its very start."""
    ada, bob = await bank.person(), await bank.person()
    books = Books(bank.database)
    for day, month, amount, text in (
        (30, 4, 500, "before"), (20, 5, -30, "rent"), (3, 5, 100, "=SUM(A1)"), (20, 5, -40, "food"),
        (31, 5, 7, "Käse 🐢"), (1, 6, 1000, "after"),
    ):  # fmt: skip
        legs = (ada.wallet, amount), (bob.wallet, -amount)
        await books.move(*legs, at=at(day, month), description=text)
    await books.move((ada.wallet, 1), (bob.wallet, -1), at=MAY, description="on the stroke")
    await books.move((ada.wallet, 2), (bob.wallet, -2), at=JUNE, description="no longer")
    return ada, bob


async def test_a_statement_opens_with_what_was_there_and_closes_with_what_is(bank: Bank) -> None:
    ada, _ = await history(bank)
    found = await told(bank, ada, **PERIOD)
    lines = [
        (line["description"], line["amount"]["amount"], line["balance"]["amount"])
        for line in found["entries"]
    ]
    assert lines == [
        ("on the stroke", 1, 501),
        ("=SUM(A1)", 100, 601),
        ("rent", -30, 571),
        ("food", -40, 531),
        ("Käse 🐢", 7, 538),
    ]
    assert found["opening"] == {"amount": 500, "currency": "NAD", "exponent": 2}
    assert (found["closing"]["amount"], found["next_cursor"]) == (538, None)
    assert (found["since"], found["until"]) == ("2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z")


async def test_pages_go_on_where_the_last_one_ended(bank: Bank) -> None:
    ada, _ = await history(bank)
    whole = await told(bank, ada, **PERIOD)
    lines: list[Any] = []
    query: dict[str, Any] = {**PERIOD, "per_page": "2"}
    for _ in range(3):
        page = await told(bank, ada, **query)
        assert (page["opening"], page["closing"]) == (whole["opening"], whole["closing"])
        lines += page["entries"]
        query["cursor"] = page["next_cursor"]
    assert (lines, query["cursor"]) == (whole["entries"], None)


async def test_several_entries_of_one_journal_are_several_lines(bank: Bank) -> None:
    ada, bob = await bank.person(), await bank.person()
    await Books(bank.database).move((ada.wallet, -5), (ada.wallet, -1), (bob.wallet, 6), at=at(3))
    first = await told(bank, ada, **PERIOD, per_page="1")
    second = await told(bank, ada, **PERIOD, per_page="1", cursor=first["next_cursor"])
    assert [page["entries"][0]["balance"]["amount"] for page in (first, second)] == [-5, -6]


async def test_a_statement_without_a_period_is_of_this_month(bank: Bank) -> None:
    ada = await bank.person(700)
    found = await told(bank, ada)
    month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    assert datetime.fromisoformat(found["since"]) == month
    assert [line["kind"] for line in found["entries"]] == ["deposit"]
    assert (found["opening"]["amount"], found["closing"]["amount"]) == (0, 700)


async def test_a_wallet_in_which_nothing_moved_has_a_statement_too(bank: Bank) -> None:
    ada = await bank.person()
    found = await told(bank, ada)
    assert (found["entries"], found["opening"]["amount"], found["closing"]["amount"]) == ([], 0, 0)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-05-01T00:00:00"}, "from"),
        ({"to": "2026-05-01T00:00:00Z", "from": "2026-05-02T00:00:00Z"}, "to"),
        ({"format": "xls"}, "format"),
        ({"per_page": "0"}, "per_page"),
        ({"per_page": "many"}, "per_page"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "W10"}, "cursor"),
        ({"cursor": "é"}, "cursor"),
        ({"cursor": far_away()}, "cursor"),
    ],
)
async def test_a_query_that_makes_no_sense_is_refused(bank: Bank, query: dict[str, str], field: str) -> None:
    ada = await bank.person()
    answer = await file(bank, ada.actor, ada.wallet, **query)
    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_owners_see_their_own_and_operators_see_all(bank: Bank) -> None:
    ada, bob = await history(bank)
    for what in ("statement", "balance", "explanation"):
        for actor, wallet, status in (
            (ada.actor, ada.wallet, 200),
            (bob.actor, ada.wallet, 404),
            (TELLER, ada.wallet, 200),
            (TELLER, uuid4(), 404),
        ):
            async with bank.browser(actor) as browser:
                answer = await browser.get(path(wallet, what))
            assert answer.status_code == status, (what, answer.text)
            assert status == 200 or answer.json()["code"] == "no_wallet"
    for format in ("csv", "pdf"):
        assert (await file(bank, bob.actor, ada.wallet, format=format)).status_code == 404


async def test_a_csv_file_has_the_lines_of_the_statement(bank: Bank) -> None:
    ada, _ = await history(bank)
    answer = await file(bank, ada.actor, ada.wallet, format="csv", **PERIOD)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="statement-20260501-20260601.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [(row["date"], row["description"], row["amount"], row["balance"]) for row in rows] == [
        ("2026-05-01 00:00:00", "Opening balance", "", "5.00"),
        ("2026-05-01 00:00:00", "on the stroke", "0.01", "5.01"),
        ("2026-05-03 12:00:00", "'=SUM(A1)", "1.00", "6.01"),
        ("2026-05-20 12:00:00", "rent", "-0.30", "5.71"),
        ("2026-05-20 12:00:00", "food", "-0.40", "5.31"),
        ("2026-05-31 12:00:00", "Käse 🐢", "0.07", "5.38"),
        ("2026-06-01 00:00:00", "Closing balance", "", "5.38"),
    ]
    assert {row["currency"] for row in rows} == {"NAD"}


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "＝"])
def test_no_text_is_a_formula(first: str) -> None:
    written = as_csv(statement_of([f"{first}cmd|' /C calc'!A0"]))
    row = list(csv.reader(io.StringIO(written.decode("utf-8-sig"), newline="")))[2]
    assert row[3] == f"'{first}cmd|' /C calc'!A0"
    assert text_cell(f"lunch {first}") == f"lunch {first}"


@pytest.mark.parametrize(
    ("currency", "shown"),
    [("NAD", "-1234567.89"), ("JPY", "-123456789"), ("BHD", "-123456.789"), ("CLF", "-12345.6789")],
)
def test_amounts_have_the_places_of_their_currency(currency: str, shown: str) -> None:
    written = as_csv(statement_of(["rent"], currency, -123456789)).decode()
    assert f",{shown},{shown},{currency}" in written
    assert shown.encode() in text_of(as_pdf(statement_of(["rent"], currency, -123456789)))


def statement_of(texts: list[str], currency: str = "NAD", amount: int = 100) -> Statement:
    money = Money(amount, currency)
    view = MoneyView.of(money)
    lines = [LineView(UUID(int=1), JournalKind.TRANSFER, view, view, text, at(3)) for text in texts]
    return Statement(UUID(int=2), currency, MAY, JUNE, Money(0, currency), money, lines, None)


def text_of(pdf: bytes) -> bytes:
    """What the pages say, with their commands."""
    streams = re.findall(rb"stream\n(.*?)endstream", pdf, re.DOTALL)
    return b"".join(zlib.decompress(base64.a85decode(b"<~" + each.strip(), adobe=True)) for each in streams)


async def test_a_pdf_file_has_the_lines_of_the_statement(bank: Bank) -> None:
    ada, _ = await history(bank)
    answer = await file(bank, ada.actor, ada.wallet, format="pdf", **PERIOD)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    said = text_of(answer.content)
    for text in (
        b"Statement in NAD",
        str(ada.wallet).encode(),
        b"=SUM\\(A1\\)",
        b"-0.40",
        b"5.38",
        b"Closing",
    ):
        assert text in said, text


def test_a_long_statement_has_several_pages() -> None:
    said = text_of(as_pdf(statement_of([f"lunch {n}" for n in range(120)])))
    assert b"Page 3" in said
    assert b"lunch 119" in said


async def test_a_server_without_the_library_says_so(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = await bank.person(5)
    for name in [name for name in sys.modules if name.partition(".")[0] == "reportlab"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "reportlab", None)
    answer = await file(bank, ada.actor, ada.wallet, format="pdf")
    assert (answer.status_code, answer.json()["code"]) == (501, "pdf_not_available")
    assert "bailiwick[pdf]" in answer.json()["detail"]


async def test_a_file_of_too_many_lines_is_refused(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, _ = await history(bank)
    monkeypatch.setattr(statements, "MOST_LINES", 5)
    assert (await file(bank, ada.actor, ada.wallet, format="csv", **PERIOD)).status_code == 200
    monkeypatch.setattr(statements, "MOST_LINES", 4)
    answer = await file(bank, ada.actor, ada.wallet, format="csv", **PERIOD)
    assert (answer.status_code, answer.json()["code"]) == (422, "period_too_long")
