"""A small demo: a super admin, two people and their tasks, and a shop, in an empty database."""

import asyncio
import secrets
from datetime import timedelta

from sqlalchemy import select

from bailiwick.backend import Backend
from bailiwick.catalog.application.ports import CatalogPorts
from bailiwick.catalog.application.products import AddProduct, OpenCategory, add_product, open_category
from bailiwick.catalog.application.stock import MoveStock, move_stock
from bailiwick.catalog.contract import StockMove
from bailiwick.catalog.domain.category import CategoryDetails
from bailiwick.catalog.domain.product import Assortment, Price, ProductDetails, Variant
from bailiwick.identity.application.accounts import (
    CreateSuperAdmin,
    CreateUser,
    create_super_admin,
    create_user,
)
from bailiwick.identity.application.ports import IdentityPorts
from bailiwick.identity.domain.role import SUPER_ADMIN
from bailiwick.identity.domain.user import User
from bailiwick.identity.infrastructure.tables import users
from bailiwick.kernel.application import EVERY_PERMISSION, Actor
from bailiwick.kernel.money import Money
from bailiwick.kernel.settings import Settings
from bailiwick.tasks.application.ports import TasksPorts
from bailiwick.tasks.application.tasks import CreateTask, create_task
from bailiwick.tasks.contract import TaskStatus
from bailiwick.tasks.domain.task import TaskDetails, TaskPriority

ADMIN = "admin@example.com"
PEOPLE = {"ann@example.com": "Ann Hauwanga", "ben@example.com": "Ben Shikongo"}
TASKS = (
    ("Read the README", TaskPriority.LOW, TaskStatus.COMPLETED),
    ("Try the API at /api/docs", TaskPriority.HIGH, TaskStatus.IN_PROGRESS),
    ("Add a field to a task", TaskPriority.MEDIUM, TaskStatus.PENDING),
    ("Put it on PostgreSQL", TaskPriority.MEDIUM, TaskStatus.PENDING),
    ("Write a context of my own", TaskPriority.URGENT, TaskStatus.PENDING),
)
GOODS = (
    ("Enamel mug", "Holds 350 ml, and does not break.", "MUG", {"BLUE": "blue", "RED": "red"}, 8900, 40),
    ("Clay bowl", "Thrown by hand in Omaruru.", "BOWL", {"": "brown"}, 24500, 12),
    ("Tea towel", "Linen, 50 by 70 cm.", "TOWEL", {"": "white"}, 6500, 100),
)
"""Each with its colours by the end of the SKU, its price in minor units, and how many there are."""
ANYBODY = select(users.c.id).limit(1)


def seed(settings: Settings) -> str | None:
    """Fill an empty database. Returns what to tell the user, once, or None where there is data already.

    Does nothing in production or without identity; of the rest it adds what is enabled.
    """
    if settings.is_production or "identity" not in settings.contexts:
        return None
    return asyncio.run(_seed(settings))


async def _seed(settings: Settings) -> str | None:
    backend = Backend.build(settings)
    async with backend.opened():
        if await backend.platform.database.first(ANYBODY) is not None:
            return None
        password, theirs = secrets.token_urlsafe(12), secrets.token_urlsafe(12)
        ports = backend.provided(IdentityPorts)
        admin = await create_super_admin(CreateSuperAdmin(ADMIN, "Demo Admin", password), ports)
        by = Actor(admin.id, SUPER_ADMIN, frozenset({EVERY_PERMISSION}))
        for email, name in PEOPLE.items():
            command = CreateUser(email, name, by, password=theirs, must_change_password=False)
            user = await create_user(command, ports)
            if "tasks" in settings.contexts:
                await _give_tasks(user, backend.provided(TasksPorts))
        if "catalog" in settings.contexts:
            await _open_shop(by, backend.provided(CatalogPorts), settings.payments.currency)
    return "\n".join(
        [
            "A small demo was added. These passwords are shown only now:",
            f"  {ADMIN:20} {password}   (super admin: change the password soon)",
            *(f"  {email:20} {theirs}" for email in PEOPLE),
        ]
    )


async def _give_tasks(user: User, ports: TasksPorts) -> None:
    by = Actor(user.id, user.role)
    for days, (title, priority, status) in enumerate(TASKS):
        due = ports.clock() + timedelta(days=days)
        details = TaskDetails(title=title, priority=priority, due_at=due)
        await create_task(CreateTask(details, by, status), ports)


async def _open_shop(by: Actor, ports: CatalogPorts, currency: str) -> None:
    kitchen = CategoryDetails(name="Kitchen", slug="kitchen")
    category = await open_category(OpenCategory(kitchen, by), ports)
    for name, description, code, colours, amount, count in GOODS:
        variants = tuple(
            Variant(sku=f"{code}-{end}".strip("-"), title=colour, options={"colour": colour})
            for end, colour in colours.items()
        )
        prices = tuple(Price(variant.sku, Money(amount, currency)) for variant in variants)
        details = ProductDetails(
            name=name,
            description=description,
            category_id=category.id,
            attributes={"colour": list(colours.values())},
        )
        wares = Assortment(variants=variants, prices=prices)
        product = await add_product(AddProduct(details, wares, by), ports)
        for sku in product.skus:
            command = MoveStock(product.id, sku, StockMove.RECEIVE, count, "", by)
            await move_stock(command, ports)
