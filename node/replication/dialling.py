"""The way to a leader, by the settings."""

from zevm.node.extras import of_extra
from zevm.node.replication.stream import Dial
from zevm.node.settings import NodeSettings


def dial_of(settings: NodeSettings) -> Dial | None:
    """How this node reaches its leader; None if it follows none. Raises MissingExtraError without the extra `quic`."""
    if settings.follow is None:
        return None
    with of_extra("quic", "--follow"):
        from zevm.node.replication.quic import quic_dial
    folder = None if settings.memory else settings.datadir
    classical = settings.quic_allow_classical
    return quic_dial(settings.follow, settings.follow_ca, folder, allow_classical=classical)
