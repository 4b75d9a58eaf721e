"""eth_simulateV1: whole blocks of calls, executed on any block and discarded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from zevm.chain.calls.overrides import BlockOverrides, CallOverrides, StateOverrides
from zevm.chain.calls.simulation import BlockResult, SimulatedBlock, Simulation, check_size
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.tracing.encoded import Encoded, Parts, dumps, enclosed, use_up
from zevm.chain.types import Header, TransactionType
from zevm.chain.types.block_reference import LATEST, BlockReference
from zevm.chain.vm.interface import VmError, VmErrorKind
from zevm.chain.vm.simulated_calls import CallResult, SimulatedCall
from zevm.core import replaced_by
from zevm.rpc.codec import objects, results, scalars
from zevm.rpc.codec.hex_json import Fields, hex_json, shown
from zevm.rpc.codec.objects import TransactionArguments, decode_fields
from zevm.rpc.codec.results import Json
from zevm.rpc.codec.scalars import schema
from zevm.rpc.errors import InvalidParamsError, RevertedError, ServerError
from zevm.rpc.methods.support.blob_arguments import named_hashes
from zevm.rpc.methods.support.filling import check_chain_id
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.storage.primitives import ZERO_ADDRESS, Hash32

VM_ERROR = -32015

LISTS = slice(TransactionArguments._fields.index("access_list"), None)
"""Of the arguments of a call: lists and blobs, which most have not."""
NO_LISTS = TransactionArguments()[LISTS]

CALLS_TOGETHER = 512
"""Call objects that are read in one step, which no other thread can interrupt."""
BYTES_TOGETHER = 32 * 1024
"""Output of calls that is made into text in one step, with what each call has besides."""
CALL_BYTES = 128
HASHES_TOGETHER = 1_000
"""Transactions whose hashes are made into text in one step."""
_CAPPED = " (gas limit was capped by the RPC server's global gas cap)"


USUAL_CALL, LEGACY_CALL = SimulatedCall(), SimulatedCall(type=TransactionType.LEGACY)


@dataclass(frozen=True, slots=True)
class BlockArguments:
    """One item of blockStateCalls."""

    calls: Sequence[SimulatedCall | TransactionArguments] = ()
    state_overrides: StateOverrides = field(default_factory=dict)
    block_overrides: BlockOverrides = field(default_factory=BlockOverrides)


@dataclass(frozen=True, slots=True)
class SimulationArguments:
    """The client's request."""

    blocks: tuple[BlockArguments, ...] = ()
    trace_transfers: bool = False
    validation: bool = False
    full_transactions: bool = False


@replaced_by("simulated_calls")
def _calls_of(
    values: list[object],
    usual: SimulatedCall,  # noqa: ARG001  the core makes calls of them
    legacy: SimulatedCall,  # noqa: ARG001
) -> list[SimulatedCall | TransactionArguments]:
    return [_plain_call(arguments) or arguments for arguments in map(objects.transaction_arguments, values)]


@schema(type="array", items=scalars.SCHEMAS[objects.transaction_arguments])
def _calls(value: object) -> list[SimulatedCall | TransactionArguments]:
    """Call objects, at once as SimulatedCalls where the node need not be asked."""
    if type(value) is not list:
        raise InvalidParamsError(f"expected an array, got {scalars.kind_of(value)}")
    read: list[SimulatedCall | TransactionArguments] = []
    for start in range(0, len(value), CALLS_TOGETHER):
        read += _calls_of(value[start : start + CALLS_TOGETHER], USUAL_CALL, LEGACY_CALL)
    return read


def _plain_call(arguments: TransactionArguments) -> SimulatedCall | None:
    """The call of arguments without lists, blobs and a chain's number."""
    return _call_without_lists(arguments) if arguments[LISTS] == NO_LISTS and arguments.chain_id is None else None


def _call_without_lists(arguments: TransactionArguments) -> SimulatedCall:
    sender, to, gas, price, cap, tip, value, nonce, data = arguments[:9]
    if price is not None:
        cap = tip = price
    kind = unsigned_type(arguments)
    return SimulatedCall(sender or ZERO_ADDRESS, to, value or 0, data, cap or 0, tip or 0, gas, nonce, kind)


_BLOCK_FIELDS: dict[str, tuple[str, scalars.Decoder]] = {
    "calls": ("calls", _calls),
    "stateOverrides": ("state_overrides", objects.state_overrides),
    "blockOverrides": ("block_overrides", objects.block_overrides),
}


def _block_arguments(value: object) -> BlockArguments:
    return BlockArguments(**decode_fields(value, _BLOCK_FIELDS))


_FIELDS: dict[str, tuple[str, scalars.Decoder]] = {
    "blockStateCalls": ("blocks", scalars.tuple_of(_block_arguments)),
    "traceTransfers": ("trace_transfers", scalars.boolean),
    "validation": ("validation", scalars.boolean),
    "returnFullTransactions": ("full_transactions", scalars.boolean),
}


@schema(type="object", title="Simulation", properties={name: {} for name in _FIELDS})
def simulation_arguments(value: object) -> SimulationArguments:
    """{blockStateCalls: [{calls, stateOverrides, blockOverrides}], traceTransfers, validation, ...}."""
    return SimulationArguments(**decode_fields(value, _FIELDS))


@method(
    "eth_simulateV1",
    cost=Cost.EXECUTION,
    params=(
        Param("simulation", simulation_arguments, summary="blocks of calls with overrides, and output options"),
        Param("block", scalars.block_reference, default=LATEST, summary="the parent block"),
    ),
    result="[block with `calls`]",
)
def simulate(
    services: Services, arguments: SimulationArguments, block: BlockReference, *, deadline: Deadline
) -> Encoded:
    """Execute blocks of calls on a block; each is sealed and hashed like a real block."""
    blocks = [_simulated_block(services, item) for item in arguments.blocks]
    check_size(blocks)
    simulation = Simulation(
        services.chain,
        *services.chain.base_of(block),
        gas_cap=services.limits.call_gas,
        validate=arguments.validation,
        trace_transfers=arguments.trace_transfers,
        deadline=deadline,
    )
    found = simulation.run(blocks)
    return Encoded(enclosed(b"[", [_encode(services, each, full=arguments.full_transactions) for each in found], b"]"))


def _simulated_block(services: Services, arguments: BlockArguments) -> SimulatedBlock:
    return SimulatedBlock(
        calls=tuple(
            [call if type(call) is SimulatedCall else _simulated_call(services, call) for call in arguments.calls]
        ),
        overrides=CallOverrides(arguments.state_overrides, arguments.block_overrides),
    )


def _simulated_call(services: Services, call: SimulatedCall | TransactionArguments) -> SimulatedCall:
    if isinstance(call, SimulatedCall):
        return call
    if call.blobs is not None:
        raise ServerError('"blobs" is not supported for this RPC method')
    return simulated_call(services, call)


def simulated_call(services: Services, arguments: TransactionArguments) -> SimulatedCall:
    """A call as a transaction. Raises as `call_request`."""
    check_chain_id(services, arguments)
    return _call_without_lists(arguments)._replace(
        access_list=arguments.access_list or (),
        authorization_list=arguments.authorization_list,
        blob_versioned_hashes=named_hashes(services, arguments),
        max_fee_per_blob_gas=arguments.max_fee_per_blob_gas or 0,
    )


def unsigned_type(arguments: TransactionArguments) -> TransactionType:
    """The type of transaction that geth shows for a call."""
    if arguments.gas_price is not None:
        return TransactionType.LEGACY
    if arguments.authorization_list is not None:
        return TransactionType.SET_CODE
    return TransactionType.DYNAMIC_FEE if arguments.blob_versioned_hashes is None else TransactionType.BLOB


def _encode(services: Services, result: BlockResult, *, full: bool) -> Parts:
    """A block with its calls as JSON text."""
    block = result.block
    is_small = not full and len(block.transactions) <= HASHES_TOGETHER and not block.withdrawals
    encoded = results.block(block, full=full)
    head = [dumps(encoded)] if is_small else use_up(encoded)
    head[-1] = head[-1][:-1] + b',"calls":'
    return [*head, *enclosed(b"[", _encoded_calls(services, result), b"]"), b"}"]


def _encoded_calls(services: Services, result: BlockResult) -> Iterator[Parts]:
    """The calls of a block, one after another or several at once, as items of a JSON list."""
    header, transactions = result.block.header, result.block.transactions
    if _are_brief(result.calls):
        yield [plain_results(result.calls)]
        return
    together: list[CallResult] = []
    size = 0
    for index, call in enumerate(result.calls):
        is_brief = call.error is None and not call.logs and len(call.output) <= BYTES_TOGETHER
        if is_brief:
            together.append(call)
            size += CALL_BYTES + len(call.output)
        if together and (not is_brief or size > BYTES_TOGETHER):
            yield [plain_results(together)]
            together, size = [], 0
        if not is_brief:
            yield _encode_call(services, call, header, transactions[index].hash, index)
    if together:
        yield [plain_results(together)]


def _are_brief(calls: Sequence[CallResult]) -> bool:
    """Whether all calls of a block are made into text in one step."""
    return (
        bool(calls)
        and sum([CALL_BYTES + len(call.output) for call in calls]) <= BYTES_TOGETHER
        and not any(call.error is not None or call.logs for call in calls)
    )


@replaced_by("results_json")
def plain_results(calls: Sequence[CallResult]) -> bytes:
    """Results without errors and logs as items of a JSON list, with commas between."""
    return hex_json([_shared_fields(call) for call in calls])[1:-1]


def _shared_fields(call: CallResult) -> Fields:
    return {
        "returnData": call.output if call.error is None else b"",
        "logs": (),
        "gasUsed": call.gas_used,
        "maxUsedGas": call.gas_used_before_refund,
        "status": int(call.error is None),
    }


def _encode_call(services: Services, call: CallResult, header: Header, transaction_hash: Hash32, index: int) -> Parts:
    fields, logs = _shared_fields(call), call.logs
    if call.error is not None:
        encoded: Json = shown(fields)
        encoded["error"] = _encode_error(services, call, call.error)
        return use_up(encoded)
    fields["logs"] = [results.log_fields(log, header, transaction_hash, index, number) for number, log in logs]
    if len(call.output) > BYTES_TOGETHER:
        return use_up(shown(fields))
    return results.receipt_parts(fields, [log for _, log in logs])


def _encode_error(services: Services, call: CallResult, error: VmError) -> dict[str, Any]:
    if error.kind is VmErrorKind.REVERT:
        decoder, output = services.decoder, call.output
        return RevertedError(output, None if decoder is None else decoder.revert_reason(output)).to_json()
    return {"code": VM_ERROR, "message": error.message + (_CAPPED if call.gas_capped else "")}
