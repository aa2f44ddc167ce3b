"""One more command: what the aggregate does, its use case, its route, who may call it, and a test."""

import re
from dataclasses import dataclass

from bailiwick.tooling.edit.context import Aggregate, Context, Told, aggregate_of
from bailiwick.tooling.edit.page import tell_route
from bailiwick.tooling.edit.policy import allow_like
from bailiwick.tooling.edit.siblings import Route, UseCase, route_like, router_demands_keys, use_case_like
from bailiwick.tooling.edit.source import fields_of, parameters_of
from bailiwick.tooling.edit.testing import Scene, scene_of
from bailiwick.tooling.generate.naming import plural, snake
from bailiwick.tooling.generate.rendering import CannotGenerate
from bailiwick.tooling.project import Project

NAME = re.compile(r"(?:[A-Z][a-z0-9]+){2,}")


@dataclass(frozen=True)
class Asked:
    """The command as it was asked for: for `SendInvoice`, an invoice has the method `send`."""

    name: str
    aggregate: Aggregate

    @property
    def handler(self) -> str:
        return snake(self.name)

    @property
    def method(self) -> str:
        return snake(self.name.replace(self.aggregate.name, "", 1) or self.name)

    @property
    def sentence(self) -> str:
        verb, *rest = self.method.split("_")
        return " ".join([verb.capitalize(), "the", self.aggregate.words, *rest])

    @property
    def does(self) -> str:
        """`sends one`."""
        verb, *rest = self.method.split("_")
        return " ".join([plural(verb), "one", *rest])

    @property
    def step(self) -> str:
        return self.method.replace("_", "-")

    @property
    def path(self) -> str:
        return f"/{{{self.aggregate.word}_id}}/{self.step}"


def new_command(context_name: str, aggregate_name: str, name: str, project: Project | None = None) -> Told:
    """Add a command to an aggregate. Raises CannotGenerate, and changes nothing then."""
    if not NAME.fullmatch(name):
        raise CannotGenerate(f"{name} is no name of a command: that is a verb and a noun, as in SendInvoice.")
    context = Context(project or Project.find(), context_name)
    asked = Asked(name, aggregate_of(context, aggregate_name))
    _refuse_another(context, asked)
    like = use_case_like(context, asked.aggregate)
    route = route_like(context, asked.aggregate, like)
    base = route.path.partition("/{")[0]
    asked.aggregate.add_method(_method(asked))
    _add_use_case(context, asked, like)
    _add_route(context, asked, like, route, base)
    below = route.prefix + base
    allow_like(context, f"{route.method} {route.prefix}{route.path}", f"POST {below}{asked.path}")
    tell_route(context, below, f"{below}/{{id}}/{asked.step}", asked.does)
    _add_test(context, asked, scene_of(context, asked.aggregate, below))
    context.left.insert(
        0, f"give {asked.method} its meaning, and its refusals: {asked.aggregate.source.path}"
    )
    return context.place()


def _refuse_another(context: Context, asked: Asked) -> None:
    there = (
        [asked.aggregate.source.path]
        if asked.method in {*asked.aggregate.methods, *asked.aggregate.fields}
        else []
    )
    there += [
        source.path for source in context.use_cases() if asked.name in {c.name for c in source.classes()}
    ]
    if there:
        raise CannotGenerate(f"Nothing was changed: {there[0]} has {asked.name}, or {asked.method}, already.")


def _method(asked: Asked) -> str:
    touched = "    self.updated_at = now\n" if "updated_at" in asked.aggregate.fields else ""
    return f'def {asked.method}(self, now: datetime) -> None:\n    """{asked.sentence}."""\n{touched}'


def _add_use_case(context: Context, asked: Asked, like: UseCase) -> None:
    asked.aggregate.source.imports("datetime", "datetime")
    known = fields_of(like.command)
    fields = [like.source.text_of(known[name]) for name in like.takes]
    body = [*like.requires, "async with ports.uow() as uow:"]
    inner = [
        like.loads,
        f"{like.variable}.{asked.method}(ports.clock())",
        f"return await uow.commit({like.variable})",
    ]
    ports = parameters_of(like.handler)["ports"]
    text = [
        "\n\n@dataclass(frozen=True)",
        f"class {asked.name}:",
        *(f"    {each}" for each in fields),
        f"\n\nasync def {asked.handler}(command: {asked.name}, ports: {ports}) -> {asked.aggregate.name}:",
        *(f"    {each}" for each in body),
        *(f"        {each}" for each in inner),
    ]
    like.source.below(like.handler, "\n".join(text))


def _add_route(context: Context, asked: Asked, like: UseCase, route: Route, base: str) -> None:
    source, function = route.source, route.function
    known = parameters_of(function)
    by_type = {annotation: name for name, annotation in known.items()}
    names = {"by": by_type.get("Actor", "actor")}
    given = [names.get(field, field) for field in like.takes]
    given = [each for each in given if each in known]
    wanted = {*given, by_type.get("Actor", "actor"), "ports"}
    signature = ", ".join(f"{name}: {annotation}" for name, annotation in known.items() if name in wanted)
    taken = {each.name for routes in context.routes() for each in routes.functions()}
    name = asked.method if asked.method not in taken else f"post_{asked.handler}"
    keys = '"required"' if router_demands_keys(route) else "True"
    view = f", view={route.keyword('view')}" if route.keyword("view") else ""
    returns = source.text_of(function.returns) if function.returns else asked.aggregate.name
    text = [
        f'\n\n@{route.router}.post("{base}{asked.path}"{view}, idempotent={keys})',
        f"async def {name}({signature}) -> {returns}:",
        f'    """{asked.sentence}."""',
        f"    return await {asked.handler}({asked.name}({', '.join(given)}), ports)",
    ]
    source.below(function, "\n".join(text))
    if like.source is not source:
        source.imports(context.module_of(like.source), asked.name, asked.handler)


def _add_test(context: Context, asked: Asked, scene: Scene | None) -> None:
    if scene is None:
        context.left.append(f"test it: {context.tests} has no function that makes one over HTTP")
        return
    text = f"""

async def test_{asked.method}_answers_with_the_{asked.aggregate.word}(ada: httpx.AsyncClient) -> None:
    {scene.variable} = {scene.made("ada")}
    answer = await ada.post({scene.at(asked.step)})
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["id"] == {scene.variable}["id"]
"""
    scene.source.at_the_end(text.rstrip("\n"))
