"""Whose request it is: the client's address, believed from a proxy only where the proxy is ours."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

REMEMBERED = 4_096
LONGEST_REMEMBERED = 512  # bytes of X-Forwarded-For; longer ones are read each time
NEIGHBOURS = 64  # bits of an IPv6 address that one customer is given as a rule


class ClientAddresses:
    """Finds the client behind `trusted` proxies, given as networks (CIDR) or single addresses."""

    def __init__(self, trusted: Sequence[str]) -> None:
        self._trusted = [ip_network(network) for network in trusted]
        self._trusts = lru_cache(REMEMBERED)(self._looks_up)
        self._walks_remembering = lru_cache(REMEMBERED)(self._walks)

    def of(self, scope: Mapping[str, Any]) -> str:
        """The address of an ASGI request's client; empty where the server does not know its peer.

        `X-Forwarded-For` is read from the right, as far as trusted proxies wrote it; the first hop
        that is not one of them is the client. What stands further left is the client's own invention.
        """
        client = scope.get("client")
        peer = clean(client[0]) if client else ""
        if not self._trusted or not self._trusts(peer):
            return peer
        hops = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        if not hops:
            return peer
        return (self._walks_remembering if len(hops) <= LONGEST_REMEMBERED else self._walks)(peer, hops)

    def _looks_up(self, address: str) -> bool:
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self._trusted)

    def _walks(self, peer: str, hops: bytes) -> str:
        found = peer
        for hop in reversed(hops.decode("latin-1").split(",")):
            address = _parsed(_without_port(hop.strip()))
            if address is None:
                return found
            found = str(address)
            if not self._trusts(found):
                return found
        return found


@lru_cache(REMEMBERED)
def clean(address: str) -> str:
    """One spelling per address: IPv4 in IPv6 clothes (`::ffff:192.0.2.1`) is IPv4. Other text stays."""
    parsed = _parsed(address)
    return address if parsed is None else str(parsed)


@lru_cache(REMEMBERED)
def neighbourhood(address: str) -> str:
    """Whom to count: an IPv4 address itself, the /64 of an IPv6 one, for its owner has all of that."""
    parsed = _parsed(address)
    if not isinstance(parsed, IPv6Address):
        return address
    return str(ip_network((int(parsed) >> NEIGHBOURS << NEIGHBOURS, NEIGHBOURS)))


def _without_port(hop: str) -> str:
    """Some proxies write `192.0.2.1:4711` and `[2001:db8::1]:4711`."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        # The zone (`%eth0`) says where the server met the peer, not who it is.
        return address.ipv4_mapped or IPv6Address(int(address))
    return address
