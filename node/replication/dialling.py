"""The way to a leader."""

from zevm.node.replication.stream import Dial
from zevm.node.settings import NodeSettings


def dial_of(settings: NodeSettings) -> Dial | None:
    """How this node reaches its leader; None if it follows none."""
    return None
