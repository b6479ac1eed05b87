"""The address that a request is counted under: the peer's, or the one that a trusted proxy vouches for.

Source: contract.md section 3 ("Client IP"); the Gateway's ``gateway.trustedProxies`` and ``allowRealIpFallback``, asked
over HTTP. It is as lenient about ports, and counts one link-local address with and without a zone apart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final, TypeAlias

from openclaw_webhooks.guards.head import RequestHead
from openclaw_webhooks.secrets.comparison import is_same_secret

IPAddress: TypeAlias = IPv4Address | IPv6Address
IPNetwork: TypeAlias = IPv4Network | IPv6Network

UNIX_PEER: Final = "unix"
"""What every peer on a unix socket is counted under: it has no address, and vouches for none."""

UNKNOWN_PEER: Final = "unknown"
"""What a peer is counted under whose address the server could not tell any more: it is no peer on a unix socket."""

CLIENT_HEADER: Final = "x-openclaw-webhooks-client"
HOST_HEADER: Final = "x-openclaw-webhooks-host"
"""The headers by which a hosting Gateway tells who its caller is, and that it is that Gateway."""

_WITH_PORT = re.compile(r"(?:\[(?P<bracketed>[^\]]+)\](?::\d*)?|(?P<dotted>[\d.]+):\d*)\Z", re.ASCII)
_LONGEST_ADDRESS: Final = 80
"""Longer than any address with brackets, zone and port; what is longer is not even looked at."""


def client_address(head: RequestHead, *, trusted_proxies: Sequence[IPNetwork], allow_real_ip_fallback: bool) -> str:
    """Tell whose request this is, as canonical text. Never fails, whatever the headers hold.

    Args:
        head: The request. Its headers count only where its peer is a trusted proxy.
        trusted_proxies: ``gateway.trustedProxies``.
        allow_real_ip_fallback: Whether ``X-Real-IP`` counts where ``X-Forwarded-For`` names nobody.

    Returns:
        The right-most address of ``X-Forwarded-For`` that is no trusted proxy (loopback hops and entries that are no
        address are skipped), else ``X-Real-IP`` where allowed, else the peer; ``"unix"`` for a unix socket.
    """
    peer = head.peer
    if not peer:
        return UNIX_PEER
    address, text = _parse_peer(peer)
    if not trusted_proxies or address is None or not _is_in(address, trusted_proxies):
        return text
    client = _forwarded_for(head, trusted_proxies)
    if client is None and allow_real_ip_fallback:
        client = parse_address(head.headers.get("x-real-ip", ""))
    return text if client is None else str(client)


def find_peer(client: Sequence[Any] | None, server: Sequence[Any] | None) -> str | None:
    """Return the peer's address out of what an ASGI scope says of both ends of its connection.

    Args:
        client: The scope's ``client``. There is none on a unix socket, and over TCP where the peer is gone.
        server: The scope's ``server``. Only over TCP does it end in a port: servers tell a unix socket by its path and
            ``None``, by nothing at all, or (gunicorn's own ASGI worker) by two characters of its path.

    Returns:
        ``None`` for a unix socket, ``UNKNOWN_PEER`` for a peer that is gone.
    """
    if client and client[0]:
        return str(client[0])
    return UNKNOWN_PEER if server and isinstance(server[1], int) else None


def is_trusted_peer(peer: str | None, trusted_proxies: Sequence[IPNetwork]) -> bool:
    """Tell whether a connection may carry many clients: a trusted proxy's, or one over a unix socket (``None``)."""
    if not peer:
        return True
    address, _ = _parse_peer(peer)
    return address is not None and _is_in(address, trusted_proxies)


def peer_behind_host(head: RequestHead, host_token: str) -> RequestHead:
    """Return the request as the hosting Gateway received it: from its caller, not from the Gateway.

    Believed only with the token that the Gateway has handed to this process; without it the headers are nothing.
    """
    presented = head.headers.get(HOST_HEADER, "")
    if not host_token or not is_same_secret(presented, host_token):
        return head
    # Not ``replace``, which takes five times as long.
    return RequestHead(head.method, head.headers, peer=head.headers.get(CLIENT_HEADER) or UNKNOWN_PEER)


def parse_address(text: str) -> IPAddress | None:
    """Read an address as proxies write it: perhaps with a port, brackets or a zone, or IPv4 inside IPv6."""
    text = text.strip()
    return _parse(text) if len(text) <= _LONGEST_ADDRESS else None


@lru_cache(maxsize=1024)
def _parse(text: str) -> IPAddress | None:
    if match := _WITH_PORT.match(text):
        text = match["bracketed"] or match["dotted"]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


@lru_cache(maxsize=1024)
def _parse_peer(peer: str) -> tuple[IPAddress | None, str]:
    # A peer that is no address is a name that the server gave it: it is kept as it is.
    address = parse_address(peer)
    return address, peer if address is None else str(address)


def _forwarded_for(head: RequestHead, trusted_proxies: Sequence[IPNetwork]) -> IPAddress | None:
    hops = head.headers.get("x-forwarded-for", "")
    for hop in reversed(hops.split(",")):
        address = parse_address(hop)
        if address is not None and not address.is_loopback and not _is_in(address, trusted_proxies):
            return address
    return None


def _is_in(address: IPAddress, networks: Sequence[IPNetwork]) -> bool:
    return any(address in network for network in networks)
