"""trace_: Parity's traces, for indexers, explorers and web3.py's tracing module. See docs/tracing.md."""

from typing import Any

import orjson

from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.tracing import parity
from zevm.chain.tracing.parity import FrameFilter
from zevm.chain.tracing.parity_tracers import KINDS
from zevm.chain.types import Block, Transaction
from zevm.chain.types.block_reference import EARLIEST, LATEST, BlockReference
from zevm.chain.vm.calls import MAX_DEPTH
from zevm.rpc.codec import objects, scalars
from zevm.rpc.codec.objects import TransactionArguments, decode_fields
from zevm.rpc.codec.scalars import Decoder, schema
from zevm.rpc.errors import InvalidParamsError, ServerError
from zevm.rpc.methods.support.bundles import check_call_count
from zevm.rpc.methods.support.filling import traced_call
from zevm.rpc.methods.support.tracing import run_trace
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.storage.primitives import Hash32
from zevm.storage.rlp import RlpError


@schema(type="array", items={"type": "string", "enum": list(KINDS)})
def kinds(value: object) -> tuple[str, ...]:
    """The requested kinds of a replay: some of "trace", "vmTrace", "stateDiff"."""
    wanted: list[str] = scalars.array_of(scalars.string)(value)
    for kind in wanted:
        if kind not in KINDS:
            raise InvalidParamsError(f"unknown trace type {kind!r}, expected one of {', '.join(KINDS)}")
    return tuple(dict.fromkeys(wanted))


@schema(type="array", items={"type": "array"})
def calls(value: object) -> list[tuple[TransactionArguments, tuple[str, ...]]]:
    """[[call, [kind ...]] ...]."""
    pairs: list[Any] = scalars.array_of(scalars.array_of(scalars.anything))(value)
    for pair in pairs:
        if len(pair) != 2:
            raise InvalidParamsError(f"expected pairs of a call and trace types, got {len(pair)} items")
    return [(objects.transaction_arguments(call), kinds(wanted)) for call, wanted in pairs]


def _addresses(value: object) -> frozenset[bytes]:
    return frozenset(scalars.array_of(scalars.address)(value))


def _mode(value: object) -> bool:
    text = scalars.string(value)
    if text not in ("union", "intersection"):
        raise InvalidParamsError(f"unknown mode {text!r}, expected union or intersection")
    return text == "intersection"


_FILTER_FIELDS: dict[str, tuple[str, Decoder]] = {
    "fromBlock": ("first", scalars.block_number),
    "toBlock": ("last", scalars.block_number),
    "fromAddress": ("senders", _addresses),
    "toAddress": ("receivers", _addresses),
    "mode": ("intersection", _mode),
    "after": ("after", scalars.number),
    "count": ("count", scalars.number),
}


@schema(type="object", title="Trace filter", properties={name: {} for name in _FILTER_FIELDS})
def frame_filter(value: object) -> dict[str, Any]:
    """{fromBlock, toBlock, fromAddress, toAddress, mode, after, count}."""
    return decode_fields(value, _FILTER_FIELDS)


HASH = Param("transactionHash", scalars.hash32)
KIND_LIST = Param("traceTypes", kinds)
BLOCK = Param("block", scalars.block_reference, summary="number, tag or hash")
FRAMES, REPLAY = "[frame] or null", "{output, stateDiff, trace, vmTrace}"


def _encoded(value: object) -> orjson.Fragment:
    """A result, encoded off the event loop."""
    return orjson.Fragment(orjson.dumps(value))


def _find(services: Services, reference: BlockReference) -> Block | None:
    if reference.hash is not None:
        return services.chain.block_by_hash(reference.hash)
    number = services.chain.number_of(reference)
    return services.chain.block_by_number(number) if number <= services.chain.head.number else None


@method("trace_transaction", cost=Cost.EXECUTION, params=(HASH,), result=FRAMES)
def transaction(services: Services, transaction_hash: Hash32, *, deadline: Deadline) -> orjson.Fragment | None:
    """The frames of a mined transaction, as a flat list."""
    position = services.chain.find_transaction(transaction_hash)
    if position is None:
        return None
    return run_trace(
        services,
        deadline,
        lambda request: _encoded(parity.transaction_frames(services.chain, position, request)),
    )


@method(
    "trace_get",
    cost=Cost.EXECUTION,
    params=(HASH, Param("traceAddress", scalars.array_of(scalars.number, MAX_DEPTH))),
    result="frame or null",
)
def get(
    services: Services, transaction_hash: Hash32, address: list[int], *, deadline: Deadline
) -> orjson.Fragment | None:
    """One frame of a mined transaction, by its position in the tree."""
    position = services.chain.find_transaction(transaction_hash)
    if position is None:
        return None
    frames = run_trace(services, deadline, lambda request: parity.transaction_frames(services.chain, position, request))
    found = next((frame for frame in frames if list(frame["traceAddress"]) == address), None)
    return None if found is None else _encoded(found)


@method("trace_block", cost=Cost.EXECUTION, params=(BLOCK,), result=FRAMES)
def block(services: Services, reference: BlockReference, *, deadline: Deadline) -> orjson.Fragment | None:
    """The frames of all transactions of a block."""
    found = _find(services, reference)
    if found is None:
        return None
    return run_trace(
        services, deadline, lambda request: _encoded(list(parity.block_frames(services.chain, found, request)))
    )


@method("trace_filter", cost=Cost.EXECUTION, params=(Param("filter", frame_filter),), result="[frame]")
def filter_(services: Services, wanted: dict[str, Any], *, deadline: Deadline) -> orjson.Fragment:
    """Frames by block range and addresses; executes the whole range again, so keep it short."""
    number_of = services.chain.number_of
    first, last = wanted.pop("first", EARLIEST), wanted.pop("last", LATEST)
    bounds = FrameFilter(number_of(first), min(number_of(last), services.chain.head.number), **wanted)
    if bounds.first > bounds.last:
        raise InvalidParamsError("invalid block range params")
    return run_trace(
        services, deadline, lambda request: _encoded(parity.filter_frames(services.chain, bounds, request))
    )


@method("trace_replayTransaction", cost=Cost.EXECUTION, params=(HASH, KIND_LIST), result=REPLAY)
def replay_transaction(
    services: Services, transaction_hash: Hash32, wanted: tuple[str, ...], *, deadline: Deadline
) -> orjson.Fragment:
    """Execute a mined transaction again, for its frames, instructions and state differences."""
    position = services.chain.find_transaction(transaction_hash)
    if position is None:
        raise ServerError("transaction not found")
    return run_trace(
        services,
        deadline,
        lambda request: _encoded(parity.replay_transaction(services.chain, position, wanted, request)),
    )


@method(
    "trace_replayBlockTransactions",
    cost=Cost.EXECUTION,
    params=(BLOCK, KIND_LIST),
    result="[{output, stateDiff, trace, vmTrace, transactionHash}] or null",
)
def replay_block_transactions(
    services: Services, reference: BlockReference, wanted: tuple[str, ...], *, deadline: Deadline
) -> orjson.Fragment | None:
    """Execute a block's transactions again, for the frames, instructions and state differences of each."""
    found = _find(services, reference)
    if found is None:
        return None
    return run_trace(services, deadline, lambda request: parity.replay_block(services.chain, found, wanted, request))


@method(
    "trace_call",
    cost=Cost.EXECUTION,
    params=(
        Param("transaction", objects.transaction_arguments),
        KIND_LIST,
        Param("block", scalars.block_reference, default=LATEST),
    ),
    result=REPLAY,
)
def call(
    services: Services,
    arguments: TransactionArguments,
    wanted: tuple[str, ...],
    reference: BlockReference,
    *,
    deadline: Deadline,
) -> orjson.Fragment:
    """Execute a call on a block, for its frames, instructions and state differences."""
    pairs = [(traced_call(services, arguments), wanted)]
    return run_trace(
        services,
        deadline,
        lambda request: _encoded(parity.trace_calls(services.chain, pairs, reference, request)[0]),
    )


@method(
    "trace_callMany",
    cost=Cost.EXECUTION,
    params=(Param("calls", calls), Param("block", scalars.block_reference, default=LATEST)),
    result=f"[{REPLAY}]",
)
def call_many(
    services: Services,
    pairs: list[tuple[TransactionArguments, tuple[str, ...]]],
    reference: BlockReference,
    *,
    deadline: Deadline,
) -> orjson.Fragment:
    """Execute calls in sequence, for the frames, instructions and state differences of each."""
    check_call_count(len(pairs), services.limits)
    prepared = [(traced_call(services, arguments), wanted) for arguments, wanted in pairs]
    return run_trace(
        services,
        deadline,
        lambda request: _encoded(parity.trace_calls(services.chain, prepared, reference, request)),
    )


@method(
    "trace_rawTransaction",
    cost=Cost.EXECUTION,
    params=(Param("transaction", scalars.data), KIND_LIST),
    result=REPLAY,
)
def raw_transaction(
    services: Services, encoded: bytes, wanted: tuple[str, ...], *, deadline: Deadline
) -> orjson.Fragment:
    """Execute a signed transaction as if it were mined next, without keeping changes."""
    try:
        signed = Transaction.decode(encoded)
    except RlpError as error:
        raise ServerError(str(error)) from error
    return run_trace(
        services,
        deadline,
        lambda request: _encoded(parity.trace_signed(services.chain, signed, wanted, request)),
    )
