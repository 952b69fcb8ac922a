"""Who asks, by address."""

from __future__ import annotations

import ipaddress
from collections.abc import MutableMapping
from typing import Any


def is_here(host: str) -> bool:
    """Whether only this machine can reach an address.

    >>> [is_here(host) for host in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "", "music.example")]
    [True, True, True, False, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def address_of(scope: MutableMapping[str, Any]) -> str:
    """Who asks; of an IPv6 address the network, because a household has 2 to the 64 of them.

    >>> [address_of({"client": (host, 1)}) for host in ("192.0.2.7", "2001:db8::1", "::ffff:192.0.2.7")]
    ['192.0.2.7', '2001:db8::/64', '192.0.2.7']
    >>> address_of({})
    ''
    """
    host = (scope.get("client") or ("",))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:  # of a socket that takes both kinds
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((host, 64), strict=False))
