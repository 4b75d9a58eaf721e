"""JSON-RPC errors and their codes: geth's, since clients match on code and text.

RpcError
├── ParseError              -32700  the body is not JSON
├── InvalidRequestError     -32600  JSON, but not a request; an empty or oversized batch
├── MethodNotFoundError     -32601  no such method, or none over this transport
├── InvalidParamsError      -32602  a parameter is missing, superfluous or ill-formed
├── InternalError           -32603  a fault of the node; never for anything deterministic (clients retry it)
├── ServerError             -32000  everything that a valid request can meet: pool refusals, halts, look-ups
│   ├── RefusedError        -32000  a refused transaction or block; carries the reason
│   └── ChainIdError        -32000  a transaction for another chain
├── TimedOutError           -32002  the batch or the request took too long
├── ResponseTooLargeError   -32003  the answer passes the size cap
├── TransactionFailedError  -32003  a sent transaction failed, where the node throws on that, as Hardhat's
├── LimitExceededError      -32005  too many executions, filters or subscriptions at once (clients retry it)
├── CompilationFailedError  -32050  a source does not compile; data has the compiler's text
├── CodedError            any    what has a code of its own: of eth_simulateV1 -38010 to -38026, as geth's; a leader's;
│                                4444 for pruned history
├── RevertedError               3   REVERT; data is the revert data as a hex string
├── ReceiptTimeoutError         4   eth_sendRawTransactionSync gave up waiting; data is the hash
└── EngineRpcError          -38001 to -38006, -32602: refusals of the Engine API; data is {"err": what was wrong}

`translate` turns what chain and storage raise into one of these.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum

from zevm.analysis.verification.errors import Failure
from zevm.chain import errors as chain_errors
from zevm.chain.concurrency.deadline import ExecutionTimeoutError
from zevm.chain.engine import errors as engine
from zevm.chain.engine.errors import EngineError
from zevm.chain.errors import (
    BlockOverrideError,
    ChainError,
    ExecutionRevertedError,
    PrunedHistoryError,
    Reason,
    RefusalError,
    SimulationError,
)
from zevm.chain.tracing.errors import TraceMemoryError, TraceSizeError
from zevm.contracts import errors as build_errors
from zevm.storage.errors import (
    CorruptionError,
    MissingNodeError,
    NodesNotKeptError,
    OriginError,
    StorageError,
    StorageProblem,
)
from zevm.storage.primitives import Hash32
from zevm.storage.rlp import RlpError

CLIENT_LIMIT_EXCEEDED = -38026
"""Geth's code for a request with more parts than one may have."""

PRUNED_HISTORY = 4444
"""Geth's code for what a pruned chain no longer has (core/history)."""

MESSAGE_CHARACTERS = 4_096
"""Maximum length of an error's text; a longer one is cut."""


def bounded(message: str) -> str:
    """The text of an error, cut to the maximum length."""
    if len(message) <= MESSAGE_CHARACTERS:
        return message
    return f"{message[:MESSAGE_CHARACTERS]}... ({len(message)} characters)"


class RpcError(Exception):
    """An error as a client sees it. The answer has no `data` if it is None."""

    code: int = -32000

    def __init__(self, message: str, data: object | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.data = data

    def to_json(self) -> dict[str, object]:
        """The `error` member of a response."""
        body: dict[str, object] = {"code": self.code, "message": bounded(self.message)}
        if self.data is not None:
            body["data"] = self.data
        return body


class ParseError(RpcError):
    """The body is not JSON."""

    code = -32700

    def __init__(self, message: str = "parse error") -> None:
        super().__init__(message)


class InvalidRequestError(RpcError):
    """JSON that is not a JSON-RPC 2.0 request."""

    code = -32600

    def __init__(self, message: str = "invalid request") -> None:
        super().__init__(message)


class MethodNotFoundError(RpcError):
    """Clients match on this code and on "the method .* does not exist"."""

    code = -32601

    @classmethod
    def of(cls, name: str, meant: str | None = None) -> "MethodNotFoundError":
        """The error for an unknown method `name`; `meant`: the most similar name, given in the data."""
        data = None if meant is None else f"did you mean {meant}?"
        return cls(f"the method {name} does not exist/is not available", data)


class InvalidParamsError(RpcError):
    """A parameter is missing, superfluous or ill-formed."""

    code = -32602


class InternalError(RpcError):
    """A fault of the node. Made by rpc.error_translation alone."""

    code = -32603


class ServerError(RpcError):
    """Failures of a well-formed request: refused transactions, halted executions, failed look-ups."""

    code = -32000


class RefusedError(ServerError):
    """A transaction or a block is refused. `reason` is for the node's log."""

    def __init__(self, error: RefusalError) -> None:
        super().__init__(told(error))
        self.reason = error.reason


class ChainIdError(ServerError):
    """A transaction names another chain."""


class TimedOutError(RpcError):
    """The time for the whole request ran out before this call began."""

    code = -32002

    def __init__(self, message: str = "request timed out") -> None:
        super().__init__(message)


class ResponseTooLargeError(RpcError):
    """The answer is bigger than the cap."""

    code = -32003

    def __init__(self, message: str = "response too large") -> None:
        super().__init__(message)


class LimitExceededError(RpcError):
    """A bounded resource is exhausted for now; a retry may succeed."""

    code = -32005


class CompilationFailedError(RpcError):
    """A source does not compile, or not within its limits. `data` is {error, reason, output}, with the whole text."""

    code = -32050

    def __init__(self, output: str, *, timed_out: bool) -> None:
        reason = "timeout" if timed_out else "compiler"
        super().__init__(output, {"error": "CompilationFailed", "reason": reason, "output": output})


class CodedError(RpcError):
    """An error with its own code, such as an invalid block or call of eth_simulateV1."""

    def __init__(self, code: int, message: str, data: object | None = None) -> None:
        super().__init__(message, data)
        self.code = code


class RevertedError(RpcError):
    """An execution ended with REVERT. `data` is its output in hex, which ethers, viem and web3.py decode."""

    code = 3

    def __init__(self, output: bytes, reason: str | None = None) -> None:
        super().__init__(
            "execution reverted" if reason is None else f"execution reverted: {reason}", "0x" + output.hex()
        )


class ReceiptTimeoutError(RpcError):
    """The transaction was accepted, but no receipt came in time. `data` is the transaction's hash."""

    code = 4

    def __init__(self, transaction_hash: Hash32, message: str) -> None:
        super().__init__(message, "0x" + transaction_hash.hex())


class TransactionFailedError(RpcError):
    """A mined transaction failed, reported to its sender as Hardhat's node does. `data` has Hardhat's format."""

    code = -32003

    def __init__(self, message: str, transaction_hash: Hash32, output: bytes) -> None:
        super().__init__(
            message, {"message": bounded(message), "txHash": "0x" + transaction_hash.hex(), "data": "0x" + output.hex()}
        )


@contextmanager
def refusals_as_parameters() -> Iterator[None]:
    """Report a value that the chain refuses as an invalid parameter."""
    try:
        yield
    except chain_errors.InvalidRequestError as error:
        raise InvalidParamsError(told(error)) from error


class EngineRpcError(RpcError):
    """A refusal of the Engine API: the specification's code and text, and the reason in the data."""

    def __init__(self, error: EngineError) -> None:
        code, message = ENGINE_ERRORS[type(error)]
        super().__init__(message, {"err": error.message})
        self.code = code


ENGINE_ERRORS: dict[type[EngineError], tuple[int, str]] = {
    engine.InvalidParametersError: (-32602, "Invalid parameters"),
    engine.UnknownPayloadError: (-38001, "Unknown payload"),
    engine.InvalidForkchoiceError: (-38002, "Invalid forkchoice state"),
    engine.InvalidAttributesError: (-38003, "Invalid payload attributes"),
    engine.TooLargeRequestError: (-38004, "Too large request"),
    engine.UnsupportedForkError: (-38005, "Unsupported fork"),
    engine.TooDeepReorgError: (-38006, "Too deep reorg"),
}
"""Code and text of each refusal (execution-apis, src/engine/common.md; the texts are geth's)."""

SIMULATION_CODES: dict[Reason, int] = {
    Reason.SIMULATION_EMPTY: -32602,
    Reason.SIMULATION_BLOCK_COUNT: CLIENT_LIMIT_EXCEEDED,
    Reason.SIMULATION_CALL_COUNT: CLIENT_LIMIT_EXCEEDED,
    Reason.SIMULATION_BLOCK_NUMBERS: -38020,
    Reason.SIMULATION_TIMESTAMPS: -38021,
    Reason.SIMULATION_BLOCK_GAS: -38015,
    Reason.SIMULATION_GAS_CAP: -32000,
    Reason.NONCE_TOO_LOW: -38010,
    Reason.NONCE_TOO_HIGH: -38011,
    Reason.FEE_CAP_BELOW_BASE_FEE: -38012,
    Reason.INTRINSIC_GAS: -38013,
    Reason.INSUFFICIENT_FUNDS: -38014,
    Reason.SENDER_NOT_EOA: -38024,
    Reason.INIT_CODE_SIZE: -38025,
    Reason.TIP_ABOVE_FEE_CAP: -32602,
    # geth has no code of its own for what else can be wrong with a call
    Reason.NONCE_AT_MAXIMUM: -32603,
    Reason.FLOOR_DATA_GAS: -32603,
    Reason.AUTHORIZATION_CREATION: -32603,
    Reason.AUTHORIZATIONS_MISSING: -32603,
    Reason.BLOB_CREATION: -32603,
    Reason.BLOB_HASHES_MISSING: -32603,
    Reason.BLOB_HASH_VERSION: -32603,
    Reason.BLOB_COUNT: -32603,
    Reason.BLOB_FEE_CAP_BELOW_BASE_FEE: -32603,
    # what no simulated call meets has the code of every other refusal
    Reason.TYPE_NOT_SUPPORTED: -32000,
    Reason.CHAIN_ID_MISMATCH: -32000,
    Reason.INVALID_SENDER: -32000,
    Reason.GAS_OVERFLOW: -32000,
    Reason.WEI_OVERFLOW: -32000,
    Reason.GAS_LIMIT_ABOVE_CAP: -32000,
    Reason.GAS_LIMIT_REACHED: -32000,
    Reason.INSUFFICIENT_FUNDS_FOR_TRANSFER: -32000,
    Reason.BLOB_GAS_LIMIT_REACHED: -32000,
    Reason.BLOB_INVALID: -32000,
    Reason.BLOB_PROOF_INVALID: -32000,
    Reason.SIDECAR_MISSING: -32000,
    Reason.SIDECAR_VERSION: -32000,
    Reason.SIDECAR_COUNT: -32000,
    Reason.SIDECAR_HASH_MISMATCH: -32000,
    Reason.ALREADY_KNOWN: -32000,
    Reason.OVERSIZED_DATA: -32000,
    Reason.GAS_LIMIT_ABOVE_BLOCK: -32000,
    Reason.PRICE_BELOW_MINIMUM: -32000,
    Reason.UNDERPRICED: -32000,
    Reason.REPLACEMENT_UNDERPRICED: -32000,
    Reason.POOL_FULL: -32000,
    Reason.ACCOUNT_LIMIT_EXCEEDED: -32000,
    Reason.ADDRESS_RESERVED: -32000,
    Reason.AUTHORITY_RESERVED: -32000,
    Reason.DELEGATED_NONCE_GAP: -32000,
    Reason.DELEGATED_IN_FLIGHT: -32000,
    Reason.HEADER_FIELD_MISMATCH: -32000,
    Reason.TIMESTAMP_BEFORE_PARENT: -32000,
    Reason.TIMESTAMP_OF_PARENT: -32000,
    Reason.EXTRA_DATA_SIZE: -32000,
    Reason.GAS_LIMIT_OUT_OF_RANGE: -32000,
    Reason.GAS_LIMIT_LEAP: -32000,
    Reason.GAS_USED_ABOVE_LIMIT: -32000,
    Reason.BEACON_ROOT_MISSING: -32000,
    Reason.UNCLES_AFTER_MERGE: -32000,
    Reason.UNCLE_COUNT: -32000,
    Reason.UNCLE_IS_ANCESTOR: -32000,
    Reason.UNCLE_NAMED_TWICE: -32000,
    Reason.UNCLE_PARENT: -32000,
    Reason.WITHDRAWALS_PRESENCE: -32000,
    Reason.SIDECAR_IN_BLOCK: -32000,
    Reason.BLOCK_SIZE: -32000,
    Reason.UNSIGNED_TRANSACTION: -32000,
    Reason.SYSTEM_CONTRACT_MISSING: -32000,
    Reason.SYSTEM_CALL_FAILED: -32000,
    Reason.DEPOSIT_MALFORMED: -32000,
    Reason.FIELD_OUT_OF_RANGE: -32000,
}
"""Codes of what eth_simulateV1 refuses: geth's (internal/ethapi/errors.go). Elsewhere a refusal is a RefusedError."""


Topic = Enum | type[Exception]
"""The key of a hint: a Reason, a StorageProblem, or the class of an error."""

HINTS: dict[Topic, str] = {
    Reason.GAS_LIMIT_ABOVE_CAP: "--disable-tx-gas-limit lifts the cap, which is Osaka's (EIP-7825)",
    Reason.UNSIGNED_TRANSACTION: "`zevm import --development` accepts it",
    Reason.TIMESTAMP_OF_PARENT: "`zevm import --development` accepts equal ones",
    Reason.GAS_LIMIT_LEAP: "`zevm import --development` accepts the jumps of a development node",
    chain_errors.ExternalConsensusError: "start without --authrpc to make blocks here",
    chain_errors.EqualTimestampsError: "give 1 or more, or start with --allow-blocks-with-same-timestamp",
    chain_errors.StatesNotKeptError: "start another chain in another --datadir, or use anvil_reset",
    chain_errors.MovedPrecompileError: "leave movePrecompileToAddress out",
    TraceMemoryError: "try again later, ask for less, or raise --rpc-trace-memory-bytes",
    TraceSizeError: "ask for less, as with limit, disableStack, disableStorage, onlyTopCall or another tracer",
    Failure.NO_COMPILER: "or start the node with --solc PATH",
    Failure.STORE_FULL: "raise --rpc-verified-contracts or --rpc-verified-bytes",
    build_errors.BuildTimeoutError: "--rpc-zig-seconds raises the limit",
    build_errors.CompilerMemoryError: "--rpc-zig-memory-bytes raises the limit",
    build_errors.ClientCompilesError: "--rpc-zig-client-compiles raises the limit",
    build_errors.CompilerBusyError: "--rpc-zig-compiles and --rpc-zig-waiting raise the limits",
    StorageProblem.UNPROVED: "--fork-verify proofs proves it",
    StorageProblem.NODES_NOT_KEPT: (
        "ask for a newer block, or start with a larger --proofs-seconds; `--proofs all` keeps the tries of all states "
        "from its first start on"
    ),
    StorageProblem.RECORD_DAMAGED: "run `zevm db check --deep`",
    StorageProblem.SIDE_BLOCK_DAMAGED: "run `zevm db check`",
    StorageProblem.FILES_DAMAGED: (
        "copy the data directory, then run `zevm db check --deep` to see what is affected "
        "and `zevm db rewind N` to go back to a sound block N"
    ),
}
"""Hints about the errors that a client can meet. Those of a start alone are in node.hints."""

OVERRIDE_NAMES = {"parent_beacon_block_root": "beaconRoot", "withdrawals": "withdrawals"}
"""Block overrides that calls do not take, as clients call them."""


def topic_of(error: Exception) -> Topic:
    """The key of an error's hint."""
    if isinstance(error, RefusalError):
        return error.reason
    if isinstance(error, StorageError) and error.problem is not None:
        return error.problem
    return type(error)


def with_hint(text: str, topic: Topic | None, hints: Mapping[Topic, str] = HINTS) -> str:
    """The text, and what to do about it where there is something."""
    return f"{text}; {hints[topic]}" if topic is not None and topic in hints else text


def told(error: Exception) -> str:
    """An error's text as a client reads it."""
    if isinstance(error, BlockOverrideError):
        return f'block override "{OVERRIDE_NAMES[error.field]}" is not supported for this RPC method'
    return with_hint(str(error), topic_of(error))


def translate(error: Exception, *, evm_timeout_seconds: float) -> RpcError | None:
    """The answer for an error of a lower layer, or None for an unexpected error.

    A revert is translated by dispatch, which holds the decoder of reasons.
    """
    if isinstance(error, ExecutionRevertedError):
        return RevertedError(error.output)
    if isinstance(error, EngineError):
        return EngineRpcError(error)
    if isinstance(error, SimulationError | PrunedHistoryError):
        return _coded(error)
    if isinstance(error, RefusalError):
        return RefusedError(error)
    if isinstance(error, ChainError | RlpError):
        return ServerError(told(error))
    if isinstance(error, ExecutionTimeoutError):
        return ServerError(f"execution aborted (timeout = {evm_timeout_seconds:g}s)")
    if isinstance(error, CorruptionError | MissingNodeError):
        remedy = "" if topic_of(error) in HINTS else "; run `zevm db check`"
        return ServerError(f"database damaged: {told(error)}{remedy}; stop the node first")
    if isinstance(error, OriginError | NodesNotKeptError):
        return ServerError(told(error))
    if isinstance(error, StorageError):
        return ServerError(f"database error: {told(error)}")
    return None


def _coded(error: SimulationError | PrunedHistoryError) -> CodedError:
    code = SIMULATION_CODES[error.reason] if isinstance(error, SimulationError) else PRUNED_HISTORY
    return CodedError(code, error.message)
