"""Where a context's code is: the shipped ones by a plain name, one's own by the name of their package."""

from importlib.util import find_spec


def package_of(context: str) -> str:
    """`tasks` is shipped as `bailiwick.tasks`; a dotted name, such as `acme.invoices`, stands as it is."""
    return context if "." in context else f"bailiwick.{context}"


def name_of(context: str) -> str:
    """The short name, by which a context's tables and versions are called: `invoices`."""
    return context.rpartition(".")[2]


def is_installed(context: str) -> bool:
    """Whether its package can be found. Of the context itself nothing is imported."""
    try:
        return find_spec(package_of(context)) is not None
    except ModuleNotFoundError:  # not even the package around it
        return False
