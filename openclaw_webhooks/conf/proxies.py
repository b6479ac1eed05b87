"""Parses the addresses of trusted proxies.

Source: contract.md section 3, "Client IP": addresses or CIDR blocks; IPv4-mapped IPv6 counts as IPv4.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TypeAlias

from openclaw_webhooks.conf.problems import Problem, ProblemKind

Network: TypeAlias = IPv4Network | IPv6Network
_MAPPED_PREFIX_BITS = 96


def parse_proxies(
    addresses: Iterable[str], path: str, problems: list[Problem], kind: ProblemKind = ProblemKind.GATEWAY
) -> tuple[Network, ...]:
    """Return the networks; what is none is reported at ``path`` as a problem of this kind, and left out."""
    networks = []
    for address in addresses:
        try:
            networks.append(_unmap(ip_network(address, strict=False)))
        except ValueError:
            message = f"holds {address!r}, which is no IP address or CIDR block"
            problems.append(Problem(path, message, kind))
    return tuple(networks)


def _unmap(network: Network) -> Network:
    if isinstance(network, IPv6Network) and network.prefixlen >= _MAPPED_PREFIX_BITS:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - _MAPPED_PREFIX_BITS))
    return network
