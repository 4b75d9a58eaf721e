"""The ALPN table: every protocol of the QUIC port is a row here."""

from dataclasses import dataclass

from zevm.rpc.dispatch import Dispatcher
from zevm.rpc.services import Services
from zevm.rpc.transport.quic import h3
from zevm.rpc.transport.quic.certificates import Identity
from zevm.rpc.transport.quic.connection import Protocols
from zevm.rpc.transport.quic.h3_memory import Allowance
from zevm.rpc.transport.quic.options import QuicPortOptions
from zevm.rpc.transport.quic.stream_protocol import served_by
from zevm.rpc.transport.quic.zvm import messages
from zevm.rpc.transport.quic.zvm.service import ZvmService
from zevm.rpc.transport.quic.zvm.statistics import Statistics

REPLICATION = "zvm-sync/1"
"""Followers of this node's chain (node.replication)."""


@dataclass(frozen=True, slots=True)
class Table:
    """ALPN -> who serves it, in the order of preference; and what the metrics read."""

    protocols: Protocols
    executions: Statistics


def table_of(
    services: Services,
    dispatcher: Dispatcher,
    options: QuicPortOptions,
    identity: Identity,
    application: h3.Application,
) -> Table:
    """The protocols of a port. `stream_protocol.served_by(handler)` makes a row. application: served over HTTP/3."""
    zvm = ZvmService(
        services,
        dispatcher,
        identity.server_key_hash,
        requires_authentication=options.require_authentication,
    )
    table = {messages.ALPN: served_by(zvm)}
    if not options.require_authentication:
        # a request over HTTP/3 has no signature
        limits = services.limits
        allowance = Allowance(limits.quic_input_bytes, limits.quic_output_bytes, services.budgets.output)
        table[h3.ALPN] = h3.served_by_application(
            application, body_seconds=limits.quic_body_seconds, allowance=allowance
        )
    if services.serve_replica is not None:
        table[REPLICATION] = served_by(services.serve_replica)
    return Table(table, zvm.statistics)
