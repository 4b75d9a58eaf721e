"""The ALPN table: every protocol of the QUIC port is a row here."""

import math
import time
from dataclasses import dataclass

from zevm.rpc.dispatch.dispatcher import Dispatcher
from zevm.rpc.services import Services
from zevm.rpc.transport.asgi import Endpoint
from zevm.rpc.transport.quic import h3
from zevm.rpc.transport.quic.certificates import Identity
from zevm.rpc.transport.quic.connection import Protocols
from zevm.rpc.transport.quic.h3_memory import Allowance
from zevm.rpc.transport.quic.options import NONCES_NAME, QuicPortOptions
from zevm.rpc.transport.quic.stream_protocol import served_by
from zevm.rpc.transport.quic.zvm import messages
from zevm.rpc.transport.quic.zvm.authentication import Authenticator
from zevm.rpc.transport.quic.zvm.nonces import KeptNonces
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
    application: Endpoint,
) -> Table:
    """The protocols of a port. `stream_protocol.served_by(handler)` makes a row. application: served over HTTP/3.

    Raises QuicError if the file of used nonces cannot be read or written.
    """
    zvm = ZvmService(
        services,
        dispatcher,
        authenticator_of(services, options, identity),
        requires_authentication=options.require_authentication,
    )
    table = {messages.ALPN: served_by(zvm, zvm.begin)}
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


def authenticator_of(services: Services, options: QuicPortOptions, identity: Identity) -> Authenticator:
    """The check of signed requests, with the nonces of earlier processes. Raises QuicError."""
    limits = services.limits
    longest_seconds = limits.quic_authentication_seconds
    # for a key that is as old as the process, nothing can have been signed before
    latest = 0 if identity.is_new else math.ceil(time.time() + longest_seconds)
    folder = options.folder
    return Authenticator(
        services.chain.chain_id,
        identity.server_key_hash,
        nonces=limits.quic_nonces,
        nonces_per_source=limits.quic_nonces_per_address,
        longest_seconds=longest_seconds,
        kept=None if folder is None else KeptNonces(folder / NONCES_NAME, limits.quic_nonces, latest),
        least_expiry=latest,
    )
