"""eth_callMany (Erigon's, Reth's) and eth_callBundle (Flashbots'): many executions on one state."""

from typing import Any

from zevm.chain.calls.bundles import BundleRequest, BundleTransaction, call_bundle, call_many
from zevm.chain.calls.overrides import BlockOverrides, CallOverrides, StateOverrides
from zevm.chain.calls.place import StateContext
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import TransactionError
from zevm.chain.types import Transaction
from zevm.chain.vm.interface import Outcome, VmErrorKind
from zevm.rpc.codec import scalars
from zevm.rpc.codec.objects import decode_fields
from zevm.rpc.codec.results import Json, hexadecimal
from zevm.rpc.codec.scalars import schema
from zevm.rpc.errors import InvalidParamsError, RevertedError, ServerError
from zevm.rpc.methods.eth.call import STATE_OVERRIDES
from zevm.rpc.methods.support.bundles import (
    BUNDLES,
    CONTEXT,
    BundleArguments,
    check_call_count,
    prepare_bundles,
)
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services


@method(
    "eth_callMany",
    cost=Cost.EXECUTION,
    params=(BUNDLES, CONTEXT, STATE_OVERRIDES),
    result="[[{value} or {error}]]",
)
def call_many_bundles(
    services: Services,
    bundles: list[BundleArguments],
    context: StateContext,
    state_overrides: StateOverrides,
    *,
    deadline: Deadline,
) -> list[list[Json]]:
    """Execute calls in sequence, each on the state that the previous one left; bundle by bundle."""
    try:
        outcomes = call_many(
            services.chain,
            prepare_bundles(services, bundles),
            context,
            overrides=CallOverrides(state=state_overrides),
            deadline=deadline,
        )
    except TransactionError as error:
        raise ServerError(f"err: {error.message}") from error
    return [[_call_result(services, outcome) for outcome in bundle] for bundle in outcomes]


def _failure(services: Services, outcome: Outcome) -> str | None:
    """Why an execution failed, with a revert's reason; None if it succeeded."""
    if outcome.error is None:
        return None
    if outcome.error.kind is not VmErrorKind.REVERT:
        return outcome.error.message
    reason = None if services.decoder is None else services.decoder.revert_reason(outcome.output)
    return RevertedError(outcome.output, reason).message


def _call_result(services: Services, outcome: Outcome) -> Json:
    failure = _failure(services, outcome)
    return {"value": hexadecimal(outcome.output)} if failure is None else {"error": failure}


_BUNDLE_REQUEST_FIELDS: dict[str, tuple[str, scalars.Decoder]] = {
    "txs": ("transactions", scalars.tuple_of(scalars.data)),
    "blockNumber": ("number", scalars.number),
    "stateBlockNumber": ("parent", scalars.block_number),
}
_BUNDLE_BLOCK_FIELDS: dict[str, tuple[str, scalars.Decoder]] = {
    "timestamp": ("timestamp", scalars.number),
    "coinbase": ("coinbase", scalars.address),
    "gasLimit": ("gas_limit", scalars.number),
    "difficulty": ("difficulty", scalars.number),
    "baseFee": ("base_fee_per_gas", scalars.number),
}


@schema(
    type="object",
    title="Signed bundle",
    properties={name: {} for name in (*_BUNDLE_REQUEST_FIELDS, *_BUNDLE_BLOCK_FIELDS)},
)
def signed_bundle(value: object) -> dict[str, Any]:
    """{txs: [signed], blockNumber, stateBlockNumber, timestamp, coinbase, gasLimit, difficulty, baseFee}."""
    decoded: dict[str, Any] = decode_fields(value, _BUNDLE_REQUEST_FIELDS)
    if not decoded.get("transactions"):
        raise InvalidParamsError("bundle missing txs")
    if "number" not in decoded:
        raise InvalidParamsError("bundle missing blockNumber")
    return decoded | {"overrides": BlockOverrides(**decode_fields(value, _BUNDLE_BLOCK_FIELDS))}


@method(
    "eth_callBundle",
    cost=Cost.EXECUTION,
    params=(Param("bundle", signed_bundle, summary="signed transactions and the block that they are for"),),
    result="{bundleHash, results, coinbaseDiff, totalGasUsed, ...}",
)
def call_signed_bundle(services: Services, bundle: dict[str, Any], *, deadline: Deadline) -> Json:
    """Execute signed transactions at the top of a coming block, and report its producer's earnings."""
    check_call_count(len(bundle["transactions"]), services.limits)
    transactions = tuple([Transaction.decode(item) for item in bundle["transactions"]])
    request = BundleRequest(**bundle | {"transactions": transactions})
    result = call_bundle(services.chain, request, deadline=deadline)
    gas_used = result.total(lambda item: item.outcome.gas_used)
    earned = result.total(lambda item: item.coinbase_wei)
    return {
        "bundleHash": hexadecimal(result.hash),
        "bundleGasPrice": str(earned // gas_used),
        "coinbaseDiff": str(earned),
        "ethSentToCoinbase": str(result.total(lambda item: item.paid_wei)),
        "gasFees": str(result.total(lambda item: item.fees_wei)),
        "results": [_bundle_result(services, item) for item in result.results],
        "stateBlockNumber": result.parent_number,
        "totalGasUsed": gas_used,
    }


def _bundle_result(services: Services, item: BundleTransaction) -> Json:
    """A transaction's result; amounts are decimal strings in wei, as in Flashbots' API."""
    transaction, outcome = item.transaction, item.outcome
    gas_used = outcome.gas_used
    encoded: Json = {
        "txHash": hexadecimal(transaction.hash),
        "fromAddress": hexadecimal(transaction.sender),
        "toAddress": "0x" if transaction.to is None else hexadecimal(transaction.to),
        "gasUsed": gas_used,
        "gasPrice": str(item.coinbase_wei // gas_used),
        "gasFees": str(item.fees_wei),
        "coinbaseDiff": str(item.coinbase_wei),
        "ethSentToCoinbase": str(item.paid_wei),
    }
    failure = _failure(services, outcome)
    if failure is None:
        return encoded | {"value": hexadecimal(outcome.output)}
    return encoded | {"error": failure, "revert": hexadecimal(outcome.output)}
