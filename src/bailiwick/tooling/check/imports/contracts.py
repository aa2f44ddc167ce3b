"""The import contracts, computed from the contexts that are there: no list has to be kept."""

from collections.abc import Collection, Iterator
from copy import deepcopy
from typing import Any

from importlinter import Contract, configuration
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract

from bailiwick.tooling.check.ground import Ground
from bailiwick.tooling.check.rules import Finding, rule
from bailiwick.tooling.project import PRODUCT

LAYERS = (
    ("module",),
    ("interfaces", "http", "client"),
    ("infrastructure", "store"),
    ("application", "tables"),
    ("domain",),
    ("contract",),
)
"""The parts of a context from top to bottom, in both shapes. A part imports its own row and those below."""
FRAMEWORKS = [
    "aiosqlite", "alembic", "asyncpg", "fastapi", "granian", "httpx", "httpx2", "joserfc", "pwdlib",
    "pydantic", "redis", "requests", "sqlalchemy", "starlette", "typer",
]  # fmt: skip
BUSINESS = frozenset({"contract", "domain", "application"})
KERNEL = "kernel"

Chain = list[dict[str, Any]]
"""From the importer to what it may not import; each link as import-linter describes it."""

configuration.configure()  # a contract takes the time that it needs, by the clock that this chooses


@rule("imports", "Move what both need down: into the kernel, into a contract, or into the context itself.")
def the_kernel_knows_no_context(ground: Ground) -> Iterator[Finding]:
    """The kernel imports no context, and no context what composes them."""
    broken = _checked(
        LayersContract,
        ground,
        containers=[ground.package],
        layers=_rows(_composition(ground)),
        exhaustive="true",
    )
    for chain in _chains(broken["invalid_dependencies"]):
        importer, imported = (_steps(chain)[end].split(".")[1] for end in (0, -1))
        inward = importer == KERNEL and imported in ground.contexts
        yield _said(
            ground, chain, "the kernel imports a context" if inward else "imports what stands above it"
        )
    for module in sorted(ground.modules.keys() - ground.graph.modules):
        what = "is in a folder without __init__.py, so nobody sees what it imports"
        yield Finding(_path(ground, module), 1, what, "Add the __init__.py.")
    for module in sorted(broken["undeclared_modules"]):
        what = "has no place in `composition` of pyproject.toml"
        yield Finding(_path(ground, module), 1, what, "Name it there, above what it imports.")


def _composition(ground: Ground) -> Iterator[Collection[str]]:
    """What stands above the contexts, the contexts, and in Bailiwick itself the kernel below them."""
    children = {module.rpartition(".")[2] for module in ground.graph.find_children(ground.package)}
    above = ground.composition or [[*(children - ground.contexts)]]
    yield from above
    yield ground.contexts.difference(*above)
    if ground.project.is_product:
        yield [KERNEL]


@rule("imports", "Turn the import round: the lower one says in a port what it needs.")
def contexts_are_layered(ground: Ground) -> Iterator[Finding]:
    """In a context imports point down: module, interfaces, infrastructure, application, domain, contract."""
    for context in _contexts(ground):
        broken = _checked(LayersContract, ground, containers=[context], layers=_rows(LAYERS))
        for chain in _chains(broken["invalid_dependencies"]):
            importer, imported = (_steps(chain)[end].split(".")[2] for end in (0, -1))
            yield _said(ground, chain, f"{importer} imports {imported}, which stands above it")


def _contexts(ground: Ground) -> list[str]:
    names = (f"{ground.package}.{context}" for context in sorted(ground.contexts))
    return [name for name in names if name in ground.graph.modules]


@rule(
    "imports",
    "Import its contract.py; ask with platform.contract(…) in module.py, or listen to its events.",
)
def contexts_meet_at_their_contracts(ground: Ground) -> Iterator[Finding]:
    """Of another context, own or shipped, one imports the contract; module.py also its client."""
    contexts, shipped = _contexts(ground), ground.graph.find_children(PRODUCT) - {f"{PRODUCT}.{KERNEL}"}
    meeting = [
        f"{ground.package}.{meant}"
        for other in (ground.package, PRODUCT)
        for meant in (f"** -> {other}.*.contract", f"*.module -> {other}.*.client")
    ]
    broken = _checked(
        ForbiddenContract,
        ground,
        source_modules=contexts,
        forbidden_modules=contexts if ground.project.is_product else [*contexts, *shipped],
        ignore_imports=meeting,
        unmatched_ignore_imports_alerting="none",
        allow_indirect_imports="true",
    )
    for chain in _chains(broken["invalid_chains"]):
        other = ".".join(_steps(chain)[-1].split(".")[:2])
        yield _said(ground, chain, f"imports the inside of {other}")


@rule("imports", "Say in application/ports.py what is needed, and do it in infrastructure.")
def the_business_knows_no_framework(ground: Ground) -> Iterator[Finding]:
    """Contract, domain and application import no framework, neither directly nor through others."""
    broken = _checked(
        ForbiddenContract,
        ground,
        source_modules=[f"{ground.package}.*.{part}" for part in BUSINESS],
        forbidden_modules=FRAMEWORKS,
    )
    shortest: dict[tuple[str, ...], Chain] = {}
    left = [_where_it_leaves(ground, chain) for chain in _chains(broken["invalid_chains"])]
    for chain in sorted(left, key=len):
        shortest.setdefault(tuple(_steps(chain)[:2]), chain)
    for chain in shortest.values():
        yield _said(ground, chain, f"leads to {_steps(chain)[-1]}")


def _where_it_leaves(ground: Ground, chain: Chain) -> Chain:
    """The chain from the last module of the business on: only there something can be done about it."""
    own = (
        number
        for number, link in enumerate(chain)
        if link["importer"] in ground.modules and BUSINESS.intersection(link["importer"].split(".")[2:3])
    )
    return chain[max(own, default=0) :]


@rule("imports", "Ask infrastructure/queries.py to read, and a command to write.")
def interfaces_read_through_queries(ground: Ground) -> Iterator[Finding]:
    """Interfaces import neither tables nor the unit of work."""
    broken = _checked(
        ForbiddenContract,
        ground,
        source_modules=[f"{ground.package}.*.interfaces"],
        forbidden_modules=[
            f"{ground.package}.*.infrastructure.{part}" for part in ("tables", "unit_of_work")
        ],
        allow_indirect_imports="true",
    )
    for chain in _chains(broken["invalid_chains"]):
        yield _said(ground, chain, "reads past the queries")


@rule("imports", "Move what both need into a module below them.")
def imports_make_no_cycle(ground: Ground) -> Iterator[Finding]:
    """No module reaches itself through its imports: the largest import cycle is a single module."""
    for group in import_cycles(ground):
        importer = group[0]
        imported = min(ground.graph.find_modules_directly_imported_by(importer).intersection(group))
        [where, *_] = ground.graph.get_import_details(importer=importer, imported=imported)
        what = f"{len(group)} modules import each other: {', '.join(group)}"
        yield Finding(_path(ground, importer), where["line_number"], what)


def import_cycles(ground: Ground) -> list[list[str]]:
    """The groups of modules that import each other, directly or not, the largest first."""
    graph = ground.graph
    groups = {
        frozenset({module, *graph.find_upstream_modules(module) & graph.find_downstream_modules(module)})
        for module in graph.modules & ground.modules.keys()
    }
    cycles = [sorted(group) for group in groups if len(group) > 1]
    return sorted(cycles, key=lambda cycle: (-len(cycle), cycle))


def _checked(kind: type[Contract], ground: Ground, **options: Any) -> dict[str, Any]:
    """What import-linter knows about how a contract is broken."""
    session = {"root_packages": [ground.package, PRODUCT], "include_external_packages": True}
    contract = kind(kind.__name__, session, options)
    return contract.check(deepcopy(ground.graph), verbose=False).metadata


def _rows(rows: Any) -> list[str]:
    """Layers as import-linter wants them: none has to be there, and those of one row may meet."""
    return [" : ".join(f"({name})" for name in sorted(row)) for row in rows if row]


def _chains(broken: list[dict[str, Any]]) -> list[Chain]:
    """Those of every broken pair, in the order of their modules."""
    found = [each for pair in broken for each in pair.get("routes") or pair["chains"]]
    return sorted((each["chain"] if isinstance(each, dict) else each for each in found), key=_steps)


def _steps(chain: Chain) -> list[str]:
    return [chain[0]["importer"], *(link["imported"] for link in chain)]


def _said(ground: Ground, chain: Chain, what: str) -> Finding:
    first = chain[0]
    path, line = _path(ground, first["importer"]), first["line_numbers"][0]
    return Finding(path, line, f"{what}: {' → '.join(_steps(chain))}")


def _path(ground: Ground, module: str) -> str:
    """Where a module lies; one that is a folder without code, the folder."""
    source = ground.modules.get(module)
    return source.path if source else f"src/{module.replace('.', '/')}"
