"""How a run of a WebAssembly contract can be stopped from the host's side.

HostStopError           raised inside a host function, it ends the run of that instance with an outcome
├── OutOfInkError       ink ran out in a host function
├── OutOfPagesError     more memory than the chain's page caps
├── HostTrapError       the host function was called wrongly; as a trap of the code
└── ExitError           the contract ends with a status, as by returning it
"""


class HostStopError(Exception):
    """A host function ends the run of its instance; `chain.zvm.runtime.runtime.run` tells how in its result."""


class OutOfInkError(HostStopError):
    """The ink does not suffice; the rest is consumed."""


class OutOfPagesError(HostStopError):
    """The instance, or its transaction, would have more pages open than the chain allows."""


class HostTrapError(HostStopError):
    """A trap in a host function; the message says what the contract did wrong, and is never seen on chain."""


class ExitError(HostStopError):
    """The contract exits with `status`."""

    def __init__(self, status: int) -> None:
        super().__init__(f"exit with status {status}")
        self.status = status
