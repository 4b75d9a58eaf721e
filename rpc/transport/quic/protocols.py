"""The ALPN table: every protocol of the QUIC port is a row here."""

from zevm.rpc.dispatch import Dispatcher
from zevm.rpc.services import Services
from zevm.rpc.transport.quic.connection import Protocols
from zevm.rpc.transport.quic.options import QuicPortOptions


def protocols(services: Services, dispatcher: Dispatcher, options: QuicPortOptions) -> Protocols:  # noqa: ARG001
    """ALPN -> who serves it, in the order of preference. `stream_protocol.served_by(handler)` makes a row."""
    return {}
