"""The networks by which peers are counted for limits of one address."""

import ipaddress
from contextvars import ContextVar

CLIENT: ContextVar[str | None] = ContextVar("client", default=None)
"""The address of the client whose call is being answered; None for one on this machine's files or in this process.

HTTP and WebSocket set it for calls that take long enough to share what they need among clients.
"""

SITE_BITS = 64
"""Bits of an IPv6 address that its network has; a subscriber may choose the others."""


def source_of(host: str) -> str:
    """An IPv4 address itself, also one mapped into IPv6; an IPv6 address' network of 64 bits; a name itself."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, SITE_BITS), strict=False))


def is_loopback(host: str) -> bool:
    """Whether an address is of this machine alone."""
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = None if isinstance(address, ipaddress.IPv4Address) else address.ipv4_mapped
    return (mapped or address).is_loopback
