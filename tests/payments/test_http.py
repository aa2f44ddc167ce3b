"""Payments over HTTP: every route, its key, and who sees what."""

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest

from tests.payments.bank import TELLER, Bank, Customer

API = "/api/v1"
TRANSFERS, HOLDS, SCHEDULED = f"{API}/transfers", f"{API}/holds", f"{API}/scheduled-transfers"
WALLETS = f"{API}/wallets"


def nad(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "NAD", "exponent": 2}


def order(payer: Customer, payee: Customer, amount: int, **more: Any) -> dict[str, Any]:
    return {
        "from_wallet": str(payer.wallet),
        "to_wallet": str(payee.wallet),
        "amount": nad(amount),
        **more,
    }


def told(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()["data"]


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    return problem


@pytest.fixture
async def ada(bank: Bank) -> Customer:
    return await bank.person(1000)


@pytest.fixture
async def bob(bank: Bank) -> Customer:
    return await bank.person()


async def test_a_transfer_is_made_and_read_by_those_who_take_part(
    bank: Bank, ada: Customer, bob: Customer
) -> None:
    async with bank.browser(ada.actor) as payer, bank.browser(bob.actor) as payee:
        answer = await payer.post(TRANSFERS, json=order(ada, bob, 300, description="lunch"))
        made = told(answer, 201)
        assert (made["kind"], made["amount"], made["fee"], made["paid"]) == (
            "transfer",
            nad(300),
            None,
            nad(300),
        )
        assert (made["from_wallet"], made["description"]) == (str(ada.wallet), "lunch")
        for reader in (payer, payee, bank.browser(TELLER)):
            assert told(await reader.get(answer.headers["Location"])) == made
        stranger = bank.browser((await bank.person()).actor)
        refused(await stranger.get(answer.headers["Location"]), 404, "not_found")


async def test_a_transfer_with_its_key_is_two_round_trips(bank: Bank, ada: Customer, bob: Customer) -> None:
    async with bank.browser(ada.actor) as client:
        told(await client.post(TRANSFERS, json=order(ada, bob, 1)), 201)
        before = bank.database.round_trips
        told(await client.post(TRANSFERS, json=order(ada, bob, 1)), 201)
        assert bank.database.round_trips - before == 2


async def test_what_is_repeated_with_its_key_happens_once(bank: Bank, ada: Customer, bob: Customer) -> None:
    async with bank.browser(ada.actor, **{"Idempotency-Key": "lunch"}) as client:
        first, second = [await client.post(TRANSFERS, json=order(ada, bob, 300)) for _ in range(2)]
        assert first.content == second.content
        assert second.headers["Idempotency-Replayed"] == "true"
        other = await client.post(TRANSFERS, json=order(ada, bob, 301))
        refused(other, 422, "idempotency_key_reused")
    assert await ada.has() == (700, 0)


async def test_one_key_sent_20_times_at_once_moves_money_once(
    bank: Bank, ada: Customer, bob: Customer
) -> None:
    async with bank.browser(ada.actor, **{"Idempotency-Key": "lunch"}) as client:
        tries = (client.post(TRANSFERS, json=order(ada, bob, 300)) for _ in range(20))
        answers = await asyncio.gather(*tries)
    assert {answer.content for answer in answers if answer.status_code == 201} == {answers[0].content}
    assert {answer.status_code for answer in answers} == {201}
    assert await ada.has() == (700, 0)


async def test_of_50_who_spend_one_balance_over_http_one_succeeds(
    bank: Bank, ada: Customer, bob: Customer
) -> None:
    async with bank.browser(ada.actor) as client:
        tries = (client.post(TRANSFERS, json=order(ada, bob, 1000)) for _ in range(50))
        answers = await asyncio.gather(*tries)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 49}
    assert {answer.json().get("code") for answer in answers} == {None, "insufficient_balance"}


async def test_nothing_is_done_without_a_key(bank: Bank, ada: Customer, bob: Customer) -> None:
    posts = [one for one in bank.backend.operations if (one.context, one.method) == ("payments", "POST")]
    assert len(posts) >= 12
    assert [one.path for one in posts if one.idempotent != "required"] == [f"{TRANSFERS}/dry-run"]
    async with bank.browser(ada.actor) as client:
        client.event_hooks = {"request": []}
        for path, body in ((TRANSFERS, order(ada, bob, 1)), (WALLETS, {"currency": "EUR"})):
            refused(await client.post(path, json=body), 400, "idempotency_key_required")
    assert await ada.has() == (1000, 0)


async def test_refusals_say_what_would_be_allowed(bank: Bank, ada: Customer, bob: Customer) -> None:
    async with bank.browser(ada.actor) as client, bank.browser(TELLER) as teller:
        short = refused(await client.post(TRANSFERS, json=order(ada, bob, 1001)), 409, "insufficient_balance")
        assert short["available"] == 1000
        changed = await teller.patch(f"{WALLETS}/{ada.wallet}", json={"daily_limit": 10})
        assert told(changed)["daily_limit"] == nad(10)
        limit = refused(await client.post(TRANSFERS, json=order(ada, bob, 11)), 409, "limit_exceeded")
        assert limit["left_today"] == 10
        assert (await teller.put(f"{WALLETS}/{ada.wallet}/freeze")).status_code == 204
        refused(await client.post(TRANSFERS, json=order(ada, bob, 1)), 409, "wallet_frozen")
        assert (await teller.delete(f"{WALLETS}/{ada.wallet}/freeze")).status_code == 204
        told(await client.post(TRANSFERS, json=order(ada, bob, 1)), 201)


async def test_somebody_elses_wallet_is_like_one_that_never_was(
    bank: Bank, ada: Customer, bob: Customer
) -> None:
    async with bank.browser(bob.actor) as client:
        for wallet in (ada.wallet, uuid4()):
            for path in ("", "/entries"):
                refused(await client.get(f"{WALLETS}/{wallet}{path}"), 404, "no_wallet")
            stolen = order(ada, bob, 1) | {"from_wallet": str(wallet)}
            for path, body in (
                (TRANSFERS, stolen),
                (f"{TRANSFERS}/dry-run", stolen),
                (SCHEDULED, stolen | {"due_at": "2031-01-01T00:00:00Z"}),
                (
                    HOLDS,
                    {
                        "wallet": str(wallet),
                        "payee_wallet": str(bob.wallet),
                        "amount": nad(1),
                        "expires_in": 60,
                    },
                ),
            ):
                refused(await client.post(path, json=body), 404, "no_wallet")
        refused(await client.get(WALLETS, params={"owner": str(ada.actor.id)}), 403, "permission_required")


async def test_a_wallet_shows_its_three_figures_and_its_entries(
    bank: Bank, ada: Customer, bob: Customer
) -> None:
    async with bank.browser(ada.actor) as client, bank.browser(TELLER) as teller:
        for i in range(5):
            told(await client.post(TRANSFERS, json=order(ada, bob, 10 + i, description=str(i))), 201)
        body = {"wallet": str(ada.wallet), "payee_wallet": str(bob.wallet), "amount": nad(40)}
        told(await client.post(HOLDS, json=body | {"expires_in": 60}), 201)
        wallet = told(await client.get(f"{WALLETS}/{ada.wallet}"))
        assert (wallet["posted"], wallet["pending"], wallet["available"]) == (nad(940), nad(40), nad(900))
        assert told(await client.get(WALLETS)) == [wallet]
        assert told(await teller.get(WALLETS, params={"owner": str(ada.actor.id)})) == [wallet]
        seen: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            page = await client.get(
                f"{WALLETS}/{ada.wallet}/entries", params={"cursor": cursor, "per_page": 2}
            )
            seen += told(page)
            cursor = page.json()["pagination"]["next_cursor"]
        assert [entry["amount"]["amount"] for entry in seen] == [-14, -13, -12, -11, -10, 1000]
        assert (seen[0]["description"], seen[-1]["kind"]) == ("4", "deposit")
        only = await client.get(f"{WALLETS}/{ada.wallet}/entries", params={"filter[kind]": "deposit"})
        assert [entry["amount"] for entry in told(only)] == [nad(1000)]


async def test_more_wallets_are_opened_on_request(bank: Bank, ada: Customer) -> None:
    async with bank.browser(ada.actor) as client:
        answer = await client.post(WALLETS, json={"currency": "JPY"})
        wallet = told(answer, 201)
        assert (wallet["currency"], wallet["posted"]["exponent"], wallet["owner_id"]) == (
            "JPY",
            0,
            str(ada.actor.id),
        )
        assert told(await client.get(answer.headers["Location"])) == wallet
        refused(await client.post(WALLETS, json={"currency": "JPY"}), 409, "wallet_exists")
        refused(await client.post(WALLETS, json={"currency": "XXX"}), 422, "unknown_currency")


async def test_the_dry_run_of_a_transfer_leaves_nothing_behind(
    bank: Bank, ada: Customer, bob: Customer
) -> None:
    async with bank.browser(ada.actor) as client:
        tried = told(await client.post(f"{TRANSFERS}/dry-run", json=order(ada, bob, 300)))
        assert tried["amount"] == nad(300)
        refused(await client.get(f"{TRANSFERS}/{tried['id']}"), 404, "not_found")
    assert await ada.has() == (1000, 0)


async def test_transfers_in_bulk_say_what_came_of_each(bank: Bank, ada: Customer, bob: Customer) -> None:
    transfers = [order(ada, bob, 900), order(ada, bob, 200), order(ada, bob, 100)]
    async with bank.browser(ada.actor) as client:
        together = await client.post(f"{TRANSFERS}/bulk", json={"transfers": transfers})
        assert refused(together, 409, "insufficient_balance")["index"] == 1
        each = told(await client.post(f"{TRANSFERS}/bulk", json={"transfers": transfers, "atomic": False}))
        assert [one["refusal"] for one in each["transfers"]] == [None, "insufficient_balance", None]
        assert each["transfers"][1]["extra"] == {"available": 100}
        many = await client.post(f"{TRANSFERS}/bulk", json={"transfers": transfers * 40})
        assert many.status_code == 422
    assert await ada.has() == (0, 0)


async def test_a_hold_is_captured_in_part_and_seen_by_both(bank: Bank, ada: Customer, bob: Customer) -> None:
    body = {"wallet": str(ada.wallet), "payee_wallet": str(bob.wallet), "amount": nad(100)}
    async with bank.browser(ada.actor) as payer, bank.browser(bob.actor) as payee:
        answer = await payer.post(HOLDS, json=body | {"expires_in": 60, "reference": "shoes"})
        held, at = told(answer, 201), answer.headers["Location"]
        assert (held["status"], held["reference"]) == ("open", "shoes")
        refused(await payer.post(f"{HOLDS}/{held['id']}/capture", json={}), 403, "only_for_payee")
        stranger = bank.browser((await bank.person()).actor)
        refused(await stranger.post(f"{HOLDS}/{held['id']}/void"), 404, "not_found")
        refused(await stranger.get(at), 404, "not_found")
        for reader in (payer, payee, bank.browser(TELLER)):
            assert told(await reader.get(at)) == held
        over = await payee.post(f"{HOLDS}/{held['id']}/capture", json={"amount": nad(101)})
        assert refused(over, 409, "more_than_held")["held"] == 100
        captured = told(await payee.post(f"{HOLDS}/{held['id']}/capture", json={"amount": nad(60)}))
        assert (captured["status"], captured["captured"]) == ("captured", nad(60))
        refused(await payee.post(f"{HOLDS}/{held['id']}/void"), 409, "hold_over")
        for reader in (payer, payee):
            assert told(await reader.get(HOLDS, params={"filter[status]": "captured"})) == [captured]
        assert told(await stranger.get(HOLDS)) == []
    assert (await ada.has(), await bob.has()) == ((940, 0), (60, 0))


async def test_a_transfer_is_scheduled_read_and_cancelled(bank: Bank, ada: Customer, bob: Customer) -> None:
    due = bank.now().replace(microsecond=0).isoformat().replace("+00:00", "Z")
    async with bank.browser(ada.actor) as client, bank.browser(bob.actor) as other:
        late = await client.post(SCHEDULED, json=order(ada, bob, 10, due_at=due))
        refused(late, 422, "invalid_time")
        due = bank.now().replace(year=bank.now().year + 1, month=1, day=1).isoformat()
        answer = await client.post(SCHEDULED, json=order(ada, bob, 10, due_at=due))
        planned, at = told(answer, 201), answer.headers["Location"]
        assert planned["status"] == "waiting"
        assert told(await client.get(at)) == planned
        assert told(await client.get(SCHEDULED)) == [planned]
        for hidden in (await other.get(at), await other.delete(at)):
            refused(hidden, 404, "not_found")
        assert (await client.delete(at)).status_code == 204
        assert told(await client.get(at))["status"] == "cancelled"


async def test_operators_bring_exchange_pay_out_and_set_right(
    bank: Bank, ada: Customer, bob: Customer
) -> None:
    euros = await bank.customer(ada.actor, 0, "EUR")
    async with bank.browser(TELLER) as client:
        cash = {"wallet": str(bob.wallet), "amount": nad(500), "description": "till 3"}
        brought = told(await client.post(f"{API}/deposits", json=cash), 201)
        told(await client.post(f"{API}/withdrawals", json=cash | {"amount": nad(200)}), 201)
        sold = order(ada, euros, 1000, rate="0.05")
        converted = told(await client.post(f"{API}/conversions", json=sold), 201)
        assert (converted["amount"]["amount"], converted["paid"], converted["rate"]) == (
            50,
            nad(1000),
            "0.05",
        )
        refused(
            await client.post(f"{TRANSFERS}/{brought['id']}/reversal", json={}), 409, "insufficient_balance"
        )
        back = f"{TRANSFERS}/{converted['id']}/reversal"
        undone = told(await client.post(back, json={"description": "typing error"}), 201)
        assert (undone["reverses"], undone["amount"]) == (converted["id"], nad(1000))
        refused(await client.post(back, json={}), 409, "already_reversed")
    assert (await ada.has(), await euros.has(), await bob.has()) == ((1000, 0), (0, 0), (300, 0))


@pytest.mark.parametrize(
    "amount",
    [
        {"amount": 10.5, "currency": "NAD"},
        {"amount": "10", "currency": "NAD"},
        {"amount": -1, "currency": "NAD"},
        {"amount": 0, "currency": "NAD"},
        {"amount": 10, "currency": "nad"},
        {"amount": 10, "currency": "NAD", "exponent": 0},
        {"amount": 2**63, "currency": "NAD"},
        {"amount": 2**60, "currency": "NAD"},
        10,
    ],
)
async def test_an_amount_that_is_no_amount_is_refused(
    bank: Bank, ada: Customer, bob: Customer, amount: object
) -> None:
    async with bank.browser(ada.actor) as client:
        answer = await client.post(TRANSFERS, json=order(ada, bob, 1) | {"amount": amount})
        assert answer.status_code == 422
