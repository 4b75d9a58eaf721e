"""The parameters of eth_callMany and debug_traceCallMany: bundles of calls, and their position in the chain."""

from dataclasses import dataclass

from zevm.chain.calls.bundles import CallBundle
from zevm.chain.calls.overrides import BlockOverrides
from zevm.chain.calls.place import StateContext
from zevm.rpc.codec import objects, scalars
from zevm.rpc.codec.objects import TransactionArguments, decode_fields
from zevm.rpc.codec.scalars import Decoder, schema
from zevm.rpc.errors import InvalidParamsError
from zevm.rpc.limits import Limits
from zevm.rpc.methods.support.filling import call_request
from zevm.rpc.registry import Param
from zevm.rpc.services import Services

_ALL_TRANSACTIONS = (-1, "-1")


@dataclass(frozen=True, slots=True)
class BundleArguments:
    """One bundle from the client: calls of one block, and that block's overrides."""

    calls: tuple[TransactionArguments, ...] = ()
    block_overrides: BlockOverrides | None = None


_BUNDLE_FIELDS: dict[str, tuple[str, Decoder]] = {
    "transactions": ("calls", scalars.tuple_of(objects.transaction_arguments)),
    "blockOverride": ("block_overrides", objects.block_overrides),
    "blockOverrides": ("block_overrides", objects.block_overrides),
}


@schema(type="object", title="Bundle", properties={name: {} for name in _BUNDLE_FIELDS})
def bundle_arguments(value: object) -> BundleArguments:
    """{transactions: [call], blockOverride}."""
    return BundleArguments(**decode_fields(value, _BUNDLE_FIELDS))


def _transaction_index(value: object) -> int | None:
    """-1 for after all transactions."""
    return None if value in _ALL_TRANSACTIONS else scalars.number(value)


_CONTEXT_FIELDS: dict[str, tuple[str, Decoder]] = {
    "blockNumber": ("block", scalars.block_reference),
    "transactionIndex": ("transaction_index", _transaction_index),
}


@schema(type="object", title="State context", properties={name: {} for name in _CONTEXT_FIELDS})
def state_context(value: object) -> StateContext:
    """{blockNumber, transactionIndex}."""
    return StateContext(**decode_fields(value, _CONTEXT_FIELDS))


BUNDLES = Param("bundles", scalars.array_of(bundle_arguments), summary="[{transactions: [call], blockOverride}]")
CONTEXT = Param(
    "stateContext", state_context, default=StateContext(), summary="{blockNumber, transactionIndex: -1 for all}"
)


def prepare_bundles(services: Services, bundles: list[BundleArguments]) -> list[CallBundle]:
    """The bundles in the chain's form. Raises InvalidParamsError for no calls or too many."""
    check_call_count(sum(len(bundle.calls) for bundle in bundles), services.limits)
    if not any(bundle.calls for bundle in bundles):
        raise InvalidParamsError("bundles are empty")
    gas = services.limits.call_gas
    return [
        CallBundle(
            tuple([call_request(services, arguments, default_gas=gas) for arguments in bundle.calls]),
            bundle.block_overrides,
        )
        for bundle in bundles
    ]


def check_call_count(count: int, limits: Limits) -> None:
    """Raise InvalidParamsError if one request asks for too many executions."""
    if count > limits.many_calls:
        raise InvalidParamsError(
            f"too many calls: have {count}, want at most {limits.many_calls} (--rpc-many-calls); send several requests"
        )
