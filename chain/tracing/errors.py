"""Why a trace cannot be had."""

from zevm.chain.errors import ChainError


class TraceError(ChainError):
    """A trace is refused or came to nothing; the message is geth's where geth has one."""


class TraceMemoryError(TraceError):
    """All traces under way together take as much as they may."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"limit exceeded: the running traces together take {limit} bytes")


class TraceSizeError(TraceError):
    """A trace grew past what the node keeps in memory for one."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"trace larger than {limit} bytes")
