"""Transactions executed again for a page, and their calls with names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zevm.analysis.call_tree import Call, CodeOf, decode_call_tree
from zevm.analysis.failure_places import FailurePlaces
from zevm.analysis.step_window import Step, StepWindow
from zevm.chain.canonical.records import TransactionPosition
from zevm.chain.tracing import trace
from zevm.chain.tracing.encoded import Encoded, size_of, take_text
from zevm.chain.types import Receipt, Transaction
from zevm.chain.types.block_reference import LATEST, BlockReference
from zevm.chain.vm.tracer import Tracer
from zevm.contracts.source_maps import Place
from zevm.rpc.codec.parsing import parse_answer
from zevm.rpc.errors import LimitExceededError, RpcError, ServerError
from zevm.rpc.explorer.page import NotFoundError, PageRequest
from zevm.rpc.methods.support.reading import code_of
from zevm.rpc.methods.support.tracing import TraceConfig, run_trace
from zevm.rpc.services import Services
from zevm.storage.primitives import Address, Hash32


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction as a page finds it. position, receipt: None while it waits."""

    transaction: Transaction
    sender: Address
    position: TransactionPosition | None = None
    receipt: Receipt | None = None

    @property
    def failed(self) -> bool:
        """Whether it is in a block and did not succeed."""
        return self.receipt is not None and self.receipt.status == 0


def find(services: Services, transaction_hash: Hash32) -> Mined | None:
    """A transaction of a block or of the pool."""
    position = services.chain.find_transaction(transaction_hash)
    if position is None:
        waiting = services.chain.pool.get(transaction_hash)
        return None if waiting is None else Mined(waiting, waiting.sender)
    receipts = services.chain.receipts(position.block.hash)
    receipt = receipts[position.index] if receipts else None
    sender = position.transaction.sender if receipt is None else receipt.sender
    return Mined(position.transaction, sender, position, receipt)


def run_again(request: PageRequest, transaction_hash: Hash32, tracer: str, **options: bool) -> Any:
    """The result of a tracer as JSON values. Raises ServerError past its time, LimitExceededError past its size."""
    services, limits = request.services, request.services.limits
    config = TraceConfig(tracer, f"{limits.explorer_trace_seconds:f}s", options)

    def traced(asked: trace.TraceRequest) -> Encoded:
        return trace.trace_transaction(services.chain, transaction_hash, asked)

    parts = run_trace(services, request.deadline, traced, config).parts
    size_bytes, most = size_of(parts), limits.explorer_trace_bytes
    if size_bytes > most:
        raise LimitExceededError(
            f"the trace has {size_bytes:,} bytes, a page shows at most {most:,}: raise --rpc-explorer-trace-bytes, or "
            f"ask for debug_traceTransaction"
        )
    return parse_answer(take_text(parts))


def position_of(mined: Mined) -> TransactionPosition:
    """The place of a transaction in the chain. Raises NotFoundError for a waiting one."""
    if mined.position is None:
        raise NotFoundError("This transaction waits in the pool: it has not been executed in a block yet.")
    return mined.position


def failure_places(request: PageRequest, mined: Mined) -> Mapping[int, Place]:
    """The places where calls of a mined transaction failed, by the calls' numbers; none past the time of a trace."""
    watcher = FailurePlaces(request.services.catalogue, request.services.limits.explorer_calls)
    try:
        _watch(request, position_of(mined), watcher)
    except RpcError:
        return {}
    return watcher.found


def stepped(request: PageRequest, mined: Mined, wanted: range) -> tuple[list[Step], int | None]:
    """Steps of a mined transaction, and the number of all; None where the time of a trace ends before.

    Raises ServerError where it ends before the first.
    """
    watcher = StepWindow(request.services.catalogue, wanted)
    try:
        _watch(request, position_of(mined), watcher)
    except ServerError:
        if not watcher.steps:
            raise
        return watcher.steps, None
    return watcher.steps, watcher.count


def _watch(request: PageRequest, position: TransactionPosition, watcher: Tracer) -> None:
    """Execute a mined transaction again. Raises ServerError past the time of a trace."""
    services = request.services

    def watched(asked: trace.TraceRequest) -> None:
        deadline = asked.deadline()
        trace.replay_before(services.chain, position, deadline).run(watcher, deadline)

    run_trace(services, request.deadline, watched, TraceConfig(None, f"{services.limits.explorer_trace_seconds:f}s"))


def named_calls(services: Services, frame: Mapping[str, Any], mined: Mined) -> Call:
    """The calls of callTracer's result with the names that the node knows."""
    return decode_call_tree(frame, services.catalogue, code_reader(services, mined))


def code_reader(services: Services, mined: Mined) -> CodeOf:
    """The code of accounts after the transaction's block; of a waiting transaction now."""
    block = LATEST if mined.position is None else BlockReference(hash=mined.position.block.hash)
    state = services.chain.state_at(block)
    return lambda address: code_of(state, Address(address))


def frame_of(mined: Mined) -> dict[str, Any]:
    """The outermost frame of a transaction as callTracer has it, without running it: its receipt has the logs."""
    transaction, receipt = mined.transaction, mined.receipt
    to = transaction.to if receipt is None else transaction.to or receipt.contract_address
    return {
        "type": "CREATE" if transaction.to is None else "CALL",
        "from": f"0x{mined.sender.hex()}",
        **({} if to is None else {"to": f"0x{to.hex()}"}),
        "input": f"0x{transaction.data.hex()}",
        "value": hex(transaction.value),
        "gas": hex(transaction.gas_limit),
        "gasUsed": hex(0 if receipt is None else receipt.gas_used),
        **({"error": "execution reverted"} if mined.failed else {}),
    }


def log_frame(mined: Mined, first: int, count: int) -> dict[str, Any]:
    """The same with some of the transaction's logs."""
    logs = () if mined.receipt is None else mined.receipt.logs[first : first + count]
    shown = [
        {
            "address": f"0x{log.address.hex()}",
            "topics": [f"0x{topic.hex()}" for topic in log.topics],
            "data": f"0x{log.data.hex()}",
        }
        for log in logs
    ]
    return frame_of(mined) | {"logs": shown}
