"""For every style rule: a violation that it must see, and the right form, which it must let pass."""

Files = dict[str, str]

HANDLER = "src/bailiwick/orders/application/orders.py"
SUBSCRIBERS = "src/bailiwick/orders/application/subscribers.py"
COMMAND = "@dataclass(frozen=True)\nclass PlaceOrder:\n    id: UUID\n"
SOUND = "async def place_order(command: PlaceOrder, ports: OrdersPorts) -> Order:\n    return 1\n"
UNIT = "async def place_order(command, ports):\n    async with ports.uow() as uow:\n        "
CONTRACT = "src/bailiwick/orders/contract.py"
FROZEN = "@dataclass(frozen=True, kw_only=True)\n"
TABLES = "src/bailiwick/orders/infrastructure/tables.py"
STORED = "src/bailiwick/orders/infrastructure/unit_of_work.py"
HTTP = "src/bailiwick/orders/interfaces/http.py"
ROUTE = '@router.post("/{id}")\nasync def cancel(id: UUID, ports: OrdersPorts) -> View:\n    """Cancel."""\n'
TEST = "tests/orders/test_order.py"
SHAPE = ("__init__", "contract", "domain/order", "application/ports", "interfaces/http", "module")
FULL: Files = {f"src/bailiwick/orders/{part}.py": "" for part in SHAPE}
FLAT: Files = {f"src/bailiwick/files/{part}.py": "" for part in ("__init__", "contract", "store", "module")}

VIOLATIONS: dict[str, list[Files]] = {
    "commands_stand_above_their_handlers": [
        {HANDLER: f"{COMMAND}LIMIT = 3\n{SOUND}"},
        {HANDLER: f"{COMMAND}{SOUND.replace('place_order', 'do_place_order')}"},
        {HANDLER: f"{COMMAND}{SOUND.replace('ports:', 'session:')}"},
        {HANDLER: f"{COMMAND}{SOUND.replace('command:', 'wish:')}"},
        {HANDLER: f"{COMMAND.replace('(frozen=True)', '')}{SOUND}"},
    ],
    "subscribers_are_named_after_their_events": [
        {SUBSCRIBERS: "async def on_paid(event: OrderPaid, ports): ..."},
        {SUBSCRIBERS: "async def on_order_paid(event: OrderPaid): ..."},
    ],
    "only_the_kernel_commits": [
        {HANDLER: "await connection.commit()"},
        {HANDLER: "await ports.connection.commit()"},
        {HANDLER: "await uow.rollback()"},
        {HTTP: "await uow.commit(order)"},
        {"src/bailiwick/main.py": "session.commit()"},
    ],
    "units_of_work_await_nothing_else": [
        {HANDLER: f"{UNIT}await ports.mail.send(letter)"},
        {HANDLER: f"{UNIT}price = total(await ports.catalog.price(1))"},
        {HANDLER: f"{UNIT}async with ports.client() as client:\n            client.go()"},
        {HANDLER: f"{UNIT}await asyncio.gather(uow.orders.get(1), ports.catalog.price(1))"},
    ],
    "imports_stand_at_the_top": [
        {HANDLER: "def late():\n    import json"},
        {HANDLER: "if True:\n    from json import dumps"},
        {HANDLER: "from typing import TYPE_CHECKING"},
        {HANDLER: "import typing\nfast = typing.TYPE_CHECKING"},
    ],
    "file_names_say_what_is_inside": [
        {"src/bailiwick/orders/domain/utils.py": ""},
        {"src/bailiwick/kernel/common/text.py": ""},
        {"tests/helpers.py": ""},
        {"src/bailiwick/orders/domain/exceptions.py": ""},
    ],
    "files_and_functions_are_short": [
        {HANDLER: "\n" * 401},
        {HANDLER: "def long():\n" + "    x = 1\n" * 39},
    ],
    "protocols_live_at_the_edges": [
        {HANDLER: "class Catalog(Protocol): ..."},
        {STORED: "class Rows(typing.Protocol[Row]): ..."},
    ],
    "tables_belong_to_one_context": [
        {TABLES: 'orders = Table("sales", metadata)'},
        {TABLES: "orders = Table(NAME, metadata)"},
        {TABLES: 'Column("buyer", ForeignKey("identity_user.id"))'},
        {TABLES: 'ForeignKeyConstraint(["buyer"], ["identity_user.id"])'},
        {"src/bailiwick/orders/migrations/0001_orders.py": 'op.create_table("sales")'},
    ],
    "aggregate_tables_have_a_version": [
        {
            TABLES: 'orders = Table("orders_order", metadata, Column("id", Id))',
            STORED: "class SqlOrders:\n    mapper = Mapper(Order, tables.orders)",
        },
        {STORED: "mapper = Mapper(Order, elsewhere)"},
    ],
    "refusals_are_domain_errors": [
        {HTTP: "from starlette.exceptions import HTTPException"},
        {HTTP: "raise fastapi.HTTPException(404)"},
    ],
    "times_know_their_zone": [
        {HANDLER: "at = datetime.now()"},
        {HANDLER: "at = datetime.utcnow()"},
        {TEST: "at = datetime.datetime.fromtimestamp(0)"},
        {HANDLER: "on = date.today()"},
    ],
    "the_business_is_typed": [
        {HANDLER: "from typing import Any"},
        {"src/bailiwick/orders/domain/order.py": "import typing\nanything: typing.Any"},
    ],
    "modules_open_with_a_sentence": [
        {HANDLER: "import json"},
        {"src/bailiwick/orders/__init__.py": ""},
    ],
    "published_events_are_facts": [
        {CONTRACT: f"{FROZEN}class PlaceOrder(Event): ..."},
        {CONTRACT: "@dataclass(kw_only=True)\nclass OrderPlaced(Event): ..."},
        {CONTRACT: f"{FROZEN}class OrderEvent(Event): ...\n{FROZEN}class OrderPayment(OrderEvent): ..."},
    ],
    "routes_only_translate": [
        {HTTP: f"{ROUTE}    a = 1\n    b = 2\n    c = 3\n    return c"},
        {HTTP: f"{ROUTE}    if id:\n        a = 1\n        b = 2\n    return a"},
    ],
    "only_commands_print": [
        {HANDLER: "print('here')"},
    ],
    "test_names_are_sentences": [
        {TEST: "def test_order(): ..."},
        {TEST: "class TestOrder:\n    async def test_it_works(self): ..."},
    ],
    "our_code_is_not_mocked": [
        {TEST: "from unittest.mock import Mock"},
        {TEST: "from unittest import mock"},
        {TEST: "import unittest.mock as doubles"},
    ],
    "contexts_have_one_of_two_shapes": [
        FULL | {"src/bailiwick/orders/services.py": ""},
        FULL | {"src/bailiwick/orders/interfaces/graphql.py": ""},
        FLAT | {"src/bailiwick/files/domain/file.py": ""},
        {path: "" for path in FULL if not path.endswith("contract.py")},
    ],
    "contexts_write_through_their_unit_of_work": [
        {STORED: "async def forget(self):\n    await self._database.write([old])"},
        {STORED: "store = platform.database.write"},
        {STORED: "OLD = delete(orders)", HANDLER: "from orders import OLD\ndatabase.all(OLD)"},
        {STORED: "async def pay(self):\n    await self._first(update(orders).values(a=1))"},
        {"src/bailiwick/files/store.py": "GONE = files.delete().returning(files.c.id)\ndatabase.first(GONE)"},
    ],
    "transaction_boundaries_have_failpoints": [
        {STORED: "async def forget(self):\n    await self._database.write([old])"},
        {STORED: 'async def forget(self):\n    reached("a.b")\n    return await self._database.write([old])'},
        {STORED: 'async def forget(self):\n    await database.write([old])\n    reached("orders.forgotten")'},
        {STORED: 'def store(c):\n    c.execute("COMMIT")\n    def later():\n        reached("a.b")'},
        {STORED: 'async def send(self):\n    reached("a.b")\n    await self._broker.publish(message)'},
        {STORED: 'async def settle(message):\n    await message.ack()\n    reached("a.b")'},
        {STORED: 'async def store(c):\n    reached("a.b")\n    async with c.transaction():\n        pass'},
        {STORED: 'async def store(write):\n    await write(*phases)\n    reached("a.b")'},
        {STORED: "def anything():\n    reached(name)"},
    ],
}

RIGHT: dict[str, Files] = {
    "commands_stand_above_their_handlers": {
        HANDLER: f"{COMMAND}\n\n{SOUND}\n\nasync def new_hash(word: str, ports: OrdersPorts) -> str: ...",
        "src/bailiwick/orders/application/processes.py": "class Placement: ...\n"
        "async def hold(state: Placement, ports: OrdersPorts, key: UUID) -> None: ...",
    },
    "subscribers_are_named_after_their_events": {
        SUBSCRIBERS: "async def on_order_paid(event: OrderPaid, ports): ..."
    },
    "only_the_kernel_commits": {
        HANDLER: "async def place_order(command, ports):\n    return await uow.commit(order)",
        "src/bailiwick/orders/application/processes.py": "await ports.catalog().commit(reservation)",
        "src/bailiwick/kernel/database/unit_of_work.py": "connection.commit()",
    },
    "units_of_work_await_nothing_else": {
        HANDLER: f"{UNIT}await uow.commit(order(await uow.orders.get(1)))\n    await ports.mail.send(letter)"
    },
    "imports_stand_at_the_top": {HANDLER: '"""Orders."""\nimport json\nfrom typing import Protocol'},
    "file_names_say_what_is_inside": {"src/bailiwick/orders/domain/base_price.py": ""},
    "files_and_functions_are_short": {HANDLER: "def short():\n" + "    x = 1\n" * 38 + "\n" * 361},
    "protocols_live_at_the_edges": {
        "src/bailiwick/orders/application/ports.py": "class OrdersUnitOfWork(UnitOfWork, Protocol): ...",
        CONTRACT: "class Orders(Protocol): ...",
        "src/bailiwick/kernel/application.py": "class Repository(Protocol[A]): ...",
    },
    "tables_belong_to_one_context": {
        TABLES: 'Table("orders_line", metadata, Column("order", ForeignKey("orders_order.id")))\n'
        'ForeignKeyConstraint(["a", "b"], ["orders_order.a", "orders_order.b"])'
    },
    "aggregate_tables_have_a_version": {
        TABLES: 'orders = Table("orders_order", metadata, Column("version", Integer))',
        STORED: "class SqlOrders:\n    mapper = Mapper(Order, tables.orders)",
    },
    "refusals_are_domain_errors": {HTTP: "from bailiwick.kernel.domain import NotFound"},
    "times_know_their_zone": {
        HANDLER: "datetime.now(UTC)\ndatetime.fromtimestamp(0, tz=UTC)\nports.clock.now()\nclock.today()"
    },
    "the_business_is_typed": {HTTP: "from typing import Any"},
    "modules_open_with_a_sentence": {
        HANDLER: '"""Orders."""',
        "src/bailiwick/orders/domain/__init__.py": "",
    },
    "published_events_are_facts": {
        CONTRACT: f"{FROZEN}class OrderEvent(Event): ...\n{FROZEN}class OrderPlaced(OrderEvent): ...\n"
        f"{FROZEN}class UserLoggedOut(Event): ...\n{FROZEN}class OrderPaid(Event): ...\nclass Line: ..."
    },
    "routes_only_translate": {
        HTTP: f"{ROUTE}    command = Cancel(id)\n    order = await cancel(command, ports)\n    return order"
    },
    "only_commands_print": {"src/bailiwick/cli.py": "print('here')", HANDLER: "log.print('here')"},
    "test_names_are_sentences": {TEST: "def test_an_order_keeps_its_lines(): ..."},
    "our_code_is_not_mocked": {TEST: "import unittest\nfrom orders import mockup"},
    "contexts_have_one_of_two_shapes": {**FULL, **FLAT, "src/bailiwick/main.py": "", HTTP: ""},
    "contexts_write_through_their_unit_of_work": {
        STORED: "OLD = delete(orders)\nONE = select(orders)\nasync def forget(self):\n"
        "    self._execute(OLD, id=1)\n    await self._unit.database.first(ONE)\n    file.write(1)",
        HTTP: "OLD = select(orders)\ndatabase.all(OLD)",
        "src/bailiwick/kernel/messaging/readers.py": "database.write([old])",
    },
    "transaction_boundaries_have_failpoints": {
        STORED: 'async def forget(self):\n    reached("orders.before_forgetting")\n'
        '    await self._database.write([old])\n    reached("orders.forgotten")\n'
        "def tell(event):\n    sys.stdout.write(event)\n    publish(event)\n    mark.write(event)",
    },
}
