"""The tests of a context over HTTP, as far as a new test needs to know them."""

from dataclasses import dataclass

from bailiwick.tooling.edit.context import Aggregate, Context
from bailiwick.tooling.edit.source import Function, Source, parameters_of


@dataclass(frozen=True)
class Scene:
    """A file of tests with a function that makes one over HTTP, given a client and fields of the body."""

    source: Source
    maker: Function
    variable: str
    below: str
    finds: bool
    """Whether the file has a function `at` that says where one is."""

    def made(self, client: str, fields: str = "") -> str:
        given = ", ".join(each for each in (client, fields) if each)
        return f"await {self.maker.name}({given})"

    def at(self, step: str = "") -> str:
        """The path of the one that was made, or of a step below it, as Python writes it."""
        if self.finds and not step:
            return f"at({self.variable})"
        place = f"{{at({self.variable})}}" if self.finds else f"{self.below}/{{{self.variable}['id']}}"
        return f'f"{place}/{step}"' if step else f'f"{place}"'

    @property
    def takes_fields(self) -> bool:
        return self.maker.args.kwarg is not None


def scene_of(context: Context, aggregate: Aggregate, below: str) -> Scene | None:
    """Tests of what lies below this path: with `made` or, where it is of several, `made_invoice`."""
    for wanted in (f"made_{aggregate.word}", f"made_{aggregate.word}s", "made"):
        for source in context.tested():
            makers = {each.name: each for each in source.functions()}
            maker = makers.get(wanted)
            if maker is None or not _is_maker(maker) or "ada: httpx.AsyncClient" not in source.text:
                continue
            if wanted == "made" and f'"{below}"' not in source.text:
                continue
            return Scene(source, maker, aggregate.word, below, "at" in makers)
    return None


def _is_maker(function: Function) -> bool:
    given = list(parameters_of(function).values())
    return given[:1] == ["httpx.AsyncClient"] and len(given) == 1
