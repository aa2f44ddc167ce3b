"""Whose request it is: trusted proxies are believed, nobody else."""

from typing import Any

import pytest

from bailiwick.kernel.http.addresses import ClientAddresses, clean, neighbourhood

BEHIND_PROXIES = ClientAddresses(["10.0.0.0/8", "2001:db8:1::/48"])


def asked(peer: str | None, *forwarded: str) -> dict[str, Any]:
    headers = [(b"host", b"api.example.com"), *((b"x-forwarded-for", value.encode()) for value in forwarded)]
    return {"client": (peer, 4711) if peer else None, "headers": headers}


def test_without_trusted_proxies_the_header_is_never_believed() -> None:
    assert ClientAddresses([]).of(asked("203.0.113.5", "198.51.100.1")) == "203.0.113.5"


def test_a_stranger_cannot_name_another_address() -> None:
    assert BEHIND_PROXIES.of(asked("203.0.113.5", "198.51.100.1")) == "203.0.113.5"


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (["198.51.100.1"], "198.51.100.1"),
        (["192.0.2.66, 198.51.100.1"], "198.51.100.1"),
        (["192.0.2.66, 198.51.100.1, 10.1.2.3"], "198.51.100.1"),
        (["192.0.2.66", "198.51.100.1,10.1.2.3"], "198.51.100.1"),
        (["10.9.9.9, 10.1.2.3"], "10.9.9.9"),
        (["198.51.100.1:4711"], "198.51.100.1"),
        (["[2001:db8:2::7]:4711"], "2001:db8:2::7"),
        (["2001:DB8:2:0::7"], "2001:db8:2::7"),
        (["::ffff:198.51.100.1"], "198.51.100.1"),
        (["fe80::1%eth0"], "fe80::1"),
        ([], "10.0.0.1"),
    ],
)
def test_the_client_is_the_right_most_hop_that_is_not_a_trusted_proxy(
    forwarded: list[str], client: str
) -> None:
    assert BEHIND_PROXIES.of(asked("10.0.0.1", *forwarded)) == client


@pytest.mark.parametrize(
    "rubbish", ["", "unknown", "_hidden", "1.2.3", "198.51.100.1;10.0.0.1", "\xff\x00", ","]
)
def test_a_hop_that_is_no_address_counts_as_the_proxy_that_wrote_it(rubbish: str) -> None:
    assert BEHIND_PROXIES.of(asked("10.0.0.1", f"198.51.100.1, {rubbish}, 10.1.2.3")) == "10.1.2.3"


def test_a_long_header_is_read_from_its_end_and_not_remembered() -> None:
    proxies = ClientAddresses(["10.0.0.0/8"])
    header = "1.2.3.4, " * 5_000 + "198.51.100.1"
    assert proxies.of(asked("10.0.0.1", header)) == "198.51.100.1"
    assert proxies._walks_remembering.cache_info().currsize == 0


def test_a_trusted_proxy_may_speak_ipv6_or_ipv4_in_ipv6_clothes() -> None:
    assert BEHIND_PROXIES.of(asked("2001:db8:1::5", "198.51.100.1")) == "198.51.100.1"
    assert BEHIND_PROXIES.of(asked("::ffff:10.0.0.1", "198.51.100.1")) == "198.51.100.1"


def test_a_peer_that_the_server_does_not_know_has_no_address() -> None:
    assert BEHIND_PROXIES.of(asked(None, "198.51.100.1")) == ""


def test_one_address_has_one_spelling() -> None:
    assert clean("::FFFF:192.0.2.1") == "192.0.2.1"
    assert clean("2001:0db8::0001") == "2001:db8::1"
    assert clean("testclient") == "testclient"


def test_an_ipv6_customer_is_counted_by_his_64_bits() -> None:
    assert (
        neighbourhood("2001:db8:2:3:aaaa::1") == neighbourhood("2001:db8:2:3:bbbb::2") == "2001:db8:2:3::/64"
    )
    assert neighbourhood("2001:db8:2:4::1") != neighbourhood("2001:db8:2:3::1")
    assert neighbourhood("192.0.2.1") == "192.0.2.1"
    assert neighbourhood("") == ""
