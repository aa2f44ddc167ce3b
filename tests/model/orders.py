"""Customers and the shop do what they like with orders and stock, and the plain shop foresees the rest."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bailiwick.kernel.settings.sections import Orders as Settings
from tests.model.application import OPERATOR, Answer, Desk, money, somebody
from tests.model.books import foretold
from tests.model.shop import COUPON_PERCENT, COUPON_USES, Order, Shop
from tests.model.steps import Steps

T = TypeVar("T")

SETTINGS = Settings(payment_minutes=30, tax_basis_points=1500, shipping=500, free_shipping_from=10_000)
PRICES = [999, 3_334]
CUSTOMERS = 2
PURSE = 12_000
ADDRESS = {"recipient": "Ada", "street": "1 Acacia Road", "city": "Windhoek", "country": "NA"}

which = st.integers(0, 11)
customers = st.integers(0, CUSTOMERS - 1)
carts = st.dictionaries(st.integers(0, len(PRICES) - 1), st.integers(1, 3), min_size=1)
pieces = st.dictionaries(st.integers(0, len(PRICES) - 1), st.integers(1, 3))


class Ordering(RuleBasedStateMachine):
    def __init__(self, desk: Desk, steps: Steps) -> None:
        super().__init__()
        self.desk, self.steps = desk, steps
        self.people = [somebody() for _ in range(CUSTOMERS)]
        self.skus = [f"S-{uuid4().hex.upper()}" for _ in PRICES]
        self.coupon = f"C-{uuid4().hex[:12].upper()}"
        self.shop = Shop(dict(zip(self.skus, PRICES, strict=True)), [PURSE] * CUSTOMERS)
        steps.begin()

    @initialize()
    def the_shop_opens(self) -> None:
        self.desk.clock.tomorrow()
        self.desk.work()  # what others have left behind
        variants = [{"sku": sku, "prices": [money(price)]} for sku, price in self.shop.prices.items()]
        body = {"name": "Cup", "variants": variants}
        self.product = self.desk.made(OPERATOR, "/products", body)["id"]
        for sku in self.skus:
            self.moves_stock(sku, 5)
        for person in self.people:
            wallet = self.desk.made(person, "/wallets", {"currency": "NAD"})["id"]
            self.desk.made(OPERATOR, "/deposits", {"wallet": wallet, "amount": money(PURSE)})
        terms = {"percent": COUPON_PERCENT, "most_uses": COUPON_USES, "once_per_customer": False}
        self.desk.made(OPERATOR, "/coupons", {"code": self.coupon} | terms)
        self.places(0, {"NO-SUCH-THING": 1}, False, False)
        for customer in (0, 1):
            self.orders(customer, {0: 2, 1: 1}, True, False)
        for status in ("fulfilled", "delivered"):
            self.moves(0, status)

    @rule(customer=customers, cart=carts, pay=st.booleans(), coupon=st.sampled_from([False, False, True]))
    def orders(self, customer: int, cart: dict[int, int], pay: bool, coupon: bool) -> None:
        self.places(customer, self.named(cart), pay, coupon)

    @rule(customer=customers, cart=carts, pay=st.booleans())
    def orders_and_thinks_better_of_it(self, customer: int, cart: dict[int, int], pay: bool) -> None:
        """Before anybody has begun with it."""
        before = len(self.shop.orders)
        self.places(customer, self.named(cart), pay, False, cancel=True)
        assert len(self.shop.orders) == before + 1

    @precondition(lambda self: self.shop.orders)
    @rule(order=which)
    def pays(self, order: int) -> None:
        id, found = self.order(order)
        answer = self.posted(found.customer, f"/orders/{id}/payment")
        self.desk.work()
        self.foreseen(answer, lambda: self.shop.pay(found))

    @precondition(lambda self: self.shop.orders)
    @rule(order=which, by=st.none() | customers)
    def cancels(self, order: int, by: int | None) -> None:
        id, found = self.order(order)
        answer = self.posted(by, f"/orders/{id}/cancel")
        self.desk.work()
        self.foreseen(answer, lambda: self.shop.cancel(found, by))

    @precondition(lambda self: self.shop.orders)
    @rule(order=which, status=st.sampled_from(["fulfilled", "delivered", "fulfilled", "cancelled"]))
    def moves(self, order: int, status: str) -> None:
        id, found = self.order(order)
        answer = self.desk.ask(OPERATOR, "PUT", f"/orders/{id}/status", {"status": status})
        self.desk.work()
        go = (lambda: self.shop.cancel(found, None)) if status == "cancelled" else (lambda: found.go(status))
        self.foreseen(answer, go)

    @precondition(lambda self: self.shop.orders)
    @rule(order=which, amount=st.none() | st.integers(0, 8_000), of=pieces, goods=st.booleans())
    def refunds(self, order: int, amount: int | None, of: dict[int, int], goods: bool) -> None:
        id, found = self.order(order)
        lines, sum = self.named(of), {} if amount is None else {"amount": money(amount)}
        body = sum | {"lines": listed(lines), "goods_back": goods}
        answer = self.posted(None, f"/orders/{id}/refunds", body)
        self.desk.work()
        self.foreseen(answer, lambda: self.shop.refund(found, amount, lines, goods=goods))

    @rule(which=which, quantity=st.integers(-4, 4))
    def stock_moves(self, which: int, quantity: int) -> None:
        self.moves_stock(self.skus[which % len(self.skus)], quantity)

    @rule(customer=customers, amount=st.integers(1, 6_000))
    def earns(self, customer: int, amount: int) -> None:
        [wallet] = self.desk.ask(self.people[customer], "GET", "/wallets").data
        self.desk.made(OPERATOR, "/deposits", {"wallet": wallet["id"], "amount": money(amount)})
        self.shop.purses[customer] += amount

    @rule(seconds=st.sampled_from([60, 600, 1_800]))
    def time_passes(self, seconds: int) -> None:
        self.desk.clock.turn(seconds)
        self.desk.work()
        self.shop.wait(seconds)

    @invariant()
    def all_is_as_foreseen(self) -> None:
        self.steps.step()
        stocks = self.desk.ask(OPERATOR, "GET", f"/products/{self.product}/availability")
        left = {sku: stock.on_hand - stock.reserved for sku, stock in self.shop.stock.items()}
        assert {each["sku"]: each["available"] for each in stocks.data["variants"]} == left, self.shop
        for sku, stock in self.shop.stock.items():
            [kept] = self.desk.ask(OPERATOR, "GET", "/stock", **{"filter[sku]": sku}).data
            assert (kept["on_hand"], kept["reserved"]) == (stock.on_hand, stock.reserved), (sku, self.shop)
        for customer, person in enumerate(self.people):
            own = {id: order for id, order in self.shop.orders.items() if order.customer == customer}
            listed = self.desk.ask(person, "GET", "/orders", per_page="100").data
            said = {o["id"]: (o["status"], o["status_reason"], o["refunded"]["amount"]) for o in listed}
            assert said == {id: (o.status, o.reason, o.refunded) for id, o in own.items()}, self.shop
            [wallet] = self.desk.ask(person, "GET", "/wallets").data
            has = wallet["posted"]["amount"], wallet["pending"]["amount"]
            assert has == (self.shop.purses[customer], 0), (wallet, self.shop)

    def teardown(self) -> None:
        self.steps.met.update(f"{order.status} {order.reason or ''}" for order in self.shop.orders.values())

    # How they do it

    def places(
        self, customer: int, lines: Mapping[str, int], pay: bool, coupon: bool, *, cancel: bool = False
    ) -> None:
        body = {"lines": listed(lines), "shipping_address": ADDRESS, "pay": "now" if pay else "later"}
        answer = self.posted(customer, "/orders", body | ({"coupon": self.coupon} if coupon else {}))
        total = self.foreseen(answer, lambda: self.shop.price(lines, coupon))
        if total is None:
            return
        assert answer.data["total"]["amount"] == total, (answer, total)
        shares = {line["sku"]: line["total"]["amount"] for line in answer.data["lines"]}
        order = Order(customer, lines, total, self.shop.now, coupon, shares)
        id = answer.data["id"]
        if cancel:
            assert self.posted(customer, f"/orders/{id}/cancel").code is None
            order.status, order.reason = "cancelled", "cancelled_by_customer"
            self.shop.orders[id] = order
        self.desk.work()
        if not cancel:
            self.shop.place(id, order, pay=pay)

    def moves_stock(self, sku: str, quantity: int) -> None:
        move = {"sku": sku, "move": "adjust", "quantity": quantity, "note": "counted"}
        answer = self.posted(None, f"/products/{self.product}/stock-movements", move)
        self.foreseen(answer, lambda: self.shop.move(sku, quantity))

    def order(self, number: int) -> tuple[str, Order]:
        ids = [*self.shop.orders]
        id = ids[-1 - number % len(ids)]
        return id, self.shop.orders[id]

    def named(self, cart: Mapping[int, int]) -> dict[str, int]:
        return {self.skus[number]: count for number, count in cart.items()}

    def posted(self, by: int | None, path: str, body: object = None) -> Answer:
        return self.desk.ask(OPERATOR if by is None else self.people[by], "POST", path, body)

    def foreseen(self, answer: Answer, predicted: Callable[[], T]) -> T | None:
        foreseen, outcome = foretold(predicted)
        assert answer.code == foreseen, f"{foreseen or 'success'} was foreseen, not {answer}"
        self.steps.met[foreseen or "done"] += 1
        return outcome


def listed(lines: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"sku": sku, "quantity": count} for sku, count in lines.items()]
