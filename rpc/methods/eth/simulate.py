"""eth_simulateV1: whole blocks of calls, executed on any block and discarded."""

from dataclasses import dataclass, field
from typing import Any

from zevm.chain.calls.overrides import BlockOverrides, CallOverrides, StateOverrides
from zevm.chain.calls.simulation import BlockResult, CallResult, SimulatedBlock, SimulatedCall, Simulation, check_size
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.types import Block, TransactionType
from zevm.chain.types.block_reference import LATEST, BlockReference
from zevm.chain.vm.interface import VmErrorKind
from zevm.rpc.codec import objects, results, scalars
from zevm.rpc.codec.objects import TransactionArguments, decode_fields
from zevm.rpc.codec.results import Json, hexadecimal
from zevm.rpc.codec.scalars import schema
from zevm.rpc.errors import RevertedError, ServerError
from zevm.rpc.methods.support.filling import call_request
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services

VM_ERROR = -32015
_CAPPED = " (gas limit was capped by the RPC server's global gas cap)"


@dataclass(frozen=True, slots=True)
class BlockArguments:
    """One item of blockStateCalls."""

    calls: tuple[TransactionArguments, ...] = ()
    state_overrides: StateOverrides = field(default_factory=dict)
    block_overrides: BlockOverrides = field(default_factory=BlockOverrides)


@dataclass(frozen=True, slots=True)
class SimulationArguments:
    """The client's request."""

    blocks: tuple[BlockArguments, ...] = ()
    trace_transfers: bool = False
    validation: bool = False
    full_transactions: bool = False


_BLOCK_FIELDS: dict[str, tuple[str, scalars.Decoder]] = {
    "calls": ("calls", scalars.tuple_of(objects.transaction_arguments)),
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
) -> list[Json]:
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
    results = simulation.run(blocks)
    return [_encode(services, result, full=arguments.full_transactions) for result in results]


def _simulated_block(services: Services, arguments: BlockArguments) -> SimulatedBlock:
    return SimulatedBlock(
        calls=tuple([_simulated_call(services, call) for call in arguments.calls]),
        overrides=CallOverrides(arguments.state_overrides, arguments.block_overrides),
    )


def _simulated_call(services: Services, arguments: TransactionArguments) -> SimulatedCall:
    if arguments.blobs is not None:
        raise ServerError('"blobs" is not supported for this RPC method')
    return SimulatedCall(
        request=call_request(services, arguments, default_gas=0),
        gas_limit=arguments.gas,
        nonce=arguments.nonce,
        type=unsigned_type(arguments),
    )


def unsigned_type(arguments: TransactionArguments) -> TransactionType:
    """The type of transaction that geth shows for a call."""
    if arguments.gas_price is not None:
        return TransactionType.LEGACY
    if arguments.authorization_list is not None:
        return TransactionType.SET_CODE
    return TransactionType.DYNAMIC_FEE if arguments.blob_versioned_hashes is None else TransactionType.BLOB


def _encode(services: Services, result: BlockResult, *, full: bool) -> Json:
    block = result.block
    encoded = results.block(block, full=full)
    encoded["calls"] = [_encode_call(services, call, block, index) for index, call in enumerate(result.calls)]
    return encoded


def _encode_call(services: Services, call: CallResult, block: Block, index: int) -> Json:
    outcome, transaction_hash = call.outcome, block.transactions[index].hash
    encoded: Json = {
        "returnData": hexadecimal(outcome.output if outcome.succeeded else b""),
        "logs": [
            results.log(log, block.header, transaction_hash, index, number)
            for number, log in (call.logs if outcome.succeeded else ())
        ],
        "gasUsed": hex(outcome.gas_used),
        "maxUsedGas": hex(outcome.gas_used_before_refund),
        "status": hex(int(outcome.succeeded)),
    }
    if outcome.error is not None:
        encoded["error"] = _encode_error(services, call)
    return encoded


def _encode_error(services: Services, call: CallResult) -> dict[str, Any]:
    error = call.outcome.error
    assert error is not None
    if error.kind is VmErrorKind.REVERT:
        decoder, output = services.decoder, call.outcome.output
        return RevertedError(output, None if decoder is None else decoder.revert_reason(output)).to_json()
    return {"code": VM_ERROR, "message": error.message + (_CAPPED if call.gas_capped else "")}
