"""The frames of a transaction in a row, as the explorer Otterscan asks for them, and what can be told from them.

Docs of its API, level 8: https://docs.otterscan.io/api-docs/ots-api. Frames of WebAssembly contracts are like others.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum

from zevm.chain.calls.place import replay_of
from zevm.chain.canonical.records import TransactionPosition
from zevm.chain.tracing.call_tree import FRAME_BYTES, caller_of
from zevm.chain.tracing.settings import RECORDING, Budget
from zevm.chain.tracing.trace import TraceRequest, replay_before
from zevm.chain.tracing.tracer import QuietTracer
from zevm.chain.types import Block
from zevm.chain.view import ChainView
from zevm.chain.vm.interface import VmError, VmErrorKind
from zevm.chain.vm.message import CREATIONS, FrameStart
from zevm.chain.vm.tracer import TransactionStart
from zevm.storage.primitives import Address

SELF_DESTRUCT = "SELFDESTRUCT"


@dataclass(slots=True)
class FrameRow:
    """One frame. depth: 0 for the outermost. target: also of a creation that failed. output: of success or REVERT."""

    kind: str
    depth: int
    sender: Address
    target: Address
    value_wei: int
    data: bytes
    output: bytes = b""
    error: VmError | None = None


class FrameList(QuietTracer):
    """Collects the frames in the order in which they begin; calls of precompiles are left out."""

    recording = RECORDING

    def __init__(self) -> None:
        self.rows: list[FrameRow] = []
        self._open: list[FrameRow] = []
        self._precompiles: Collection[bytes] = ()
        self._budget = Budget()

    def on_begin(self, start: TransactionStart) -> None:
        """Remember the precompiles."""
        self._precompiles = start.precompiles

    def on_enter(self, start: FrameStart) -> None:
        """Add a row."""
        data = b"" if start.kind == SELF_DESTRUCT else start.data
        row = FrameRow(start.kind, len(self._open), caller_of(start), start.target, start.value, data)
        self._open.append(row)
        if start.target not in self._precompiles:
            self._budget.take(FRAME_BYTES + 2 * len(data))
            self.rows.append(row)

    def on_exit(self, gas_used: int, output: bytes, error: VmError | None) -> None:  # noqa: ARG002
        """Complete the row."""
        row = self._open.pop()
        row.error = error
        if error is None or error.kind is VmErrorKind.REVERT:
            self._budget.take(2 * len(output))
            row.output = output


class Operation(IntEnum):
    """Otterscan's numbers for what moves ether or code within a transaction."""

    TRANSFER = 0
    SELF_DESTRUCT = 1
    CREATE = 2
    CREATE2 = 3


_OPERATIONS = {
    "CALL": Operation.TRANSFER,
    SELF_DESTRUCT: Operation.SELF_DESTRUCT,
    "CREATE": Operation.CREATE,
    "CREATE2": Operation.CREATE2,
}


def transaction_rows(chain: ChainView, position: TransactionPosition, request: TraceRequest) -> list[FrameRow]:
    """The frames of a mined transaction. Raises TraceError, ExecutionTimeoutError, as all here."""
    deadline, tracer = request.deadline(), FrameList()
    replay_before(chain, position, deadline).run(tracer, deadline)
    return tracer.rows


def internal_operations(rows: list[FrameRow]) -> list[tuple[Operation, FrameRow]]:
    """Transfers, creations and destructions of a transaction's inner frames, successful or not, as in Erigon."""
    inner = [(_OPERATIONS.get(row.kind), row) for row in rows if row.depth]
    return [
        (operation, row)
        for operation, row in inner
        if operation is not None and (operation is not Operation.TRANSFER or row.value_wei)
    ]


def revert_output(chain: ChainView, position: TransactionPosition, request: TraceRequest) -> bytes:
    """A mined transaction's revert data; b"" if it succeeded or failed in another way."""
    deadline = request.deadline()
    outcome = replay_before(chain, position, deadline).run(None, deadline)
    return outcome.output if outcome.error is not None and outcome.error.kind is VmErrorKind.REVERT else b""


def creation_in(
    chain: ChainView, block: Block, address: Address, request: TraceRequest
) -> tuple[TransactionPosition, FrameRow] | None:
    """The last successful creation of a contract in a block, and the transaction that made it."""
    if not block.transactions:
        return None
    found, replay = None, replay_of(chain, block)
    for index in range(len(block.transactions)):
        tracer = FrameList()
        replay.run(tracer, request.deadline())
        for row in tracer.rows:
            if row.kind in CREATIONS and row.target == address and row.error is None:
                found = TransactionPosition(block, index), row
    return found
