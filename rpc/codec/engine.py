"""Decoders and encoders of the Engine API's structures (execution-apis, src/engine/*.md).

As in geth, null counts as absent, an absent required field is -32602, and unknown fields are ignored.
"""

from collections.abc import Mapping

from zevm.chain.calls.payload import PayloadAttributes
from zevm.chain.engine.attributes import PAYLOAD_ID_BYTES
from zevm.chain.engine.building import BuiltPayload
from zevm.chain.engine.driver import Forkchoice, ForkchoiceResult, PayloadStatus
from zevm.chain.engine.payload import ExecutionPayload
from zevm.chain.engine.transition import TransitionConfiguration
from zevm.chain.types import BlobSidecar, Block
from zevm.rpc.codec import results, scalars
from zevm.rpc.codec.objects import decode_fields, require_fields, withdrawal
from zevm.rpc.codec.results import Json, hexadecimal
from zevm.rpc.codec.scalars import Decoder, schema
from zevm.rpc.errors import with_hint

_Table = Mapping[str, tuple[str, Decoder]]


_PAYLOAD: _Table = {
    "parentHash": ("parent_hash", scalars.hash32),
    "feeRecipient": ("fee_recipient", scalars.address),
    "stateRoot": ("state_root", scalars.hash32),
    "receiptsRoot": ("receipts_root", scalars.hash32),
    "logsBloom": ("logs_bloom", scalars.data),
    "prevRandao": ("prev_randao", scalars.hash32),
    "blockNumber": ("number", scalars.uint64),
    "gasLimit": ("gas_limit", scalars.uint64),
    "gasUsed": ("gas_used", scalars.uint64),
    "timestamp": ("timestamp", scalars.uint64),
    "extraData": ("extra_data", scalars.data),
    "baseFeePerGas": ("base_fee_per_gas", scalars.quantity),
    "blockHash": ("block_hash", scalars.hash32),
    "transactions": ("transactions", scalars.tuple_of(scalars.data)),
}
_PAYLOAD_LATER: _Table = {
    "withdrawals": ("withdrawals", scalars.tuple_of(withdrawal)),
    "blobGasUsed": ("blob_gas_used", scalars.uint64),
    "excessBlobGas": ("excess_blob_gas", scalars.uint64),
}


@schema(type="object", required=sorted(_PAYLOAD))
def execution_payload(value: object) -> ExecutionPayload:
    """ExecutionPayloadV1 to V3."""
    decoded = decode_fields(value, {**_PAYLOAD, **_PAYLOAD_LATER})
    require_fields(decoded, _PAYLOAD, "ExecutableData")
    return ExecutionPayload(**decoded)


_ATTRIBUTES: _Table = {
    "timestamp": ("timestamp", scalars.uint64),
    "prevRandao": ("prev_randao", scalars.hash32),
    "suggestedFeeRecipient": ("fee_recipient", scalars.address),
}
_ATTRIBUTES_LATER: _Table = {
    "withdrawals": ("withdrawals", scalars.tuple_of(withdrawal)),
    "parentBeaconBlockRoot": ("parent_beacon_block_root", scalars.hash32),
}


@schema(type="object", required=sorted(_ATTRIBUTES))
def payload_attributes(value: object) -> PayloadAttributes:
    """PayloadAttributesV1 to V3."""
    decoded = decode_fields(value, {**_ATTRIBUTES, **_ATTRIBUTES_LATER})
    require_fields(decoded, _ATTRIBUTES, "PayloadAttributes")
    return PayloadAttributes(**decoded)


_FORKCHOICE: _Table = {
    "headBlockHash": ("head", scalars.hash32),
    "safeBlockHash": ("safe", scalars.hash32),
    "finalizedBlockHash": ("finalized", scalars.hash32),
}


@schema(type="object", required=sorted(_FORKCHOICE))
def forkchoice_state(value: object) -> Forkchoice:
    """ForkchoiceStateV1."""
    decoded = decode_fields(value, _FORKCHOICE)
    require_fields(decoded, _FORKCHOICE, "ForkchoiceState")
    return Forkchoice(**decoded)


_TRANSITION: _Table = {
    "terminalTotalDifficulty": ("total_difficulty", scalars.quantity),
    "terminalBlockHash": ("block_hash", scalars.hash32),
    "terminalBlockNumber": ("block_number", scalars.uint64),
}


@schema(type="object", required=sorted(_TRANSITION))
def transition_configuration(value: object) -> TransitionConfiguration:
    """TransitionConfigurationV1 (execution-apis, src/engine/paris.md)."""
    decoded = decode_fields(value, _TRANSITION)
    require_fields(decoded, _TRANSITION, "TransitionConfigurationV1")
    return TransitionConfiguration(**decoded)


def encode_transition(configuration: TransitionConfiguration) -> Json:
    """TransitionConfigurationV1."""
    return {
        "terminalTotalDifficulty": hex(configuration.total_difficulty),
        "terminalBlockHash": hexadecimal(configuration.block_hash),
        "terminalBlockNumber": hex(configuration.block_number),
    }


payload_identifier = scalars.fixed_data(PAYLOAD_ID_BYTES, "engine.PayloadID")
"""Decodes the 8-byte name of a build process."""


def encode_status(status: PayloadStatus) -> Json:
    """PayloadStatusV1."""
    return {
        "status": status.status.value,
        "latestValidHash": results.optional_bytes(status.latest_valid_hash),
        "validationError": None if status.error is None else with_hint(status.error, status.reason),
    }


def encode_forkchoice(result: ForkchoiceResult) -> Json:
    """The answer of engine_forkchoiceUpdated."""
    return {
        "payloadStatus": encode_status(result.status),
        "payloadId": results.optional_bytes(result.payload_id),
    }


def encode_payload(block: Block) -> Json:
    """The ExecutionPayload of a block, without the fields that its fork lacks."""
    header = block.header
    encoded: Json = {
        "parentHash": hexadecimal(header.parent_hash),
        "feeRecipient": hexadecimal(header.coinbase),
        "stateRoot": hexadecimal(header.state_root),
        "receiptsRoot": hexadecimal(header.receipts_root),
        "logsBloom": hexadecimal(header.logs_bloom),
        "prevRandao": hexadecimal(header.mix_hash),
        "blockNumber": hex(header.number),
        "gasLimit": hex(header.gas_limit),
        "gasUsed": hex(header.gas_used),
        "timestamp": hex(header.timestamp),
        "extraData": hexadecimal(header.extra_data),
        "baseFeePerGas": hex(header.base_fee_per_gas or 0),
        "blockHash": hexadecimal(header.hash),
        "transactions": [hexadecimal(transaction.encoded) for transaction in block.transactions],
    }
    if block.withdrawals is not None:
        encoded["withdrawals"] = [results.withdrawal(item) for item in block.withdrawals]
    if header.blob_gas_used is not None and header.excess_blob_gas is not None:
        encoded["blobGasUsed"] = hex(header.blob_gas_used)
        encoded["excessBlobGas"] = hex(header.excess_blob_gas)
    return encoded


def encode_built(payload: BuiltPayload, version: int) -> Json:
    """The answer of engine_getPayload: the payload in V1, an object with the payload from V2 on."""
    encoded = encode_payload(payload.block)
    if version == 1:
        return encoded
    answer: Json = {"executionPayload": encoded, "blockValue": hex(payload.value_wei)}
    if version >= 3:
        answer["blobsBundle"] = encode_blobs(payload.sidecars)
        answer["shouldOverrideBuilder"] = False
    if version >= 4:
        answer["executionRequests"] = [hexadecimal(request) for request in payload.requests]
    return answer


def encode_blobs(sidecars: tuple[BlobSidecar, ...]) -> Json:
    """The blobs bundle of a payload."""
    return {
        "commitments": [hexadecimal(item) for sidecar in sidecars for item in sidecar.commitments],
        "proofs": [hexadecimal(item) for sidecar in sidecars for item in sidecar.proofs],
        "blobs": [hexadecimal(item) for sidecar in sidecars for item in sidecar.blobs],
    }


def encode_body(block: Block | None) -> Json | None:
    """ExecutionPayloadBodyV1; null for an unknown block."""
    if block is None:
        return None
    withdrawals = block.withdrawals
    return {
        "transactions": [hexadecimal(transaction.encoded) for transaction in block.transactions],
        "withdrawals": None if withdrawals is None else [results.withdrawal(item) for item in withdrawals],
    }
