"""What the chain refuses, and why. Every message is the text that a client reads.

ChainError
├── TransactionError        a transaction that may not enter the pool or a block
│   └── AuthenticationError     as its signature, nonce or chain id does not fit the sender
├── BlockError              a block that breaks a rule; names the field, what it has and what it should have
├── UnknownBlockError       no such block, or no state for it
├── ExecutionRevertedError  an off-chain execution ended in REVERT; carries the revert data
├── ExecutionFailedError    an off-chain execution halted, or could not begin
├── SimulationError         a block or call of eth_simulateV1 is refused; carries geth's code
├── DrivenChainError        a change that a consensus client alone may make on this chain
├── InvalidRequestError     a development or search request with values that cannot be served
└── GenesisError            a genesis or its fork schedule cannot be used; names the field
"""


class ChainError(Exception):
    """Root of what is expected in normal operation; never a fault of the node or its disk."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class TransactionError(ChainError):
    """A transaction is refused; the message is geth's."""


class AuthenticationError(TransactionError):
    """A transaction does not prove that its sender sends it now: signature, nonce or chain id are wrong."""


class BlockError(ChainError):
    """A block is invalid."""


class UnknownBlockError(ChainError):
    """The block asked for is not known. Geth's text by default: clients retry on it."""

    def __init__(self, message: str = "header not found") -> None:
        super().__init__(message)


class ExecutionRevertedError(ChainError):
    """REVERT in eth_call or eth_estimateGas. `output` is the revert data."""

    def __init__(self, output: bytes) -> None:
        super().__init__("execution reverted")
        self.output = output


class ExecutionFailedError(ChainError):
    """An off-chain execution failed without REVERT; the message is geth's, as "out of gas"."""


class SimulationError(ChainError):
    """A simulated block or call cannot be: the message is geth's, and so is the JSON-RPC `code`."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class DrivenChainError(ChainError):
    """A consensus client drives the chain through the Engine API, and nothing else changes it."""

    def __init__(self) -> None:
        super().__init__(
            "a consensus client drives this chain through the Engine API, and nothing else changes it; "
            "start without --authrpc to make blocks here"
        )


class InvalidRequestError(ChainError):
    """A value that the request may not have, as a timestamp before the parent's."""


class GenesisError(ChainError):
    """A genesis file or its fork schedule is wrong; the message names the field and what it should hold."""
