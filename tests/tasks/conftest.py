"""The served product, for every test beside this file."""

from tests.kernel.http.serving import ada, bob, served, served_url

__all__ = ["ada", "bob", "served", "served_url"]
