from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_webhooks.guards.client_address import (
    client_address,
    find_peer,
    is_trusted_peer,
    parse_address,
    peer_behind_host,
)
from openclaw_webhooks.guards.head import RequestHead

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("127.0.0.1/32"), ip_network("fd00::/8")]
PROXY = "10.0.0.1"


def head(peer: str | None = PROXY, **headers: str) -> RequestHead:
    return RequestHead(
        method="POST", headers={name.replace("_", "-"): value for name, value in headers.items()}, peer=peer
    )


def address_of(request: RequestHead, *, real_ip: bool = False) -> str:
    return client_address(request, trusted_proxies=TRUSTED, allow_real_ip_fallback=real_ip)


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("testclient", "testclient"),
        (None, "unix"),
        ("", "unix"),
    ],
)
def test_the_peer_is_the_client_in_canonical_form(peer: str | None, client: str) -> None:
    assert address_of(head(peer)) == client


@pytest.mark.parametrize("peer", ["192.0.2.1", "::1", "testclient", None])
def test_headers_of_a_peer_that_is_no_trusted_proxy_are_ignored(peer: str | None) -> None:
    forged = head(peer, x_forwarded_for="203.0.113.9", x_real_ip="203.0.113.9")
    assert address_of(forged, real_ip=True) == (peer or "unix")


def test_without_trusted_proxies_no_header_counts() -> None:
    forged = head(x_forwarded_for="203.0.113.9", x_real_ip="203.0.113.9")
    assert client_address(forged, trusted_proxies=[], allow_real_ip_fallback=True) == PROXY


@pytest.mark.parametrize("peer", ["10.0.0.1", "::ffff:10.0.0.1", "127.0.0.1", "fd00::1", "fd00::1%eth0"])
def test_a_trusted_proxy_is_believed(peer: str) -> None:
    assert address_of(head(peer, x_forwarded_for="203.0.113.9")) == "203.0.113.9"


@pytest.mark.parametrize(
    ("hops", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9, 10.1.1.1,10.2.2.2", "203.0.113.9"),
        ("203.0.113.9, 127.0.0.1, ::1, 127.8.8.8, ::ffff:127.0.0.1", "203.0.113.9"),
        ("203.0.113.9, unknown, , _hidden, 999.1.1.1, 1.2.3", "203.0.113.9"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("203.0.113.9:", "203.0.113.9"),
        ("203.0.113.9:999999", "203.0.113.9"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("[::ffff:203.0.113.9]:80", "203.0.113.9"),
        ("fe80::1%eth0", "fe80::1"),
        ("10.1.1.1, 127.0.0.1", PROXY),
        ("garbage", PROXY),
        ("", PROXY),
    ],
)
def test_the_right_most_untrusted_address_is_the_client(hops: str, client: str) -> None:
    assert address_of(head(x_forwarded_for=hops)) == client


def test_the_real_ip_counts_only_with_the_fallback_and_where_nobody_was_forwarded_for() -> None:
    assert address_of(head(x_real_ip="203.0.113.9")) == PROXY
    assert address_of(head(x_real_ip="203.0.113.9"), real_ip=True) == "203.0.113.9"
    assert address_of(head(x_real_ip="[::ffff:203.0.113.9]:1"), real_ip=True) == "203.0.113.9"
    assert address_of(head(x_real_ip="nobody"), real_ip=True) == PROXY
    both = head(x_real_ip="203.0.113.9", x_forwarded_for="198.51.100.1")
    assert address_of(both, real_ip=True) == "198.51.100.1"
    skipped = head(x_real_ip="203.0.113.9", x_forwarded_for="127.0.0.1, 10.9.9.9")
    assert address_of(skipped, real_ip=True) == "203.0.113.9"


@pytest.mark.parametrize(
    "text",
    ["", "1.2.3.4:x", "[1.2.3.4", "::1]:80", "1.2.3.04", "\u0661.2.3.4", "1" * 10_000],
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert parse_address(text) is None


@given(value=st.ip_addresses(), port=st.none() | st.integers(min_value=0, max_value=65535))
def test_every_address_is_read_back_with_and_without_a_port(value: object, port: int | None) -> None:
    plain = ip_address(str(value))
    bracketed = f"[{value}]" if plain.version == 6 else str(value)
    parsed = parse_address(str(value) if port is None else f"{bracketed}:{port}")
    mapped = plain.ipv4_mapped if plain.version == 6 else None
    assert parsed == (mapped or plain)


HEADER = st.binary(max_size=120).map(lambda value: value.decode("latin-1"))
HOSTILE = st.text(alphabet="0123456789abcf.:[]%, \t", max_size=60) | HEADER


@given(forwarded=HOSTILE, real_ip=HOSTILE, peer=st.sampled_from([PROXY, "127.0.0.1", "fd00::1"]))
def test_no_header_makes_it_fail_or_gives_another_thing_than_an_address(
    forwarded: str, real_ip: str, peer: str
) -> None:
    client = address_of(head(peer, x_forwarded_for=forwarded, x_real_ip=real_ip), real_ip=True)
    assert str(ip_address(client)) == client


@given(forwarded=HOSTILE, real_ip=HOSTILE, peer=st.text(max_size=30) | st.sampled_from(["192.0.2.7", "::1"]))
def test_no_forged_header_changes_the_address_of_an_untrusted_peer(forwarded: str, real_ip: str, peer: str) -> None:
    forged = head(peer, x_forwarded_for=forwarded, x_real_ip=real_ip)
    assert address_of(forged, real_ip=True) == address_of(head(peer))


def test_a_gateway_that_names_no_caller_did_not_serve_a_unix_socket() -> None:
    behind = peer_behind_host(head(None, x_openclaw_webhooks_host="token"), "token")
    assert address_of(behind) == "unknown"


@pytest.mark.parametrize(
    ("client", "server", "peer"),
    [
        (("192.0.2.1", 4711), ("127.0.0.1", 8787), "192.0.2.1"),
        (None, ("127.0.0.1", 8787), "unknown"),
        (("", 0), ("::1", 8787), "unknown"),
        (None, ("/run/webhooks.sock", None), None),
        (("", 0), ("/run/webhooks.sock", None), None),
        (None, ("/", "r"), None),
        (None, None, None),
    ],
)
def test_only_a_unix_socket_has_peers_without_a_name(
    client: tuple[str, int] | None, server: tuple[str, int | str | None] | None, peer: str | None
) -> None:
    assert find_peer(client, server) == peer


@pytest.mark.parametrize(
    ("peer", "is_trusted"), [(None, True), ("10.0.0.1", True), ("192.0.2.1", False), ("testclient", False)]
)
def test_who_stands_for_many_clients(peer: str | None, is_trusted: bool) -> None:
    assert is_trusted_peer(peer, TRUSTED) is is_trusted
