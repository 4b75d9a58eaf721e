"""The ALPN table: every protocol of the QUIC port is a row here."""

from zevm.rpc.dispatch import Dispatcher
from zevm.rpc.services import Services
from zevm.rpc.transport.quic.connection import ProtocolFactory, Protocols
from zevm.rpc.transport.quic.options import QuicPortOptions
from zevm.rpc.transport.quic.stream_protocol import served_by

REPLICATION = "zvm-sync/1"
"""Followers of this node's chain (node.replication)."""


def protocols(services: Services, dispatcher: Dispatcher, options: QuicPortOptions) -> Protocols:  # noqa: ARG001
    """ALPN -> who serves it, in the order of preference. `stream_protocol.served_by(handler)` makes a row."""
    table: dict[str, ProtocolFactory] = {}
    if services.serve_replica is not None:
        table[REPLICATION] = served_by(services.serve_replica)
    return table
