"""The networks by which peers are counted for limits of one address."""

import ipaddress

SITE_BITS = 64
"""Bits of an IPv6 address that its network has; a subscriber may choose the others."""


def source_of(host: str) -> str:
    """An IPv4 address itself, also one mapped into IPv6; an IPv6 address' network of 64 bits."""
    address = ipaddress.ip_address(host.partition("%")[0])
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
