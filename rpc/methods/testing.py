"""testing_: blocks built on demand, for those who make test fixtures. They are answered and forgotten."""

from chain.payload import Payload, PayloadAttributes, build_payload
from chain.types import Transaction
from rpc import codec, codec_objects, encoding
from rpc.codec import schema
from rpc.codec_objects import decode_fields
from rpc.encoding import Json, hexadecimal
from rpc.errors import InvalidParamsError, ServerError
from rpc.registry import Cost, Param, method
from rpc.services import Services

_ATTRIBUTES: dict[str, tuple[str, codec.Decoder]] = {
    "timestamp": ("timestamp", codec.uint64),
    "prevRandao": ("prev_randao", codec.hash32),
    "suggestedFeeRecipient": ("fee_recipient", codec.address),
    "withdrawals": ("withdrawals", codec.tuple_of(codec_objects.withdrawal)),
    "parentBeaconBlockRoot": ("parent_beacon_block_root", codec.hash32),
}
_REQUIRED = ("timestamp", "prevRandao", "suggestedFeeRecipient")


@schema(type="object", title="Payload attributes", properties={name: {} for name in _ATTRIBUTES})
def payload_attributes(value: object) -> PayloadAttributes:
    """{timestamp, prevRandao, suggestedFeeRecipient, withdrawals, parentBeaconBlockRoot} of the engine API."""
    decoded = decode_fields(value, _ATTRIBUTES)
    for wire_name in _REQUIRED:
        if _ATTRIBUTES[wire_name][0] not in decoded:
            raise InvalidParamsError(f"missing required field '{wire_name}' for PayloadAttributes")
    return PayloadAttributes(**decoded)


@method(
    "testing_buildBlockV1",
    cost=Cost.WRITE,
    params=(
        Param("parentHash", codec.hash32, summary="the newest block's"),
        Param("attributes", payload_attributes),
        Param("transactions", codec.array_of(codec.data), default=None, summary="EIP-2718 bytes; null for the pool's"),
        Param("extraData", codec.data, default=b""),
    ),
    result="{executionPayload, blockValue, blobsBundle, executionRequests, shouldOverrideBuilder}",
)
def build_block(
    services: Services,
    parent_hash: bytes,
    attributes: PayloadAttributes,
    transactions: list[bytes] | None,
    extra_data: bytes,
) -> Json:
    """Build a block upon the newest one, of given transactions or the pool's; the chain stays as it is."""
    chain = services.chain
    if chain.head.header.hash != parent_hash:
        raise ServerError("parentHash is not current head")
    decoded = None if transactions is None else [Transaction.decode(item) for item in transactions]
    payload = build_payload(chain, attributes, decoded, extra_data)
    requests = payload.sealed.requests
    return {
        "executionPayload": _encode(payload),
        "blockValue": hex(payload.value_wei),
        "blobsBundle": _blobs(payload),
        "executionRequests": None if requests is None else [hexadecimal(request) for request in requests],
        "shouldOverrideBuilder": False,
    }


def _encode(payload: Payload) -> Json:
    block = payload.sealed.block
    header, withdrawals = block.header, block.withdrawals
    return {
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
        "blockHash": hexadecimal(block.hash),
        "transactions": [hexadecimal(transaction.encoded) for transaction in block.transactions],
        "withdrawals": None if withdrawals is None else [encoding.withdrawal(item) for item in withdrawals],
        "blobGasUsed": None if header.blob_gas_used is None else hex(header.blob_gas_used),
        "excessBlobGas": None if header.excess_blob_gas is None else hex(header.excess_blob_gas),
    }


def _blobs(payload: Payload) -> Json:
    sidecars = payload.sidecars
    return {
        "commitments": [hexadecimal(item) for sidecar in sidecars for item in sidecar.commitments],
        "proofs": [hexadecimal(item) for sidecar in sidecars for item in sidecar.proofs],
        "blobs": [hexadecimal(item) for sidecar in sidecars for item in sidecar.blobs],
    }
