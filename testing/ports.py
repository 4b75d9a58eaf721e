"""Ports that nothing listens on now."""

import socket


def free_ports(count: int) -> list[int]:
    """Different TCP ports of 127.0.0.1, which another program may take before they are used."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
