"""The chain's refusals and their reasons. Every message is the text that a client reads.

ChainError
├── TransactionError        a transaction that may not enter the pool or a block; carries its Reason
├── BlockError              a block that breaks a rule; carries its Reason, and names the field, what it has and wants
├── UnknownBlockError       no such block, or no state for it
│   └── PrunedHistoryError      the block's content and state were pruned
├── ReplayError             a block cannot be executed once more, or not as far as was asked
├── ExecutionRevertedError  an off-chain execution ended in REVERT; carries the revert data
├── ExecutionFailedError    an off-chain execution halted, or could not begin
├── SimulationError         a block or call of a simulation is refused; carries its Reason
├── ExternalConsensusError  a change that a consensus client alone may make on this chain
├── FollowedChainError      a change that the leader alone may make, whose chain this node follows
├── InvalidRequestError     a development or search request with values that cannot be served
│   ├── EqualTimestampsError    an interval between blocks of no seconds
│   ├── StatesNotKeptError      the way back is closed, as the states there are not kept
│   ├── BlockOverrideError      a call overrides a field of the block that no code sees
│   └── MovedPrecompileError    a precompile is moved where that cannot be served
└── GenesisError            a genesis or its fork schedule cannot be used; names the field
NodeFaultError  this node cannot run the code: never an outcome, it goes through every open frame

To distinguish refusals, compare the reason or the class. The text is for people and says what is wrong; what to do
about it is added by rpc.errors.HINTS and node.hints, as only those packages know commands, flags and methods.
"""

from enum import Enum, unique


@unique
class Reason(Enum):
    """Reason for refusing a transaction, a block or a simulation. The value is geth's text if geth has one.

    Geth's: core/error.go, core/txpool/errors.go, consensus/errors.go, core/types/transaction.go.
    """

    # a transaction, in the pool or in a block
    TYPE_NOT_SUPPORTED = "transaction type not supported"
    CHAIN_ID_MISMATCH = "invalid chain id for signer"
    INVALID_SENDER = "invalid sender"
    NONCE_TOO_LOW = "nonce too low"
    NONCE_TOO_HIGH = "nonce too high"
    NONCE_AT_MAXIMUM = "nonce has max value"
    GAS_OVERFLOW = "gas uint64 overflow"
    WEI_OVERFLOW = "value, fee cap and blob fee cap are limited to 256 bits"
    GAS_LIMIT_ABOVE_CAP = "transaction gas limit too high"
    GAS_LIMIT_REACHED = "gas limit reached"
    INTRINSIC_GAS = "intrinsic gas too low"
    FLOOR_DATA_GAS = "insufficient gas for floor data gas cost"
    TIP_ABOVE_FEE_CAP = "max priority fee per gas higher than max fee per gas"
    FEE_CAP_BELOW_BASE_FEE = "max fee per gas less than block base fee"
    INSUFFICIENT_FUNDS = "insufficient funds for gas * price + value"
    INSUFFICIENT_FUNDS_FOR_TRANSFER = "insufficient funds for transfer"
    SENDER_NOT_EOA = "sender not an eoa"
    INIT_CODE_SIZE = "max initcode size exceeded"
    AUTHORIZATION_CREATION = "EIP-7702 transaction cannot be used to create contract"
    AUTHORIZATIONS_MISSING = "EIP-7702 transaction with empty auth list"

    # its blobs
    BLOB_CREATION = "blob transaction of type create"
    BLOB_HASHES_MISSING = "blob transaction missing blob hashes"
    BLOB_HASH_VERSION = "blob has invalid hash version"
    BLOB_COUNT = "blob transaction has too many blobs"
    BLOB_GAS_LIMIT_REACHED = "blob gas limit reached"
    BLOB_FEE_CAP_BELOW_BASE_FEE = "max fee per blob gas less than block blob gas fee"
    BLOB_INVALID = "invalid blob"
    BLOB_PROOF_INVALID = "KZG verification error"
    SIDECAR_MISSING = "missing sidecar in blob transaction"
    SIDECAR_VERSION = "unexpected sidecar version"
    SIDECAR_COUNT = "invalid number of blobs, commitments or proofs"
    SIDECAR_HASH_MISMATCH = "computed hash mismatches transaction one"

    # a transaction, in the pool
    ALREADY_KNOWN = "already known"
    OVERSIZED_DATA = "oversized data"
    GAS_LIMIT_ABOVE_BLOCK = "exceeds block gas limit"
    PRICE_BELOW_MINIMUM = "transaction gas price below minimum"
    UNDERPRICED = "transaction underpriced"
    REPLACEMENT_UNDERPRICED = "replacement transaction underpriced"
    POOL_FULL = "txpool is full"
    ACCOUNT_LIMIT_EXCEEDED = "account limit exceeded"
    ADDRESS_RESERVED = "address already reserved"
    AUTHORITY_RESERVED = "authority already reserved"
    DELEGATED_NONCE_GAP = "gapped-nonce tx from delegated accounts"
    DELEGATED_IN_FLIGHT = "in-flight transaction limit reached for delegated accounts"

    # a block; one with a transaction that may not be in it has that transaction's reason
    HEADER_FIELD_MISMATCH = "a header field differs from the value that parent, body or execution give it"
    TIMESTAMP_BEFORE_PARENT = "timestamp is before its parent's"
    TIMESTAMP_OF_PARENT = "timestamp is not after its parent's"
    EXTRA_DATA_SIZE = "extra data too long"
    GAS_LIMIT_OUT_OF_RANGE = "invalid gasLimit"
    GAS_LIMIT_LEAP = "invalid gas limit"
    GAS_USED_ABOVE_LIMIT = "invalid gasUsed"
    BEACON_ROOT_MISSING = "parent beacon block root is missing"
    UNCLES_AFTER_MERGE = "uncles are not allowed after the merge"
    UNCLE_COUNT = "too many uncles"
    UNCLE_IS_ANCESTOR = "uncle is ancestor"
    UNCLE_NAMED_TWICE = "duplicate uncle"
    UNCLE_PARENT = "uncle's parent is not ancestor"
    WITHDRAWALS_PRESENCE = "withdrawals must be present from Shanghai on, and only then"
    SIDECAR_IN_BLOCK = "unexpected blob sidecar"
    BLOCK_SIZE = "RLP size exceeds the limit"
    UNSIGNED_TRANSACTION = "transaction has no signature"
    SYSTEM_CONTRACT_MISSING = "system contract has no code"
    SYSTEM_CALL_FAILED = "system call failed to execute"
    DEPOSIT_MALFORMED = "deposit event malformed"
    FIELD_OUT_OF_RANGE = "a header field is out of Ethereum's range"

    # a simulation; one with a call that cannot begin has that transaction's reason
    SIMULATION_EMPTY = "empty input"
    SIMULATION_BLOCK_COUNT = "too many blocks"
    SIMULATION_CALL_COUNT = "too many calls"
    SIMULATION_BLOCK_NUMBERS = "block numbers must be in order"
    SIMULATION_TIMESTAMPS = "block timestamps must be in order"
    SIMULATION_BLOCK_GAS = "block gas limit reached"
    SIMULATION_GAS_CAP = "RPC gas cap exhausted"


GAS_SHORTAGES = frozenset({Reason.INTRINSIC_GAS, Reason.FLOOR_DATA_GAS})
"""More gas would mend them."""

AUTHENTICATION_FAILURES = frozenset(
    {Reason.CHAIN_ID_MISMATCH, Reason.INVALID_SENDER, Reason.NONCE_TOO_LOW, Reason.NONCE_TOO_HIGH}
)
"""The transaction does not prove that its sender sends it now."""


class Notice(Enum):
    """Warnings in the chain's log that the operator can do something about: `notice` of the log's record."""

    CLOCK_RUNS_AHEAD = "blocks come quicker than their timestamps rise"
    REORG_LIMIT = "a fork choice goes back too far"


class ChainError(Exception):
    """Root of what is expected in normal operation; never a fault of the node or its disk."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class RefusalError(ChainError):
    """A refusal with a reason, which is what code asks for; the message is the text for people."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class TransactionError(RefusalError):
    """A transaction is refused; the message is geth's."""


class BlockError(RefusalError):
    """A block is invalid."""


class UnknownBlockError(ChainError):
    """The block asked for is not known. Geth's text by default: clients retry on it."""

    def __init__(self, message: str = "header not found") -> None:
        super().__init__(message)


class PrunedHistoryError(UnknownBlockError):
    """A part of an old block that the chain no longer keeps is asked for; the text is geth's (core/history)."""

    def __init__(self) -> None:
        super().__init__("pruned history unavailable")


class ReplayError(ChainError):
    """A block cannot be executed once more, or not as far as was asked; the message is geth's tracers'."""


class ExecutionRevertedError(ChainError):
    """REVERT in eth_call or eth_estimateGas. `output` is the revert data."""

    def __init__(self, output: bytes) -> None:
        super().__init__("execution reverted")
        self.output = output


class ExecutionFailedError(ChainError):
    """An off-chain execution failed without REVERT; the message is geth's, as "out of gas"."""


class SimulationError(RefusalError):
    """A simulated block or call cannot be; the message is geth's."""


class ExternalConsensusError(ChainError):
    """A consensus client drives the chain through the Engine API, and nothing else changes it."""

    def __init__(self) -> None:
        super().__init__("a consensus client drives this chain through the Engine API, and nothing else changes it")


class FollowedChainError(ChainError):
    """This chain follows another node's, its leader's, which alone changes it."""

    def __init__(self, leader: str) -> None:
        super().__init__(f"this node follows {leader} and makes no changes of its own: send the request to the leader")
        self.leader = leader


class InvalidRequestError(ChainError):
    """A value that the request may not have, as a timestamp before the parent's."""


class InvalidNameError(InvalidRequestError):
    """A text that is no name of the name service."""


class EqualTimestampsError(InvalidRequestError):
    """An interval between blocks that gives them equal timestamps, on a chain whose blocks have later ones each."""


class StatesNotKeptError(InvalidRequestError):
    """The chain cannot go back to blocks whose states are not kept: they came from a state file, or were pruned."""


class BlockOverrideError(InvalidRequestError):
    """`field` of the block cannot be overridden for a call, as no code sees it."""

    def __init__(self, field: str) -> None:
        super().__init__(f"{field.replace('_', ' ')} cannot be overridden for a call")
        self.field = field


class MovedPrecompileError(InvalidRequestError):
    """A precompile is to be moved where that cannot be served."""


class GenesisError(ChainError):
    """A genesis file or its fork schedule is wrong; the message names the field and what it should hold."""


class NodeFaultError(Exception):
    """The node failed, not the contract: native stack, instance slots, compiler or installation.

    No block may be built or judged on it. The message names what ran out and its limit.
    """


class EngineDifferenceError(NodeFaultError):
    """The two engines of the check mode do not agree on a message, or the core and Python on a function.

    The text names the file that replays the message, or the function.
    """
