"""Wallets: transfers, holds, what operators set right, and what can be read of all that."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.acceptance.people import Person, joined
from tests.acceptance.server import Server
from tests.acceptance.shop import (
    a_customer,
    comes,
    content,
    enrich,
    everywhere,
    figures,
    keeper,
    made,
    money,
    refusal,
    sent,
    shown,
    wallet,
)
from tests.acceptance.streams import stream, the_next

pytestmark = everywhere


def a_transfer(payer: Person, payee: Person, amount: int, **fields: Any) -> dict[str, Any]:
    ids = {"from_wallet": wallet(payer)["id"], "to_wallet": wallet(payee)["id"]}
    return ids | {"amount": money(amount)} | fields


def a_hold(payer: Person, payee: Person, amount: int, expires_in: int = 3600) -> dict[str, Any]:
    ids = {"wallet": wallet(payer)["id"], "payee_wallet": wallet(payee)["id"]}
    return ids | {"amount": money(amount), "reference": "A bicycle", "expires_in": expires_in}


def test_everybody_has_a_wallet_and_may_open_one_in_another_currency(server: Server) -> None:
    ada = joined(server)
    first = wallet(ada)
    assert (first["currency"], first["available"]["amount"], first["status"]) == ("NAD", 0, "open")
    euros = made(ada, "/wallets", {"currency": "EUR"})
    assert {each["id"] for each in shown(ada, "/wallets")} == {first["id"], euros["id"]}
    assert refusal(sent(ada, "/wallets", {"currency": "EUR"})) == (409, "wallet_exists")
    assert joined(server).ask("GET", f"/wallets/{euros['id']}").status_code == 404


def test_a_transfer_moves_money_once_it_was_tried(server: Server) -> None:
    ada, bob = a_customer(server, 1_000), joined(server)
    body = a_transfer(ada, bob, 300, description="Lunch")
    assert made(ada, "/transfers/dry-run", body)["amount"]["amount"] == 300
    assert figures(ada) == (1_000, 0)
    found = made(ada, "/transfers", body)
    assert (figures(ada), figures(bob)) == ((700, 0), (300, 0))
    for reader in (ada, bob, keeper(server)):
        assert shown(reader, f"/transfers/{found['id']}")["description"] == "Lunch"
    assert joined(server).ask("GET", f"/transfers/{found['id']}").status_code == 404


def test_what_is_refused_says_what_would_be_allowed(server: Server) -> None:
    ada, bob, owner = a_customer(server, 1_000), joined(server), keeper(server)
    refused = sent(ada, "/transfers", a_transfer(ada, bob, 1_001))
    assert (refusal(refused), refused.json()["available"]) == ((409, "insufficient_balance"), 1_000)
    path = f"/wallets/{wallet(ada)['id']}"
    content(owner.ask("PATCH", path, json={"daily_limit": 400}))
    made(ada, "/transfers", a_transfer(ada, bob, 300))
    refused = sent(ada, "/transfers", a_transfer(ada, bob, 101))
    assert (refusal(refused), refused.json()["left_today"]) == ((409, "limit_exceeded"), 100)
    content(owner.ask("PATCH", path, json={"daily_limit": None, "overdraft": 50}))
    made(ada, "/transfers", a_transfer(ada, bob, 750))
    assert (figures(ada), figures(bob)) == ((-50, 0), (1_050, 0))
    assert sent(bob, "/transfers", a_transfer(ada, bob, 1)).status_code == 404
    euros = a_transfer(ada, bob, 1) | {"amount": money(1, "EUR")}
    assert refusal(sent(ada, "/transfers", euros))[1] == "currency_mismatch"


def test_many_transfers_are_made_together_or_each_by_itself(server: Server) -> None:
    ada, bob = a_customer(server, 1_000), joined(server)
    transfers = [a_transfer(ada, bob, amount) for amount in (600, 600, 100)]
    refused = sent(ada, "/transfers/bulk", {"transfers": transfers})
    assert (refusal(refused), refused.json()["index"]) == ((409, "insufficient_balance"), 1)
    assert figures(ada) == (1_000, 0)
    outcomes = made(ada, "/transfers/bulk", {"transfers": transfers, "atomic": False})["transfers"]
    assert [each["refusal"] for each in outcomes] == [None, "insufficient_balance", None]
    assert (figures(ada), figures(bob)) == ((300, 0), (700, 0))


def test_what_is_held_is_captured_in_part_and_the_rest_is_free(server: Server) -> None:
    ada, bob = a_customer(server, 1_000), joined(server)
    hold = made(ada, "/holds", a_hold(ada, bob, 800))
    assert (figures(ada), figures(bob)) == ((1_000, 800), (0, 0))
    refused = sent(ada, "/transfers", a_transfer(ada, bob, 201))
    assert (refusal(refused), refused.json()["available"]) == ((409, "insufficient_balance"), 200)
    assert refusal(sent(ada, f"/holds/{hold['id']}/capture", {}))[0] == 403
    too_much = sent(bob, f"/holds/{hold['id']}/capture", {"amount": money(801)})
    assert (refusal(too_much), too_much.json()["held"]) == ((409, "more_than_held"), 800)
    made(bob, f"/holds/{hold['id']}/capture", {"amount": money(500)})
    assert (figures(ada), figures(bob)) == ((500, 0), (500, 0))
    assert refusal(sent(bob, f"/holds/{hold['id']}/void")) == (409, "hold_over")


def test_what_is_voided_or_out_of_time_is_free_again(server: Server) -> None:
    ada, bob = a_customer(server, 1_000), joined(server)
    voided = made(ada, "/holds", a_hold(ada, bob, 400))
    short = made(ada, "/holds", a_hold(ada, bob, 600, expires_in=1))
    assert figures(ada) == (1_000, 1_000)
    assert made(bob, f"/holds/{voided['id']}/void")["status"] == "voided"
    comes(lambda: figures(ada), (1_000, 0))
    statuses = {hold["id"]: hold["status"] for hold in shown(ada, "/holds")}
    assert statuses == {voided["id"]: "voided", short["id"]: "expired"}
    for hold in (voided, short):
        assert refusal(sent(bob, f"/holds/{hold['id']}/capture", {})) == (409, "hold_over")


def test_a_transfer_is_reversed_at_most_once_and_by_operators_only(server: Server) -> None:
    ada, bob, owner = a_customer(server, 1_000), joined(server), keeper(server)
    path = f"/transfers/{made(ada, '/transfers', a_transfer(ada, bob, 1_000))['id']}/reversal"
    assert refusal(sent(ada, path, {}))[0] == 403
    assert made(owner, path, {"description": "Wrong Bob"})["kind"] == "reversal"
    assert (figures(ada), figures(bob)) == ((1_000, 0), (0, 0))
    assert refusal(sent(owner, path, {})) == (409, "already_reversed")


def test_operators_pay_in_and_out_and_convert(server: Server) -> None:
    ada, owner = a_customer(server, 1_000), keeper(server)
    euros = made(ada, "/wallets", {"currency": "EUR"})["id"]
    body = {"from_wallet": wallet(ada)["id"], "to_wallet": euros, "amount": money(500), "rate": "0.05"}
    assert made(owner, "/conversions", body)["amount"] == money(25, "EUR") | {"exponent": 2}
    paid_out = {"wallet": wallet(ada)["id"], "amount": money(200)}
    made(owner, "/withdrawals", paid_out)
    assert figures(ada) == (300, 0)
    assert shown(ada, f"/wallets/{euros}")["posted"]["amount"] == 25
    for path, sent_by_ada in (("/withdrawals", paid_out), ("/deposits", paid_out), ("/conversions", body)):
        assert sent(ada, path, sent_by_ada).status_code == 403


def test_out_of_a_frozen_wallet_goes_only_what_was_held(server: Server) -> None:
    ada, bob, owner = a_customer(server, 1_000), joined(server), keeper(server)
    hold = made(ada, "/holds", a_hold(ada, bob, 100))
    path = f"/wallets/{wallet(ada)['id']}/freeze"
    assert ada.ask("PUT", path).status_code == 403
    assert owner.ask("PUT", path).status_code == 204
    assert refusal(sent(ada, "/transfers", a_transfer(ada, bob, 1))) == (409, "wallet_frozen")
    assert refusal(sent(ada, "/holds", a_hold(ada, bob, 1))) == (409, "wallet_frozen")
    made(bob, f"/holds/{hold['id']}/capture", {})
    enrich(ada, 50)
    assert figures(ada) == (950, 0)
    assert owner.ask("DELETE", path).status_code == 204
    made(ada, "/transfers", a_transfer(ada, bob, 950))


def test_a_scheduled_transfer_is_made_when_it_is_due(server: Server) -> None:
    ada, bob = a_customer(server, 1_000), joined(server)
    soon = (datetime.now(UTC) + timedelta(seconds=1.5)).isoformat()
    late = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    planned = made(ada, "/scheduled-transfers", a_transfer(ada, bob, 700, due_at=soon))
    refused = made(ada, "/scheduled-transfers", a_transfer(ada, bob, 5_000, due_at=soon))
    dropped = made(ada, "/scheduled-transfers", a_transfer(ada, bob, 300, due_at=late))
    assert ada.ask("DELETE", f"/scheduled-transfers/{dropped['id']}").status_code == 204
    assert figures(ada) == (1_000, 0)

    def statuses() -> dict[str, str]:
        return {each["id"]: each["status"] for each in shown(ada, "/scheduled-transfers")}

    comes(statuses, {planned["id"]: "made", refused["id"]: "refused", dropped["id"]: "cancelled"})
    assert shown(ada, f"/scheduled-transfers/{refused['id']}")["refusal"] == "insufficient_balance"
    assert (figures(ada), figures(bob)) == ((300, 0), (700, 0))


def test_a_statement_explains_a_wallet(server: Server) -> None:
    ada, bob = a_customer(server, 1_000), joined(server)
    before = datetime.now(UTC)
    made(ada, "/transfers", a_transfer(ada, bob, 300, description="Lunch"))
    made(ada, "/holds", a_hold(ada, bob, 100))
    path = f"/wallets/{wallet(ada)['id']}"
    found = shown(ada, f"{path}/statement")
    assert (found["opening"]["amount"], found["closing"]["amount"]) == (0, 700)
    assert [line["amount"]["amount"] for line in found["entries"]] == [1_000, -300]
    sheet = ada.ask("GET", f"{path}/statement", params={"format": "csv"})
    assert sheet.headers["Content-Type"].startswith("text/csv")
    assert "Lunch" in sheet.text
    paper = ada.ask("GET", f"{path}/statement", params={"format": "pdf"})
    assert paper.content.startswith(b"%PDF")
    past = shown(ada, f"{path}/balance", at=before.isoformat())
    assert past["balance"]["amount"] == 1_000
    assert ada.ask("GET", f"{path}/explanation").status_code == 200
    assert [line["amount"]["amount"] for line in shown(ada, f"{path}/entries")] == [-300, 1_000]
    for part in ("", "/statement", "/balance", "/explanation", "/entries"):
        assert bob.ask("GET", path + part).status_code == 404


async def test_who_gets_money_hears_of_it_at_once(server: Server) -> None:
    ada, bob = await asyncio.to_thread(a_customer, server, 100), await asyncio.to_thread(joined, server)
    body = await asyncio.to_thread(a_transfer, ada, bob, 70)
    async with stream(bob, at=server.carrier("payments")) as line:
        await the_next(line, "ready")
        await asyncio.to_thread(made, ada, "/transfers", body)
        assert (await the_next(line, "payments.money_moved", within=20))["data"]["amount"] == 70
