"""A small project of somebody else: two contexts of its own beside two of Bailiwick."""

import subprocess
from pathlib import Path
from textwrap import dedent

from bailiwick.tooling.project import Project

FILES = {
    "pyproject.toml": '[tool.bailiwick]\npackage = "acme"\n',
    "bailiwick.toml": 'contexts = ["identity", "orders", "acme.invoices", "acme.letters"]\n',
    "src/acme/__init__.py": "",
    "src/acme/invoices/__init__.py": '"""Invoices: what is to be paid."""\n',
    "src/acme/invoices/contract.py": '''
        """What others may know."""

        from typing import Protocol

        from bailiwick.kernel.domain import Event


        class InvoiceEvent(Event):
            """Something about an invoice."""


        class InvoiceSent(InvoiceEvent):
            """An invoice is on its way."""


        class Invoices(Protocol):
            """Questions about invoices."""

            async def open_amount(self, customer: str) -> int:
                """How much a customer has to pay."""
                ...
        ''',
    "src/acme/invoices/tables.py": """
        import sqlalchemy as sa
        from sqlalchemy import MetaData, Table

        invoices = Table("invoices_invoice", MetaData())
        lines = sa.Table("invoices_line", invoices.metadata)
        """,
    "src/acme/invoices/http.py": '''
        from bailiwick.kernel.http.routing import Router

        router = Router("invoices", prefix="/api/v1/invoices")


        @router.get()
        async def list_invoices() -> list[int]:
            """All of them."""
            return []


        @router.post("/{id}/send", status=202)
        async def send(id: str) -> None: ...
        ''',
    "src/acme/invoices/subscribers.py": """
        from bailiwick.orders import contract as orders


        async def on_order_paid(event: orders.OrderPaid, ports: object) -> None: ...
        """,
    "src/acme/invoices/module.py": """
        from functools import partial

        from acme.invoices import subscribers
        from acme.invoices.http import router
        from bailiwick.kernel.messaging.handlers import Subscription
        from bailiwick.kernel.module import Module, Platform
        from bailiwick.orders import contract as orders


        def module(platform: Platform) -> Module:
            hears = Subscription(
                "invoices.on_order_paid", orders.OrderPaid, partial(subscribers.on_order_paid, ports=1)
            )
            return Module("invoices", routers=(router,), provides=(), subscriptions=(hears,))
        """,
    "src/acme/letters/__init__.py": '"""Letters: what is written to customers."""\n',
    "src/acme/letters/contract.py": '"""Nothing yet."""\n',
    "src/acme/letters/module.py": """
        from datetime import timedelta

        from acme.invoices.contract import Invoices, InvoiceSent
        from bailiwick.kernel.module import Module, Platform
        from bailiwick.kernel.processes import On, Process, Step
        from bailiwick.orders.contract import OrderStatus


        async def remind(state: object, ports: Platform, key: object) -> None:
            answerer = ports.contract(Invoices)
            if await answerer.open_amount("ada"):
                print(OrderStatus.PAID)


        REMINDER = Process(
            "letters.reminder",
            object,
            (Step("sent", waits_for=(On(InvoiceSent, key=str),)), Step("remind", remind)),
            within=timedelta(days=1),
        )


        def module(platform: Platform) -> Module:
            return Module("letters", routers=(), provides=())
        """,
}


def write(root: Path, **changed: str) -> Project:
    """The project below `root`; `changed` are other texts for files, by the end of their paths."""
    for path, text in FILES.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text).lstrip())
    return Project.find(root)


def change(project: Project, path: str, here: str, other: str) -> None:
    file = project.source / path
    text = file.read_text()
    assert here in text
    file.write_text(text.replace(here, other))


def commit(project: Project) -> None:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "All of it")):
        subprocess.run(["git", "-C", str(project.root), *words], check=True, capture_output=True)
