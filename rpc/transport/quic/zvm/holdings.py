"""The bytes of requests that are held, of each connection and of all."""

from zevm.rpc.limits import Limits
from zevm.rpc.transport.quic.streams import Carrier


class Holdings:
    """Counts what the requests of zvm/1 hold. Used on the event loop only."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held_bytes = 0

    def take(self, connection: Carrier, size: int) -> bool:
        """Count a number of bytes more of a connection, if they may be held."""
        limits = self._limits
        if (
            connection.held_bytes + size > limits.quic_input_bytes
            or self._held_bytes + size > limits.quic_total_input_bytes
        ):
            return False
        connection.held_bytes += size
        self._held_bytes += size
        return True

    def give_back(self, connection: Carrier, size: int) -> None:
        """Count them no more."""
        connection.held_bytes -= size
        self._held_bytes -= size
