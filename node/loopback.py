"""Which hosts are this computer alone; what asks for it imports neither keys nor blocks."""

from ipaddress import ip_address

from zevm.rpc.transport.guard import LOOPBACK_NAMES


def is_loopback(host: str) -> bool:
    """Whether only this computer can reach a host."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() in LOOPBACK_NAMES
