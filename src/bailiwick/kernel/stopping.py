"""What must happen between the order to stop and the stop itself."""

from collections.abc import Awaitable, Callable

farewells: list[Callable[[], Awaitable[None]]] = []
"""Each is awaited, for two seconds at most, while the server still serves: it cannot end streams itself."""
