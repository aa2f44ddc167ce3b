"""The routes that explain a wallet: statement (JSON, CSV, PDF), balance at a time, why it is what it is."""

import asyncio
import base64
import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from bailiwick.kernel.application import Actor
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.listing import MOST_PER_PAGE, PER_PAGE, InvalidListing, ListRequest
from bailiwick.kernel.domain import Invalid
from bailiwick.kernel.http.money import MoneyView
from bailiwick.kernel.http.problems import Problem
from bailiwick.kernel.http.responses import Response, encode
from bailiwick.kernel.http.routing import Router
from bailiwick.kernel.money import Money
from bailiwick.kernel.specification import All
from bailiwick.kernel.times import Instant
from bailiwick.payments.domain.wallet import WalletId
from bailiwick.payments.infrastructure.history import (
    BalanceView,
    ExplanationView,
    LineView,
    Place,
    Statement,
    balance_at,
    explanation,
    statement,
)

router = Router("payments", prefix="/api/v1")

MOST_LINES = 10_000
"""In a file."""

Format = Literal["json", "csv", "pdf"]
_INSTANT, _FORMAT = TypeAdapter[datetime](Instant), TypeAdapter[Format](Format)
_PLACE = TypeAdapter(Place)


class PeriodTooLong(Invalid):
    """There are more entries in the period than fit into a file. Ask for a shorter one, or for JSON."""


@dataclass
class StatementView:
    """A wallet from one time on and before another. `opening` and `closing` are its balances at both.

    `next_cursor` is null where no entries follow.
    """

    wallet_id: WalletId
    since: datetime
    until: datetime
    opening: MoneyView
    closing: MoneyView
    entries: list[LineView]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRequest(ListRequest):
    """What a client asked of a statement."""

    period: tuple[datetime, datetime]
    format: Format
    after: Place | None


class StatementQuery:
    """The query of a statement: a period, a format, and a page where that is JSON."""

    def parse(self, query: Mapping[str, str], seal: bytes = b"") -> StatementRequest:
        """Raises InvalidListing."""
        now = datetime.now(UTC)
        month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        since = _read(query, "from", _INSTANT, month)
        until = _read(query, "to", _INSTANT, max(now, since))
        if until < since:
            raise InvalidListing("the end is before the beginning", field="to")
        per_page = _read(query, "per_page", TypeAdapter(int), PER_PAGE)
        if not 1 <= per_page <= MOST_PER_PAGE:
            raise InvalidListing(f"must be a whole number from 1 to {MOST_PER_PAGE}", field="per_page")
        format = _read(query, "format", _FORMAT, "json")
        cursor = query.get("cursor") or None
        after = None if cursor is None else _place_of(cursor)
        return StatementRequest(
            1, per_page, cursor, (), All(()), seal, period=(since, until), format=format, after=after
        )

    def parameters(self) -> list[dict[str, Any]]:
        time = {"type": "string", "format": "date-time"}
        formats = {"type": "string", "enum": ["json", "csv", "pdf"], "default": "json"}
        per_page = {"type": "integer", "minimum": 1, "maximum": MOST_PER_PAGE, "default": PER_PAGE}
        found = [
            ("from", time, "Entries that count from then on. Without it: since this month began (UTC)."),
            ("to", time, "Entries that count before then. Without it: until now."),
            ("format", formats, f"Files have at most {MOST_LINES} entries."),
            ("cursor", {"type": "string"}, "For JSON: `next_cursor` of the page before."),
            ("per_page", per_page, "For JSON: entries on a page."),
        ]
        return [
            {"name": name, "in": "query", "required": False, "schema": schema, "description": note}
            for name, schema, note in found
        ]


def _read(query: Mapping[str, str], name: str, adapter: TypeAdapter[Any], default: Any) -> Any:
    try:
        return adapter.validate_python(query[name]) if name in query else default
    except ValidationError as error:
        raise InvalidListing(error.errors()[0]["msg"], field=name) from error


def _cursor_to(place: Place) -> str:
    return base64.urlsafe_b64encode(encode(place)).decode().rstrip("=")


def _place_of(cursor: str) -> Place:
    """What is asked for is within the caller's own wallet, wherever a cursor points."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        place = _PLACE.validate_json(raw)
        if not 0 <= place.position < 2**15:
            raise ValueError("no journal has so many entries")
        return Place(_INSTANT.validate_python(place.effective_at), place.journal_id, place.position)
    except ValueError as error:
        raise InvalidListing("not a cursor of a statement", field="cursor") from error


STATEMENT = StatementQuery()


def _shown(answer: Any) -> StatementView:
    """The document shows the JSON; where a file was asked for, the answer is that."""
    if not isinstance(answer, Statement):
        return answer  # type: ignore[no-any-return]  # a Response
    return StatementView(
        WalletId(answer.wallet_id),
        answer.since,
        answer.until,
        MoneyView.of(answer.opening),
        MoneyView.of(answer.closing),
        answer.lines,
        None if answer.next is None else _cursor_to(answer.next),
    )


@router.get(
    "/wallets/{wallet_id}/statement", listing=STATEMENT, view=_shown, files=("text/csv", "application/pdf")
)
async def read_statement(
    wallet_id: WalletId, asked: ListRequest, actor: Actor, database: Database
) -> Statement | Response:
    """What moved in a period, with the balance after each entry, as JSON, CSV or PDF."""
    return await _answer(wallet_id, asked, actor, database)


async def _answer(
    wallet_id: WalletId, asked: ListRequest, actor: Actor, database: Database
) -> Statement | Response:
    assert isinstance(asked, StatementRequest)
    if asked.format == "json":
        return await statement(
            database, wallet_id, asked.period, actor, most=asked.per_page, after=asked.after
        )
    found = await statement(database, wallet_id, asked.period, actor, most=MOST_LINES)
    if found.next is not None:
        raise PeriodTooLong(f"more than {MOST_LINES} entries: ask for a shorter period", field="from")
    if asked.format == "csv":
        return _file(found, as_csv(found), "text/csv; charset=utf-8", "csv")
    return _file(found, await asyncio.to_thread(as_pdf, found), "application/pdf", "pdf")


def _file(found: Statement, content: bytes, kind: str, ending: str) -> Response:
    name = f"statement-{found.since:%Y%m%d}-{found.until:%Y%m%d}.{ending}"
    headers = [
        (b"content-type", kind.encode()),
        (b"content-disposition", f'attachment; filename="{name}"'.encode()),
    ]
    return Response(200, content, headers)


@router.get("/wallets/{wallet_id}/balance")
async def read_balance(
    wallet_id: WalletId, actor: Actor, database: Database, at: Instant | None = None
) -> BalanceView:
    """What was posted at a time, by the dates that count. Without one: what is posted now."""
    return await balance_at(database, wallet_id, at or datetime.now(UTC), actor)


@router.get("/wallets/{wallet_id}/explanation")
async def explain(wallet_id: WalletId, actor: Actor, database: Database) -> ExplanationView:
    """The entries and open holds behind posted, pending and available, and the sum, in plain words."""
    return await explanation(database, wallet_id, actor)


COLUMNS = ("date", "transfer", "kind", "description", "amount", "balance", "currency")
FORMULAS = tuple("=+-@\t\r\n＝＋－＠")
"""What a spreadsheet may take for the beginning of a formula."""


def text_cell(text: str) -> str:
    """A text that no spreadsheet runs: behind an apostrophe where it looks like a formula."""
    return f"'{text}" if text.startswith(FORMULAS) else text


def decimal(money: Money) -> str:
    """The amount in major units with all places of the currency."""
    return f"{money.decimal:.{money.exponent}f}"


def _rows(statement: Statement) -> Iterator[tuple[str, ...]]:
    currency = statement.currency
    yield _moment(statement.since), "", "", "Opening balance", "", decimal(statement.opening), currency
    for line in statement.lines:
        yield (
            _moment(line.effective_at),
            str(line.transfer_id),
            str(line.kind),
            line.description,
            decimal(Money(line.amount.amount, currency)),
            decimal(Money(line.balance.amount, currency)),
            currency,
        )
    yield _moment(statement.until), "", "", "Closing balance", "", decimal(statement.closing), currency


def _moment(time: Any) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}"


def as_csv(statement: Statement) -> bytes:
    """UTF-8 with the mark that spreadsheets know it by. Times are UTC; amounts are numbers, all else text."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for date, transfer, kind, description, *numbers in _rows(statement):
        writer.writerow([date, transfer, kind, text_cell(description), *numbers])
    return b"\xef\xbb\xbf" + file.getvalue().encode()


MARGIN, LINE, SIZE = 42, 14, 8  # points
PLACES = (MARGIN, 148, 222, 440, 553)
"""Left edges of date, kind and description; right edges of amount and balance. A4 is 595 wide."""
LONGEST = 44


def as_pdf(statement: Statement) -> bytes:
    """A4 pages. Raises Problem 501 where reportlab is not installed."""
    try:
        canvas_of = import_module("reportlab.pdfgen.canvas").Canvas
        paper = import_module("reportlab.lib.pagesizes").A4
    except ModuleNotFoundError as missing:
        detail = "this server makes no PDF (pip install 'bailiwick[pdf]'); ask for csv or json"
        raise Problem(501, "pdf_not_available", detail) from missing
    file = io.BytesIO()
    canvas = canvas_of(file, pagesize=paper)
    canvas.setTitle(f"Statement of {statement.wallet_id}")
    height = int(paper[1])
    y, page = _head(canvas, statement, height, 1), 1
    for row in _rows(statement):
        if y < MARGIN + LINE:
            canvas.showPage()
            page += 1
            y = _head(canvas, statement, height, page)
        _draw(canvas, y, row[0], row[2], row[3], row[4], row[5])
        y -= LINE
    canvas.save()
    return file.getvalue()


def _head(canvas: Any, statement: Statement, height: int, page: int) -> int:
    """The top of a page. Returns where its first line stands."""
    canvas.setFont("Helvetica-Bold", 12)
    canvas.drawString(MARGIN, height - MARGIN, f"Statement in {statement.currency}")
    canvas.setFont("Helvetica", SIZE)
    canvas.drawRightString(PLACES[4], height - MARGIN, f"Page {page}")
    canvas.drawString(MARGIN, height - MARGIN - LINE, f"Wallet {statement.wallet_id}")
    period = f"From {_moment(statement.since)} until before {_moment(statement.until)}, UTC"
    canvas.drawString(MARGIN, height - MARGIN - 2 * LINE, period)
    top = height - MARGIN - 4 * LINE
    canvas.setFont("Helvetica-Bold", SIZE)
    _draw(canvas, top, "Date", "Kind", "Description", "Amount", "Balance")
    canvas.line(MARGIN, top - 4, PLACES[4], top - 4)
    canvas.setFont("Helvetica", SIZE)
    return top - LINE - 2


def _draw(canvas: Any, y: int, date: str, kind: str, description: str, amount: str, balance: str) -> None:
    short = description if len(description) <= LONGEST else f"{description[: LONGEST - 3]}..."
    for place, text in zip(PLACES, (date, kind, short), strict=False):
        canvas.drawString(place, y, _printable(text))
    for place, number in zip(PLACES[3:], (amount, balance), strict=True):
        canvas.drawRightString(place, y, number)


def _printable(text: str) -> str:
    """What the built-in fonts of every reader can show; a question mark for the rest."""
    shown = text.encode("cp1252", "replace").decode("cp1252")
    return "".join(character if character.isprintable() else " " for character in shown)
