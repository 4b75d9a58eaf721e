"""testing_: blocks built on demand, for authors of test fixtures. They are returned and not kept."""

from zevm.chain.calls.payload import PayloadAttributes, build_payload
from zevm.chain.types import Transaction
from zevm.rpc.codec import engine, scalars
from zevm.rpc.codec.results import Json, hexadecimal
from zevm.rpc.errors import ServerError
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.storage.primitives import Hash32

_ABSENT = dict.fromkeys(("withdrawals", "blobGasUsed", "excessBlobGas"))
"""Fields that geth returns as null if the fork lacks them."""


@method(
    "testing_buildBlockV1",
    cost=Cost.WRITE,
    params=(
        Param("parentHash", scalars.hash32, summary="the newest block's"),
        Param("attributes", engine.payload_attributes),
        Param(
            "transactions", scalars.array_of(scalars.data), default=None, summary="EIP-2718 bytes; null for the pool's"
        ),
        Param("extraData", scalars.data, default=b""),
    ),
    result="{executionPayload, blockValue, blobsBundle, executionRequests, shouldOverrideBuilder}",
)
def build_block(
    services: Services,
    parent_hash: Hash32,
    attributes: PayloadAttributes,
    transactions: list[bytes] | None,
    extra_data: bytes,
) -> Json:
    """Build a block on the head from given transactions or the pool's, without changing the chain."""
    chain = services.chain
    if chain.head.header.hash != parent_hash:
        raise ServerError("parentHash is not current head")
    decoded = None if transactions is None else [Transaction.decode(item) for item in transactions]
    payload = build_payload(chain, attributes, decoded, extra_data)
    requests = payload.sealed.requests
    return {
        "executionPayload": _ABSENT | engine.encode_payload(payload.sealed.block),
        "blockValue": hex(payload.sealed.tips_wei),
        "blobsBundle": engine.encode_blobs(payload.sidecars),
        "executionRequests": None if requests is None else [hexadecimal(request) for request in requests],
        "shouldOverrideBuilder": False,
    }
