"""Which addresses a webhook may be sent to: public ones, after the name was resolved.

The connection is then made to the address that was checked. A name that is resolved again, as by
every usual client, may have another address by then.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

#: Prefixes of NAT64, whose addresses have an IPv4 address in their last bits (RFC 6052, RFC 8215).
_NAT64 = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48")))
#: All that IPv6 routes between networks.
_UNICAST = ipaddress.IPv6Network("2000::/3")
#: What looks public in some versions of Python, and is not (IANA's registries, read 2026-11); and
#: the address at which Azure answers by itself.
_SPECIAL = tuple(
    map(
        ipaddress.ip_network,
        ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "2001::/23", "3fff::/20"),
    )
)


class Refused(Exception):
    """The host has an address that is not public."""


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet, and so are those inside it."""
    if isinstance(address, ipaddress.IPv6Address):
        inside = _ipv4_inside(address)
        if inside:
            return all(map(is_public, inside))
        if address not in _UNICAST:
            return False
    is_special = any(address in network for network in _SPECIAL)
    return address.is_global and not address.is_multicast and not is_special


def _ipv4_inside(address: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """The IPv4 addresses that a gateway would turn an address into."""
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in _NAT64):
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    return [ipv4 for ipv4 in found if ipv4 is not None]


def resolve(host: str, port: int, *, allow_private: bool) -> Sequence[str]:
    """The addresses of a host, each checked.

    Raises:
        Refused: one of them is not public.
        OSError: the host has none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    texts = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not allow_private:
        for text in texts:
            # A link-local address may name an interface: fe80::1%eth0.
            if not is_public(ipaddress.ip_address(text.partition("%")[0])):
                raise Refused(f"{text} is not a public address")
    return texts
